"""The command line of the commands that use nothing but the standard library: relay, hold, capture.

argparse would cost more memory than capture's whole budget leaves. A command describes itself with a ``Command``, and
this file turns that into a parser and a help text. ``--name value`` and ``--name=value`` are the same; ``--`` ends
the options; a repeated option's last value counts.
"""

from __future__ import annotations

from standpipe.errors import UsageError
from standpipe.units import parse_duration, parse_size

HELP_WIDTH = 100  # columns
HELP_INDENT = 2  # columns
MAX_SUGGESTIONS = 3  # names in a message about an unknown option
MAX_MODE_DIGITS = 4  # octal digits of a file mode


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _octal(text: str) -> int:
    if not text or text.strip("01234567") or len(text) > MAX_MODE_DIGITS:
        raise ValueError(f"{text!r} is not a file mode: expected octal digits such as 0600")
    return int(text, 8)


CONVERTERS = {"integer": _integer, "size": parse_size, "duration": parse_duration, "mode": _octal}


class Option:
    """One ``--name VALUE``, or a flag where ``metavar`` is empty.

    ``kind`` is ``text``, ``integer``, ``size`` (bytes), ``duration`` (seconds), ``mode`` (octal) or ``flag``;
    ``default`` is written as on the command line. ``choices`` limits a text.
    """

    __slots__ = ("choices", "default", "kind", "meaning", "metavar", "name", "required")

    def __init__(
        self,
        name: str,
        metavar: str,
        meaning: str,
        *,
        kind: str = "text",
        default: str | None = None,
        choices: tuple[str, ...] = (),
        required: bool = False,
    ) -> None:
        """Describe one option; see the class."""
        self.name = name
        self.metavar = metavar
        self.meaning = meaning
        self.kind = kind if metavar else "flag"
        self.default = default
        self.choices = choices
        self.required = required

    def convert(self, text: str) -> str | int | float:
        """Return the value that a text stands for; raise ValueError with a sentence."""
        if self.choices and text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}")
        converter = CONVERTERS.get(self.kind)
        return converter(text) if converter else text


class Command:
    """What a command is called, takes, means and returns: all of its help text, and all that the parser needs.

    ``operand`` is the name of the positional arguments in the usage line (empty: none are taken), ``many`` whether
    more than one may be given. At least one is needed where there is an operand.
    """

    __slots__ = ("examples", "exit_codes", "many", "meaning", "name", "operand", "operand_meaning", "options")

    def __init__(
        self,
        name: str,
        meaning: str,
        *,
        operand: str = "",
        operand_meaning: str = "",
        many: bool = False,
        options: tuple[Option, ...] = (),
        exit_codes: tuple[tuple[str, str], ...] = (),
        examples: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Describe one command; see the class."""
        self.name = name
        self.meaning = meaning
        self.operand = operand
        self.operand_meaning = operand_meaning
        self.many = many
        self.options = options
        self.exit_codes = exit_codes
        self.examples = examples


class Parsed:
    """A command line that was understood.

    A getter must be the one for the option's kind, and ``integer`` and ``seconds`` need an option that is given.
    """

    __slots__ = ("_values", "operands")

    def __init__(self, values: dict[str, str | int | float], operands: list[str]) -> None:
        """Take the converted value of each option, and the positional arguments."""
        self._values = values
        self.operands = operands

    def given(self, name: str) -> bool:
        """Tell whether the option was given or has a default."""
        return name in self._values

    def text(self, name: str) -> str:
        """Return the value of a text option, or an empty text where it has none."""
        return str(self._values.get(name, ""))

    def integer(self, name: str) -> int:
        """Return the value of an integer, size (bytes) or mode option."""
        return int(self._values[name])

    def seconds(self, name: str) -> float:
        """Return the value of a duration option in seconds."""
        return float(self._values[name])


def edit_distance(one: str, other: str) -> int:
    """Return how many characters must be put in, taken out or exchanged to make one text the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def nearest(name: str, valid: list[str]) -> list[str]:
    """Return the few valid names that are most like a name that is not valid, best first."""
    return sorted(valid, key=lambda candidate: (edit_distance(name, candidate), candidate))[:MAX_SUGGESTIONS]


def _help_remedy(command: Command) -> str:
    return f"See: standpipe {command.name} --help"


def _find_option(command: Command, given: str) -> Option:
    for option in command.options:
        if given == f"--{option.name}":
            return option
    valid = [f"--{option.name}" for option in command.options] + ["--help"]
    near = ", ".join(nearest(given, valid))
    raise UsageError(f"unknown option {given}", f"The nearest are {near}. {_help_remedy(command)}")


def _convert(command: Command, option: Option, text: str) -> str | int | float:
    try:
        return option.convert(text)
    except ValueError as error:
        raise UsageError(f"--{option.name}: {error}", _help_remedy(command)) from None


def _take_value(command: Command, option: Option, given: str | None, rest: list[str]) -> str:
    """Return an option's value: what stood behind ``=``, or the next argument, which is taken off ``rest``."""
    if option.kind == "flag":
        if given is not None:
            raise UsageError(f"--{option.name} takes no value", _help_remedy(command))
        return ""
    if given is not None:
        return given
    if not rest:
        raise UsageError(f"--{option.name} needs a value, {option.metavar}", _help_remedy(command))
    return rest.pop(0)


def _finish(command: Command, values: dict[str, str | int | float], operands: list[str]) -> Parsed:
    """Put the defaults in and check that everything needed is there."""
    for option in command.options:
        if option.required and option.name not in values:
            raise UsageError(f"--{option.name} {option.metavar} is missing", _help_remedy(command))
        if option.default is not None:
            values.setdefault(option.name, _convert(command, option, option.default))
    if command.operand and not operands:
        raise UsageError(f"{command.operand} is missing", _help_remedy(command))
    most = (len(operands) if command.many else 1) if command.operand else 0
    if len(operands) > most:
        raise UsageError(f"unexpected argument {operands[most]!r}", _help_remedy(command))
    if "" in operands:
        raise UsageError(f"{command.operand} is an empty text", _help_remedy(command))
    return Parsed(values, operands)


def parse(command: Command, arguments: list[str]) -> Parsed | None:
    """Understand a command's arguments (those after its name); None where ``--help`` or ``-h`` was asked for.

    Raises UsageError for anything else that is not understood.
    """
    values: dict[str, str | int | float] = {}
    operands: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            operands += rest
            break
        if argument in ("--help", "-h"):
            return None
        if not argument.startswith("-") or argument == "-":
            operands.append(argument)
            continue
        given, equals, value = argument.partition("=")
        option = _find_option(command, given)
        text = _take_value(command, option, value if equals else None, rest)
        values[option.name] = _convert(command, option, text)
    return _finish(command, values, operands)


def _wrap(text: str, indent: int) -> str:
    """Fill a paragraph; textwrap is not used because it imports re."""
    lines = [""]
    for word in text.split():
        if lines[-1] and indent + len(lines[-1]) + 1 + len(word) > HELP_WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(" " * indent + line for line in lines)


def _definitions(title: str, entries: list[tuple[str, str]]) -> str:
    """Render a titled list; each meaning stands below its term."""
    body = "\n".join(f"{' ' * HELP_INDENT}{term}\n{_wrap(meaning, 3 * HELP_INDENT)}" for term, meaning in entries)
    return f"{title}:\n{body}\n"


def _option_entry(option: Option) -> tuple[str, str]:
    notes = f" Default: {option.default}." if option.default is not None else ""
    notes += f" One of: {', '.join(option.choices)}." if option.choices else ""
    notes += " Needed." if option.required else ""
    return f"--{option.name} {option.metavar}".rstrip(), option.meaning + notes


def help_text(command: Command) -> str:
    """Return all that ``--help`` prints, with its last newline."""
    needed = "".join(f" --{option.name} {option.metavar}" for option in command.options if option.required)
    operand = f" {command.operand}{'…' if command.many else ''}" if command.operand else ""
    paragraphs = [f"Usage: standpipe {command.name}{needed} [OPTIONS]{operand}\n", _wrap(command.meaning, 0) + "\n"]
    if command.operand:
        paragraphs.append(_definitions("Arguments", [(command.operand, command.operand_meaning)]))
    options = [_option_entry(option) for option in command.options]
    paragraphs.append(_definitions("Options", [*options, ("--help", "Print this text.")]))
    if command.exit_codes:
        paragraphs.append(_definitions("Exit status", list(command.exit_codes)))
    if command.examples:
        paragraphs.append(_definitions("Examples", list(command.examples)))
    return "\n".join(paragraphs)
