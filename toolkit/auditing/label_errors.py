"""Label errors: which labels are likely missing or wrong, by out-of-fold probabilities.

A given label is doubted as far as the out-of-fold probability and the label's rate of errors say
together. Against cleanlab's rankings see ``docs/decisions/0013-audit-verdicts.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import testable
from toolkit.auditing.linear_probe import Floats, principal_components
from toolkit.errors import DataError
from toolkit.heads.label_blocks import label_blocks
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import log_loss

COMPONENTS = 256
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
QUANTILES = np.array([0.1, 0.25, 0.5])
_TAIL = 0.025
_SPARE = 0.5
_BLOCK = 256  # labels at a time
_RATES = 1e-6, 0.5
_EDGE = 1e-7


def out_of_fold_probabilities(
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    fold: npt.ArrayLike,
    *,
    components: int = COMPONENTS,
    strengths: Sequence[float] = STRENGTHS,
    device: str = "cpu",
) -> npt.NDArray[np.float32]:
    """Return ``float32 (n, L)``: P(y = 1) of every label by models that did not see the row.

    Logistic regressions on the leading principal components of the embeddings, their strength
    chosen per label by out-of-fold log loss. Rows of no fold (-1) get the mean logit of the fold
    models, none of which saw them. A label without 5 positives and 5 negatives, or with one class
    only outside some fold, is NaN. Nothing is learned or chosen by cells of -1.

    Args:
        X: ``float (n, d)`` embeddings.
        Y: 0/1 ``(n, L)``, -1 for unknown.
        fold: ``int (n,)``, from 0; -1 for rows to learn nothing from.
        components: how many principal components.
        strengths: scikit-learn's ``C``, ascending.
        device: ``cpu`` or ``cuda``.
    """
    from toolkit.heads.logistic import solve

    labels, folds = np.asarray(Y), np.asarray(fold)
    if folds.shape != (len(labels),) or folds.max(initial=-1) < 1:
        raise DataError(
            f"fold: expected a number for each of {len(labels)} rows, two folds or more, found the "
            f"shape {folds.shape} and the largest number {folds.max(initial=-1)}"
        )
    Z = principal_components(X, components)
    at = np.flatnonzero(testable(labels))
    for f in range(int(folds.max()) + 1):
        rest = labels[(folds >= 0) & (folds != f)][:, at]
        at = at[(rest == 1).any(axis=0) & (rest == 0).any(axis=0)]
    out = np.full(labels.shape, np.nan, np.float32)
    if not len(at):
        return out
    yes, weight = ((labels[:, at] == 1).astype(np.uint8), (labels[:, at] >= 0).astype(np.float32))
    found = solve(Z, yes, weight, folds, strengths, tol=1e-3, device=device)
    P = sigmoid(found.logits)
    learned = folds >= 0
    loss = np.stack([log_loss(labels[learned][:, at], p[learned]) for p in P])
    best = loss.argmin(axis=0)
    out[:, at] = P[best, :, np.arange(len(at))].T
    return out


@dataclass(frozen=True)
class Suspect:
    """One label of one image that is likely to be wrong.

    Attributes:
        row: the image's row.
        label: the label's name.
        kind: ``missing`` (given 0) or ``wrong`` (given 1).
        probability: out-of-fold P(y = 1).
        score: orders suspects; at most the probability of an error, see :func:`suspicion`.
    """

    row: int
    label: str
    kind: Literal["missing", "wrong"]
    probability: float
    score: float


def mislabelled(P: npt.ArrayLike, Y: npt.ArrayLike) -> Floats:
    """Return how many labels are missing and how many wrong, ``(2, 2, L)``, and at most how many.

    Mixture proportion (Blanchard, Lee & Scott 2010): if some given negatives are positives, they
    are spread over the scores as positives are, so of N of them a share q lies above the (1 - q)
    quantile of the positives; hence N is at most the number of given negatives up there divided by
    q. The least such figure over q = 0.1, 0.25, 0.5 is taken; likewise for wrong positives at the
    lower end. Images that merely look like the other class count too, so nothing bounds the number
    from below. The bound from above is that of a Poisson count, divided by that of the share of
    positives above one of them (a beta distribution), so a rare label's figure of 0 may well be a
    few.

    Args:
        P: out-of-fold P(y = 1) ``(n, L)``.
        Y: 0/1 ``(n, L)``; cells of -1 are unknown, not mistaken.

    Returns:
        Missing, then wrong; of each a figure that ranks, half an error added to its count, and the
        bound. NaN for labels whose probabilities are unknown.
    """
    p, (given, absent) = np.asarray(P, np.float64), _classes(Y)
    found = np.full((2, 2, p.shape[1]), np.nan)
    for j in np.flatnonzero(~np.isnan(p).any(axis=0) & given.any(axis=0) & absent.any(axis=0)):
        yes, no = p[given[:, j], j], p[absent[:, j], j]
        found[:, :, j] = _bounds(yes, no), _bounds(1 - no, 1 - yes)
    return found


def _classes(Y: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where labels are given as 1 and where as 0, each ``bool (n, L)``."""
    given = np.asarray(Y)
    return given == 1, given == 0


def _bounds(own: Floats, others: Floats) -> list[float]:
    """Return how many of ``others`` belong to the class of ``own``, by scores for that class."""
    from scipy.special import betaincinv, gammaincinv

    place = np.ceil(QUANTILES * len(own)).astype(int)
    count = (others[:, None] >= -np.sort(-own)[place - 1]).sum(axis=0)
    most = gammaincinv(count + 1, 1 - _TAIL) / betaincinv(place, len(own) - place + 1, _TAIL)
    figures = ((count + _SPARE) / QUANTILES, most)
    return [min(float(figure.min()), float(len(others))) for figure in figures]


@dataclass(frozen=True)
class LabelNoise:
    """How much of one label may be wrong at most, with 95 % confidence.

    Attributes:
        label: its name.
        positives: rows that carry it.
        missing: at most as many positives are given as 0.
        wrong: at most as many negatives are given as 1.
        share: both, as a share of all rows where it is known; its interval is from 0 to this.
    """

    label: str
    positives: int
    missing: float
    wrong: float
    share: float

    def facts(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        return asdict(self)


def label_noise(P: npt.ArrayLike, Y: npt.ArrayLike, labels: Sequence[str]) -> list[LabelNoise]:
    """Bound each label's number of errors by :func:`mislabelled`.

    Args:
        P: out-of-fold P(y = 1) ``(n, L)``.
        Y: 0/1 ``(n, L)``, -1 for unknown.
        labels: L names. Left out are those whose probabilities are unknown, and those with a bound
            above the number of their positives, which says nothing.
    """
    most, (given, absent) = mislabelled(P, Y)[:, 1], _classes(Y)
    ones, zeros = given.sum(axis=0), absent.sum(axis=0)
    return [
        LabelNoise(
            label=name,
            positives=int(ones[j]),
            missing=float(most[0, j]),
            wrong=float(most[1, j]),
            share=float(most[:, j].sum() / (ones[j] + zeros[j])),
        )
        for j, name in enumerate(labels)
        if most[:, j].sum() <= min(ones[j], zeros[j])
    ]


def suspicion(P: npt.ArrayLike, Y: npt.ArrayLike) -> Floats:
    """Return ``float64 (n, L)``: how likely each given label is an error.

    With m the share of positives given as 0 and w that of negatives given as 1, a given 0 is an
    error with probability ``p m / (p m + (1 - p) (1 - w))`` and a given 1 with
    ``(1 - p) w / ((1 - p) w + p (1 - m))``. Within a label and a kind this only follows p; m and w
    put labels and kinds on one scale. Each has two estimates: mixture figures, see
    :func:`mislabelled`, and confident learning's counts (Northcutt, Jiang & Chuang 2021). The
    larger number of missing labels is taken, and the smaller one of wrong labels: for a rare label
    most confident disagreements on positives are not wrong but hard (a small dog, a baby held by a
    guitarist), and the mixture knows it, because hard positives get rarer towards the bottom of the
    scores, and wrong ones do not. 0 where p is unknown, and where the label is.
    """
    scores, truth = np.asarray(P), np.asarray(Y)
    found: Floats = np.empty(truth.shape)
    for labels in label_blocks(truth.shape[1], -(-truth.shape[1] // _BLOCK)):
        found[:, labels] = _suspicion(scores[:, labels], truth[:, labels])
    return found


def _suspicion(P: npt.NDArray[Any], Y: npt.NDArray[Any]) -> Floats:
    given, no = _classes(Y)
    p, rows = np.asarray(P, np.float64), (given | no).sum(axis=0)
    mixture, counts = mislabelled(p, Y)[:, 0], _confident(p, given, no)
    missing, wrong = np.maximum(mixture[0], counts[0]), np.minimum(mixture[1], counts[1])
    ones = given.sum(axis=0) + missing - wrong
    m = np.clip(missing / np.maximum(ones, 1), *_RATES)
    w = np.clip(wrong / np.maximum(rows - ones, 1), *_RATES)
    q = np.clip(p, _EDGE, 1 - _EDGE)
    absent = q * m / (q * m + (1 - q) * (1 - w))
    false = (1 - q) * w / ((1 - q) * w + q * (1 - m))
    found: Floats = np.nan_to_num(np.where(given, false, np.where(no, absent, 0.0)))
    return found


def _confident(
    p: Floats, given: npt.NDArray[np.bool_], absent: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Count missing and wrong labels by confident learning, each ``(L,)``.

    A row counts as of a class if its probability of that class reaches the class's mean among the
    rows given it; where both classes' do, the likelier one holds.
    """
    ones = given.sum(axis=0)
    yes = p >= (p * given).sum(axis=0) / np.maximum(ones, 1)
    no = 1 - p >= ((1 - p) * absent).sum(axis=0) / np.maximum(absent.sum(axis=0), 1)
    missing, wrong = absent & yes & (~no | (p > 0.5)), given & no & (~yes | (p < 0.5))
    return missing.sum(axis=0, dtype=np.float64), wrong.sum(axis=0, dtype=np.float64)


def suspects(
    P: npt.ArrayLike,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    top: int = 50,
    *,
    each: int | None = None,
) -> list[Suspect]:
    """Return the ``top`` labels that are likeliest to be errors, likeliest first.

    Args:
        P: out-of-fold P(y = 1) ``(n, L)``, NaN for a label that could not be learned.
        Y: 0/1 ``(n, L)``; a cell of -1 is never a suspect.
        labels: L names.
        top: how many, over all labels.
        each: how many of each label, in place of ``top``.
    """
    p, (given, _) = np.asarray(P, np.float64), _classes(Y)
    score = suspicion(p, Y)
    if each is not None:
        place = (-score).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        score = np.where(place < each, score, 0)
        top = each * len(labels)
    order = np.argsort(-score, axis=None, kind="stable")[:top]
    cells = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, score.shape), strict=True)]
    return [
        Suspect(
            row=i,
            label=labels[j],
            kind="wrong" if given[i, j] else "missing",
            probability=float(p[i, j]),
            score=float(score[i, j]),
        )
        for i, j in cells
        if score[i, j] > 0
    ]
