"""When a dead child is started again. Pure."""

from dataclasses import dataclass

FIRST_DELAY_SECONDS = 0.1  # the second restart in a row waits so long; each later one twice as long
DOUBLINGS_MAX = 10  # more than lead to the longest delay; without a bound 2.0 ** n overflows after 1,024 restarts
DELAY_SECONDS_MAX = 10.0  # a fault that lasts is tried six times a minute: soon enough, and readable in a log
HEALTHY_SECONDS = 1.0  # alive for so long: the next restart is a first one again


@dataclass(frozen=True, slots=True)
class RestartState:
    """How often a child was restarted in a row."""

    in_a_row: int = 0


def next_restart(state: RestartState, alive_seconds: float) -> tuple[RestartState, float]:
    """Return the new state and the delay in seconds before the restart: none for the first, then backing off."""
    in_a_row = 0 if alive_seconds >= HEALTHY_SECONDS else state.in_a_row
    doublings = min(DOUBLINGS_MAX, in_a_row - 1)
    delay_seconds = 0.0 if in_a_row == 0 else min(DELAY_SECONDS_MAX, FIRST_DELAY_SECONDS * 2.0**doublings)
    return RestartState(in_a_row + 1), delay_seconds
