"""Duplicates: the same picture twice, exactly or nearly, and whether a split tears it apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.auditing.linear_probe import Floats
from toolkit.auditing.orders import Ints
from toolkit.errors import DataError
from toolkit.images.hashes import ImageHashes
from toolkit.images.near_hashes import near_hashes

SAMPLE = 3000
EXPECTED = 0.05
_TAIL = 0.001
_FEWEST = 600
_LEAST = 25.0
# of 128 bits: on 18,000 photographs all five pairs below 15 bits show the same picture
_SAME = 8
_RELATED = 2.0
_CHUNK = 20_000
_MANY = 4096  # pairs of one block of hashes, from which a sketch is quicker than their cosines
_COMPONENTS = 31  # and the length of what is left: 32 numbers a row
_ROUNDING = 1e-4  # of a sketch's bound in float32


@dataclass(frozen=True)
class Pair:
    """Two rows that show the same picture.

    Attributes:
        first: the earlier row.
        second: the later row.
        kind: ``exact`` (same bytes) or ``near``.
        bits: of 128, how many differ in the two perceptual hashes together.
        cosine: of the embeddings about their mean.
    """

    first: int
    second: int
    kind: Literal["exact", "near"]
    bits: int
    cosine: float

    @property
    def likeness(self) -> str:
        """How alike they are, in words."""
        return "the same bytes" if self.kind == "exact" else f"{self.bits} of 128 hash bits apart"


@dataclass(frozen=True, eq=False)
class Calibration:
    """How alike unrelated images are, from random pairs.

    Attributes:
        bits: mean and deviation of the number of differing hash bits.
        cosine: mean and deviation of the cosine.
        threshold: closeness from which a pair counts as a near duplicate.
        pairs: random pairs used.
    """

    bits: tuple[float, float]
    cosine: tuple[float, float]
    threshold: float
    pairs: int

    def closeness(self, bits: npt.ArrayLike, cosine: npt.ArrayLike) -> Floats:
        """Return the product of both likenesses, in deviations above that of random pairs.

        Either alone mistakes one sunset for another: hashes see two bright spots on black as one
        picture, embeddings see one subject. Their product is large only where both agree.
        """
        by_hash = (self.bits[0] - np.asarray(bits, np.float64)) / self.bits[1]
        by_cosine = (np.asarray(cosine, np.float64) - self.cosine[0]) / self.cosine[1]
        return np.maximum(by_hash, 0) * np.maximum(by_cosine, 0)

    def alike(self, bits: npt.ArrayLike, cosine: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which pairs are near duplicates.

        Those whose closeness reaches the threshold, and those with hashes that are all but equal
        and embeddings that are more alike than of unrelated pictures.
        """
        related = np.asarray(cosine) >= self.cosine[0] + _RELATED * self.cosine[1]
        same = (np.asarray(bits) <= _SAME) & related
        found: npt.NDArray[np.bool_] = same | (self.closeness(bits, cosine) >= self.threshold)
        return found

    def least_cosine(self, bits: npt.ArrayLike) -> Floats:
        """Return the cosine below which no pair with so many differing bits is a near duplicate."""
        apart = np.asarray(bits)
        by_hash = np.maximum((self.bits[0] - apart) / self.bits[1], 1e-9)
        needed = np.where(
            apart <= _SAME, np.minimum(_RELATED, self.threshold / by_hash), self.threshold / by_hash
        )
        found: Floats = self.cosine[0] + self.cosine[1] * needed
        return found

    @property
    def most_bits(self) -> int:
        """Hash bits beyond which no pair is a near duplicate, whatever its cosine."""
        best = (1 - self.cosine[0]) / self.cosine[1]
        return max(_SAME, int(np.floor(self.bits[0] - self.threshold / best * self.bits[1])))


@dataclass(frozen=True, eq=False)
class Duplicates:
    """All duplicates of a data set.

    Attributes:
        pairs: exact ones first, then near ones, the closest first. Of k exact copies each later one
            is paired with the first.
        groups: ``int64 (n,)``: rows with one number show one picture; every other row has a number
            of its own. Fit for ``stratified_split(groups=...)`` and ``make_folds(groups=...)``.
        calibration: of near duplicates; None where too few images have usable hashes.
    """

    pairs: tuple[Pair, ...]
    groups: Ints
    calibration: Calibration | None

    def across(self, part: npt.ArrayLike) -> list[Pair]:
        """Return the pairs whose rows lie in different parts; ``part`` is ``int (n,)``."""
        where = np.asarray(part)
        return [pair for pair in self.pairs if where[pair.first] != where[pair.second]]

    def conflicting(self, Y: npt.ArrayLike) -> list[Pair]:
        """Return the pairs whose rows of labels ``Y`` (n, L) differ in what is known of both."""
        labels = np.asarray(Y)
        return [p for p in self.pairs if unlike(labels[p.first], labels[p.second]).any()]

    def facts(self) -> dict[str, Any]:
        """Return counts and calibration, JSON-able."""
        kinds = [pair.kind for pair in self.pairs]
        return {
            "exact_pairs": kinds.count("exact"),
            "near_pairs": kinds.count("near"),
            "groups_of_several": int((np.unique(self.groups, return_counts=True)[1] > 1).sum()),
            "calibration": None if self.calibration is None else vars(self.calibration),
        }


def unlike(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which labels ``(L,)`` of two images contradict each other; unknown ones do not.

    >>> unlike(np.array([1, 0, -1]), np.array([0, 0, 1])).tolist()
    [True, False, False]
    """
    found: npt.NDArray[np.bool_] = (first != second) & (first >= 0) & (second >= 0)
    return found


def find_duplicates(
    digests: npt.ArrayLike, X: npt.ArrayLike, hashes: ImageHashes, *, seed: int = 0
) -> Duplicates:
    """Find exact duplicates by content and near ones by hash and embedding together.

    Cosines are computed only where the hashes leave a chance. Where that takes few differing bits
    time is nearly linear in n, else all pairs of hashes are compared
    (:func:`toolkit.images.near_hashes.near_hashes`).

    Args:
        digests: ``uint8 (n, 16)``, of the files' bytes.
        X: ``float (n, d)`` embeddings.
        hashes: of the same images; those without usable ones have no near duplicates.
        seed: of the random pairs.

    Raises:
        DataError: the arrays differ in length.
    """
    content, given = np.ascontiguousarray(digests, np.uint8), np.asarray(X, np.float32)
    n = len(content)
    if len(given) != n or len(hashes.difference) != n:
        raise DataError(
            f"duplicates: expected one digest, embedding and hash of each image, found {n}, "
            f"{len(given)} and {len(hashes.difference)}"
        )
    unit = given - given.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    _, first, inverse = np.unique(content, axis=0, return_index=True, return_inverse=True)
    keeper = first[inverse.reshape(-1)]
    later = np.flatnonzero(keeper != np.arange(n))
    exact = keeper[later], later, _differing(hashes, keeper[later], later)
    # one of each exact set stands for it, so that copies do not bend the calibration
    alone = hashes.usable.copy()
    alone[later] = False
    rows = np.flatnonzero(alone)
    found = _pairs("exact", *exact, _cosines(unit, *exact[:2]))
    calibration = calibrate(unit, hashes, rows, seed)
    if calibration is not None:
        a, b, bits = near_hashes(
            hashes.difference[rows],
            hashes.frequency[rows],
            calibration.most_bits,
            _Chance(unit[rows], calibration),
        )
        a, b = rows[a], rows[b]
        cosine = _cosines(unit, a, b)
        close = calibration.closeness(bits, cosine)
        order = np.argsort(-close, kind="stable")
        order = order[calibration.alike(bits, cosine)[order]]
        found += _pairs("near", a[order], b[order], bits[order], cosine[order])
    return Duplicates(tuple(found), _groups(n, found), calibration)


def _pairs(kind: Literal["exact", "near"], *columns: npt.NDArray[np.number[Any]]) -> list[Pair]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Pair(first, second, kind, bits, cosine) for first, second, bits, cosine in rows]


def calibrate(
    unit: npt.NDArray[np.float32], hashes: ImageHashes, rows: Ints, seed: int = 0
) -> Calibration | None:
    """Return the threshold of closeness from random pairs of ``rows``; None for under 36 rows.

    The pairs are all those among 3,000 random rows. Closeness of random pairs is taken to fall off
    exponentially beyond its 99.9 % quantile (with few images, beyond the 600 closest pairs), at the
    rate given by the median excess, which true duplicates in the sample hardly move. The threshold
    is where 0.05 of all n (n - 1) / 2 pairs would be expected.
    """
    total = len(rows) * (len(rows) - 1) // 2
    if total < _FEWEST:
        return None
    some = rows
    if len(rows) > SAMPLE:
        some = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))
    first, second = np.triu_indices(len(some), 1)
    bits = _differing(hashes, some[first], some[second]).astype(np.float64)
    cosine = (unit[some] @ unit[some].T)[first, second].astype(np.float64)
    plain = Calibration(
        (float(bits.mean()), max(float(bits.std()), 1e-6)),
        (float(cosine.mean()), max(float(cosine.std()), 1e-6)),
        _LEAST,
        len(first),
    )
    tail = max(_FEWEST, int(_TAIL * len(first)))
    top = np.sort(plain.closeness(bits, cosine))[-tail:]
    rate = float(np.median(top - top[0])) / np.log(2)
    threshold = float(top[0] + rate * np.log(total * tail / len(first) / EXPECTED))
    return Calibration(plain.bits, plain.cosine, max(threshold, _LEAST), len(first))


class _Chance:
    """Which pairs may be alike enough, from a few numbers of each row.

    Of two unit vectors turned alike, the first numbers give a part of the product, and what is left
    of them cannot give more than the product of its lengths (Cauchy-Schwarz). Few pairs are not
    worth it, and all may be.
    """

    def __init__(self, unit: npt.NDArray[np.float32], calibration: Calibration) -> None:
        self.unit, self.calibration = unit, calibration
        self._sketch: npt.NDArray[np.float32] | None = None

    def __call__(self, first: Ints, second: Ints, bits: Ints) -> npt.NDArray[np.bool_]:
        if len(first) <= _MANY:
            return np.ones(len(first), bool)
        if self._sketch is None:
            self._sketch = _sketch(self.unit)
        least = self.calibration.least_cosine(np.arange(bits.max() + 1))[bits]
        found: npt.NDArray[np.bool_] = _cosines(self._sketch, first, second) >= least - _ROUNDING
        return found


def _sketch(unit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the leading components of unit vectors (n, d), and the length of what is left."""
    from scipy.linalg import eigh

    some = unit[:: max(1, len(unit) // SAMPLE)]
    last = unit.shape[1] - 1
    wanted = [max(0, last - _COMPONENTS + 1), last]
    axes = eigh((some.T @ some).astype(np.float64), subset_by_index=wanted)[1]
    few = unit @ axes.astype(np.float32)
    left = np.sqrt(np.maximum(1 - np.einsum("nk,nk->n", few, few), 0))
    return np.concatenate([few, left[:, None]], axis=1)


def _cosines(unit: npt.NDArray[np.float32], first: Ints, second: Ints) -> Floats:
    parts = [
        np.einsum("nd,nd->n", unit[first[i : i + _CHUNK]], unit[second[i : i + _CHUNK]])
        for i in range(0, len(first), _CHUNK)
    ]
    return np.concatenate([np.empty(0), *parts]).astype(np.float64)


def _differing(hashes: ImageHashes, first: Ints, second: Ints) -> Ints:
    by_each = (each[first] ^ each[second] for each in (hashes.difference, hashes.frequency))
    bits: Ints = np.sum([np.bitwise_count(bits) for bits in by_each], axis=0, dtype=np.int64)
    return bits


def _groups(n: int, pairs: list[Pair]) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array([(pair.first, pair.second) for pair in pairs], np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), tuple(ends)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
