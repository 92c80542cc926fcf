"""Sizes and durations as people write them: ``64MiB``, ``1.5GiB``, ``500ms``, ``7d``.

Pure, and imports nothing: capture's command line and the config both read their numbers here. A number without
a unit is bytes, or seconds. Units are exact and case-sensitive; ``MB`` and ``M`` are refused because people mean
both 10^6 and 2^20 by them.
"""

SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}  # bytes
DURATION_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}  # milliseconds
MAX_DIGITS = 20  # of a number; more is a mistake, and int() of very long text is slow


def _split(text: str, units: dict[str, int], bare_unit: str, what: str) -> tuple[int, int]:
    """Return a fraction ``(numerator, denominator)`` in the smallest unit of the table."""
    number = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :] or bare_unit
    whole, point, fraction = number.strip(" ").partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or not whole or (point and not fraction) or len(digits) > MAX_DIGITS:
        raise ValueError(f"{text!r} is not a {what}: expected a number and one of {', '.join(units)}")
    if unit not in units:
        raise ValueError(f"{text!r} has the unknown unit {unit!r}: expected one of {', '.join(units)}")
    return int(digits) * units[unit], 10 ** len(fraction)


def parse_size(text: str) -> int:
    """Return a size in bytes; a fraction of a byte is cut off. Raise ValueError with a sentence for the user."""
    numerator, denominator = _split(text, SIZE_UNITS, "B", "size")
    return numerator // denominator


def parse_duration(text: str) -> float:
    """Return a duration in seconds. Raise ValueError with a sentence for the user."""
    numerator, denominator = _split(text, DURATION_UNITS, "s", "duration")
    return numerator / (denominator * DURATION_UNITS["s"])
