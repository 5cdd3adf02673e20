"""Blocks of labels that are worked on one after another, so that memory has a bound."""

from __future__ import annotations

from itertools import pairwise


def label_blocks(labels: int, count: int) -> list[slice]:
    """Cut L labels into ``count`` blocks of nearly one width, or into L if that is fewer.

    >>> label_blocks(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    count = max(1, min(count, labels))
    return [slice(a, b) for a, b in pairwise(labels * k // count for k in range(count + 1))]
