"""Further metrics of multi-label classification, which are computed where they are asked for.

``Y`` is ``(n, L)`` with -1 where nobody knows, ``S`` is ``(n, L)`` probabilities; decisions are
made at 0.5. What looks at an image's labels together takes the images of which all are known.
Where scikit-learn has a metric, it is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.statistics.arrays import binarize, paired_arrays
from toolkit.statistics.metrics import brier, calibration_error


@dataclass(frozen=True)
class FurtherMetric:
    """A metric: its name in tables, what it is, whether more is better, and how it is computed."""

    head: str
    what: str
    higher: bool
    of: Callable[[np.ndarray, np.ndarray], float]

    def __call__(self, Y: npt.ArrayLike, S: npt.ArrayLike) -> float | None:
        """Return the figure; None where it is undefined."""
        truth, scores = paired_arrays(Y, S, unit=True)
        value = self.of(truth.astype(np.int8), scores) if len(truth) else float("nan")
        return None if np.isnan(value) else float(value)


def _whole(function: Callable[[Any, Any], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def of(truth: np.ndarray, scores: np.ndarray) -> float:
        known = (truth >= 0).all(axis=1)
        return function(truth[known], scores[known]) if known.any() else float("nan")

    return of


def _exact_match(truth: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, binarize(scores)))


def _sample_f1(truth: np.ndarray, scores: np.ndarray) -> float:
    # scikit-learn's, which refuses a single label
    decided = binarize(scores)
    both, either = (truth & decided).sum(axis=1), (truth + decided).sum(axis=1)
    return float(np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0).mean())


def _micro_ap(truth: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    known = truth >= 0
    if not (truth == 1).any():
        return float("nan")
    return float(average_precision_score(truth[known], scores[known]))


def _ranking_ap(truth: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import label_ranking_average_precision_score

    return float(label_ranking_average_precision_score(truth, scores))


def _coverage(truth: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import coverage_error

    if truth.shape[1] == 1:  # which scikit-learn refuses
        return float((truth == 1).mean())
    return float(coverage_error(truth, scores))


def _one_error(truth: np.ndarray, scores: np.ndarray) -> float:
    labelled = truth.any(axis=1)
    if not labelled.any():
        return float("nan")
    first = scores[labelled].argmax(axis=1)
    return float((truth[labelled][np.arange(len(first)), first] == 0).mean())


def _mean_of(
    function: Callable[[Any, Any], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], float]:
    def of(truth: np.ndarray, scores: np.ndarray) -> float:
        values = function(truth, scores)
        known = ~np.isnan(values)
        return float(values[known].mean()) if known.any() else float("nan")

    return of


FURTHER: dict[str, FurtherMetric] = {
    "exact_match": FurtherMetric(
        "exact match", "share of images whose labels are all right at 0.5", True,
        _whole(_exact_match),
    ),
    "sample_f1": FurtherMetric(
        "sample F1", "F1 of each image's labels at 0.5, mean over images; 1 where there are none "
        "and none are predicted", True, _whole(_sample_f1),
    ),
    "micro_ap": FurtherMetric(
        "micro-AP", "average precision of all images' labels in one ranking", True, _micro_ap
    ),
    "ranking_ap": FurtherMetric(
        "label ranking AP", "for each label of an image, the share of true labels among those "
        "ranked as high; mean", True, _whole(_ranking_ap),
    ),
    "coverage_error": FurtherMetric(
        "coverage error", "how far down an image's ranking its last true label stands; less is "
        "better", False, _whole(_coverage),
    ),
    "one_error": FurtherMetric(
        "one-error", "share of labelled images whose first label in the ranking is wrong; less is "
        "better", False, _whole(_one_error),
    ),
    "ece": FurtherMetric(
        "ECE", "expected calibration error in bins of equal mass, mean over labels; less is better",
        False, _mean_of(calibration_error),
    ),
    "brier": FurtherMetric(
        "Brier", "mean squared difference of probability and label, mean over labels; less is "
        "better", False, _mean_of(brier),
    ),
}  # fmt: skip
