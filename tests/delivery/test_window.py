from hypothesis import given
from hypothesis import strategies as st

from standpipe.delivery.feed import Parcel
from standpipe.delivery.window import Window
from standpipe.records.framing import Record
from standpipe.sinks.base import Batch


def parcel(number: int, payloads: int = 1) -> Parcel:
    """Return a parcel that ends at an offset."""
    record = Record(number, 1, b"", torn=False)
    return Parcel(Batch([record] * payloads, [b""] * payloads, [0] * payloads), number, number)


@given(order=st.permutations(list(range(6))))
def test_the_cursor_moves_over_the_contiguous_prefix(order: list[int]) -> None:
    """In whatever order acknowledgements come, a parcel is given out when all earlier ones are done, once."""
    window = Window()
    flights = [window.add(parcel(number)) for number in range(6)]
    done: set[int] = set()
    given_out: list[int] = []
    for number in order:
        flights[number].todo.clear()
        done.add(number)
        given_out += [flight.parcel.offset for flight in window.acknowledged()]
        prefix = next(n for n in range(7) if n not in done)
        assert list(range(prefix)) == given_out
        assert 6 - prefix == len(window)


def test_a_parcel_without_a_batch_is_done_at_once() -> None:
    """A stretch of which nothing is for this sink waits only for those before it."""
    window = Window()
    first = window.add(parcel(1))
    window.add(parcel(2, payloads=0))
    assert [] == window.acknowledged()
    first.todo.clear()
    assert [1, 2] == [flight.parcel.offset for flight in window.acknowledged()]


def test_what_keeps_a_flight_open() -> None:
    """A batch to be sent, one that is being sent, a dead letter that is not on the disk."""
    window = Window()
    flight = window.add(parcel(1))
    assert not flight.done
    flight.todo.clear()
    flight.in_air = 1
    assert not flight.done
    flight.in_air = 0
    flight.unburied = 1
    assert not flight.done
    flight.unburied = 0
    assert flight.done
    assert [flight] == list(window)
