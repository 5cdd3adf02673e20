"""Pairs of perceptual hashes that differ in few bits, all of them, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from toolkit.images.hashes import Hashes
from toolkit.runtime.processor import processor_has_bf16

Ints = npt.NDArray[np.int64]
Keep = Callable[[Ints, Ints, Ints], npt.NDArray[np.bool_]]

_BITS = 128
_BANDS = 8  # at most
_WIDEST, _NARROWEST = 22, 16  # bits of a band that its index looks at
_WITHIN_ONE = 15  # eight bands of 16 bits: of more differing bits no band may be within one
_BLOCK = 256
_SIDE = 4096  # a multiple of eight, by which answers are looked at
_CANDIDATES = 2**22


def near_hashes(
    difference: Hashes, frequency: Hashes, most: int, keep: Keep | None = None
) -> tuple[Ints, Ints, Ints]:
    """Return the pairs whose two hashes differ in ``most`` bits or fewer of 128, and in how many.

    Up to 15 bits by multi-index hashing (Norouzi, Punjani & Fleet 2012): of eight bands of 16 bits,
    two hashes that differ in 15 bits or fewer have one that differs in one bit or none, so only
    rows are compared that share a band, or share it but for one bit. For fewer bits fewer and wider
    bands do, which tell more rows apart: up to 9 bits, five bands, of which 22 bits are looked at.
    Time is then nearly linear up to millions of rows. Beyond 15 bits nearly every row shares such a
    band with too many others for an index to pay, and all pairs are compared, where bf16 products
    are native as a matrix product of signs, which is exact. All ways return the same pairs in the
    same order.

    Args:
        difference: ``uint64 (n,)``.
        frequency: ``uint64 (n,)``, of the same images.
        most: bits, of both hashes together.
        keep: takes some of the pairs, as they are found, in the form of what is returned, and tells
            which of them are wanted, so that memory holds no more than those. A pair may be shown
            to it more than once.

    Returns:
        The earlier rows, the later rows, ascending, and the numbers of bits, each ``int64 (m,)``.
    """
    way = _by_counting
    if most <= _WITHIN_ONE:
        way = _by_bands
    elif processor_has_bf16():
        way = _by_product
    return way(difference, frequency, most, keep)


def _by_bands(
    difference: Hashes, frequency: Hashes, most: int, keep: Keep | None
) -> tuple[Ints, Ints, Ints]:
    n = len(difference)
    count, within = _banding(most, n)
    # at least as many places as rows, so that few rows share one
    width = min(_BITS // count, _WIDEST, max(_NARROWEST, n.bit_length() + 1))
    changes = [0, *(1 << bit for bit in range(width))] if within else [0]
    codes = [np.empty(0, np.int64)]
    for band in range(count):
        key = _band(difference, frequency, _BITS * band // count, width)
        order = np.argsort(key, kind="stable")
        edges = np.zeros(2**width + 1, np.int64)
        np.cumsum(np.bincount(key, minlength=2**width), out=edges[1:])
        for change in changes:
            other = key ^ change
            places = order, edges[other], edges[other + 1]
            codes += _verified(*places, difference, frequency, most, keep)
    first, second = np.divmod(np.unique(np.concatenate(codes)), max(n, 1))
    return first, second, _bits(difference, frequency, first, second)


def _banding(most: int, n: int) -> tuple[int, int]:
    """Return how many bands to cut hashes into, and in how many bits, 0 or 1, one must agree.

    Of ``count`` bands of hashes that differ in ``most`` bits one differs in ``most // count`` at
    most. Fewest are looked up, and what random hashes share with others by chance, per row.
    """

    def cost(way: tuple[int, int]) -> float:
        count, within = way
        width = min(_BITS // count, _WIDEST)
        looked_up = count * (1 + width * within)
        return looked_up * (1 + n / float(1 << width))

    ways = [(count, most // count) for count in range(1, _BANDS + 1)]
    return min((way for way in ways if way[1] <= 1), key=cost)


def _band(difference: Hashes, frequency: Hashes, start: int, width: int) -> Ints:
    """Return some bits of both hashes side by side, from bit ``start`` on, as numbers."""
    low, high = (difference, frequency) if start < 64 else (frequency, None)
    at = start % 64
    found = low >> np.uint64(at)
    if high is not None and at + width > 64:
        found = found | (high << np.uint64(64 - at))
    key: Ints = (found & np.uint64(2**width - 1)).astype(np.int64)
    return key


def _verified(
    order: Ints,
    begin: Ints,
    end: Ints,
    difference: Hashes,
    frequency: Hashes,
    most: int,
    keep: Keep | None,
) -> list[Ints]:
    """Return the pairs of each row with its candidates, as ``first * n + second``, in parts."""
    n, found = len(order), []
    count = end - begin
    total = np.concatenate([[0], np.cumsum(count)])
    start = 0
    while start < n:
        stop = int(np.searchsorted(total, total[start] + _CANDIDATES, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        number = count[start:stop]
        rows = np.repeat(np.arange(start, stop), number)
        place = np.arange(len(rows)) - np.repeat(total[start:stop] - total[start], number)
        others = order[np.repeat(begin[start:stop], number) + place]
        later = others > rows
        rows, others = rows[later], others[later]
        bits = _bits(difference, frequency, rows, others)
        close = bits <= most
        rows, others = rows[close], others[close]
        if keep is not None:
            wanted = keep(rows, others, bits[close])
            rows, others = rows[wanted], others[wanted]
        found.append(rows * n + others)
        start = stop
    return found


def _by_product(
    difference: Hashes, frequency: Hashes, most: int, keep: Keep | None
) -> tuple[Ints, Ints, Ints]:
    import torch

    both = np.stack([difference, frequency], axis=1).view(np.uint8)
    signs = torch.from_numpy(np.unpackbits(both, axis=1).astype(np.int8)).bfloat16() * 2 - 1
    # 128 - 2 bits: whole numbers up to 128 are exact in bf16, and sums are taken in float32
    least = float(_BITS - 2 * most)
    n, found = len(signs), []
    # hits are rare: eight answers are looked at at once, so rows are filled up to eights
    signs = torch.cat([signs, signs.new_zeros(-n % 8, _BITS)])
    for start in range(0, n, _BLOCK):
        block = signs[start : min(start + _BLOCK, n)]
        for at in range(start, n, _SIDE):
            alike = (block @ signs[at : at + _SIDE].T) >= least
            row, eight = (each.numpy() for each in alike.view(torch.int64).nonzero(as_tuple=True))
            hit, one = np.nonzero(alike.numpy().reshape(len(block), -1, 8)[row, eight])
            rows, others = row[hit] + start, eight[hit] * 8 + one + at
            new = (others > rows) & (others < n)
            found.append(_wanted(difference, frequency, rows[new], others[new], keep))
    return _ascending(found)


def _by_counting(
    difference: Hashes, frequency: Hashes, most: int, keep: Keep | None
) -> tuple[Ints, Ints, Ints]:
    found = []
    for start in range(0, len(difference), _BLOCK):
        block = slice(start, start + _BLOCK)
        bits = np.bitwise_count(difference[block, None] ^ difference[None, start:])
        bits += np.bitwise_count(frequency[block, None] ^ frequency[None, start:])
        a, b = np.nonzero(bits <= most)
        rows, others = a[b > a] + start, b[b > a] + start
        found.append(_wanted(difference, frequency, rows, others, keep))
    return _ascending(found)


def _wanted(
    difference: Hashes, frequency: Hashes, first: Ints, second: Ints, keep: Keep | None
) -> tuple[Ints, Ints, Ints]:
    bits = _bits(difference, frequency, first, second)
    if keep is None:
        return first, second, bits
    some = keep(first, second, bits)
    return first[some], second[some], bits[some]


def _ascending(found: list[tuple[Ints, Ints, Ints]]) -> tuple[Ints, Ints, Ints]:
    none = np.empty(0, np.int64)
    first, second, bits = map(np.concatenate, zip((none, none, none), *found, strict=True))
    order = np.lexsort((second, first))
    return first[order], second[order], bits[order]


def _bits(difference: Hashes, frequency: Hashes, first: Ints, second: Ints) -> Ints:
    bits: Ints = np.bitwise_count(difference[first] ^ difference[second]).astype(np.int64)
    bits += np.bitwise_count(frequency[first] ^ frequency[second])
    return bits
