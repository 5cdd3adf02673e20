"""Spans: parts of files at addresses; small ones come in blocks, which their neighbours share.

A request costs a round trip and a millisecond of the processor, a photograph of 6 kB next to
nothing. Images are read in the order in which they lie, so one request serves a few dozen.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock

from toolkit.images.addresses import fetched

BLOCK = 256 << 10
HELD = 64  # blocks
_blocks: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()
_lock = Lock()


def span(address: str, start: int, stop: int) -> bytes:
    """Return the bytes at an address from ``start`` to before ``stop``.

    Raises:
        OSError: they cannot be had.
        DataError: what opens this kind of address is not installed.
    """
    if stop - start > BLOCK // 2:
        return fetched(address, start, stop)
    numbers = range(start // BLOCK, max(start, stop - 1) // BLOCK + 1)
    data = b"".join(_block(address, number) for number in numbers)
    offset = start - numbers[0] * BLOCK
    found = data[offset : offset + stop - start]
    # a block may have been cut short; what is asked for alone is tried again
    return found if len(found) == stop - start else fetched(address, start, stop)


def forget_spans() -> None:
    """Forget what was fetched: it may have been written anew."""
    with _lock:
        _blocks.clear()


def _block(address: str, number: int) -> bytes:
    """Return a block, fetched by one thread for all; the file may end in it."""
    with _lock:
        found = _blocks.get((address, number))
        if found is None:
            mine: Future[bytes] = Future()
            _blocks[address, number] = mine
            while len(_blocks) > HELD:
                _blocks.popitem(last=False)
        else:
            _blocks.move_to_end((address, number))
    if found is not None:
        return found.result()
    try:
        mine.set_result(fetched(address, number * BLOCK, (number + 1) * BLOCK, whole=False))
    except BaseException as error:
        with _lock:
            _blocks.pop((address, number), None)
        mine.set_exception(error)
    return mine.result()
