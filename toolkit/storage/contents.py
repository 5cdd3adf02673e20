"""Contents: digests of images in columns, compared a million at a time."""

from __future__ import annotations

import numpy as np

from toolkit.storage.files import DIGEST_BYTES


def as_contents(digests: np.ndarray) -> np.ndarray:
    """View ``uint8 (n, 16)`` digests as one sortable value each, ``(n,)``."""
    return np.ascontiguousarray(digests, np.uint8).view(f"V{DIGEST_BYTES}").reshape(-1)


def among(digests: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tell which digests are among others, ``bool (n,)``; both are ``uint8 (., 16)``.

    >>> among(np.array([[1] * 16, [0] * 16], np.uint8), np.ones((3, 16), np.uint8)).tolist()
    [True, False]
    """
    wanted, there = as_contents(digests), np.sort(as_contents(known))
    if len(there) == 0:
        return np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    found: np.ndarray = there[place] == wanted
    return found


def first_of_each(digests: np.ndarray) -> np.ndarray:
    """Return the row at which each content first occurs, ascending, ``int64 (u,)``.

    Args:
        digests: ``uint8 (n, 16)``.

    >>> first_of_each(np.array([[1] * 16, [0] * 16, [1] * 16], np.uint8)).tolist()
    [0, 1]
    """
    if len(digests) == 0:
        return np.zeros(0, np.int64)
    contents = as_contents(digests)
    order = np.argsort(contents, kind="stable")
    ordered = contents[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return np.sort(order[new])
