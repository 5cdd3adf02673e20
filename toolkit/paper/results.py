"""The paper's figures as data.

Männistö & Hovland, "Deep Learning Course: Multi-Label Image Classification", University of
Helsinki. Only what is printed is here; what is not printed is None. Accuracy is the share of right
(image, label) cells; precision and recall are macro averages over the 14 labels, on a test set of
2,000 images. All are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toolkit.errors import DataError, UsageError, listed
from toolkit.statistics.metrics import Floats

IMAGES = 20_000
TEST_ROWS = 2_000

# in the paper's order; counts are positives among the 20,000 images
_NAMES = "clouds male bird dog river portrait baby night people female sea tree car flower"
LABELS: tuple[str, ...] = tuple(_NAMES.split())
_COUNTS = (1095, 2979, 360, 448, 120, 3121, 95, 598, 6403, 3227, 173, 525, 319, 761)
POSITIVES: Mapping[str, int] = MappingProxyType(dict(zip(LABELS, _COUNTS, strict=True)))

# section 3, digit for digit, in the order of LABELS
_WEIGHTS = (
    "17.26484018 5.713662303 54.55555556 43.64285714 165.6666667 5.408202499 209.5263158 "
    "32.44481605 2.123535843 5.197706848 114.6069364 37.0952381 61.69592476 25.28120894"
)
PRINTED_POS_WEIGHT: tuple[str, ...] = tuple(_WEIGHTS.split())

# what the published code does where the text is silent or says otherwise
PROTOCOL: tuple[str, ...] = (
    "labels are paired with image files by position in an unsorted directory listing",
    "label columns are named in a fixed order over an unsorted listing of the label files",
    "images are colour-inverted: float pixels 0-255 are multiplied by 255 and cast to a byte",
    "resized to 224 pixels, ImageNet mean and deviation, batch size 32, SGD without momentum",
    "table 2's script uses learning rate 0.002 and compares raw logits with its thresholds",
    "validation during training runs in training mode; the best training accuracy is kept",
    "RandomState(42).permutation of the files: 10 % validate, the next 10 % test, the rest train",
    "pos_weight is negatives / positives over all 20,000 images, test images included",
)

Pretraining = Literal["none", "feature-extract", "finetune", "scratch"]


@dataclass(frozen=True)
class PaperResult:
    """One row of the paper's tables, or one result of its prose.

    ``row`` is the number printed in the table (two rows of table 3 are numbered 8). ``pretrain``
    is "none" for pretrained weights under a new, untrained output layer and "scratch" for a random
    start. ``accuracy_decimals`` counts the decimals of the printed percentage.
    ``label_precision`` and ``label_recall`` hold figures printed for single labels.
    """

    key: str
    source: str
    name: str
    backbone: str
    table: int | None = None
    row: int | None = None
    pretrain: Pretraining | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    epochs: int | None = None
    weighted: bool | None = None
    augmentation: str | None = None
    threshold: float = 0.5
    threshold_scale: Literal["probability", "logit"] = "probability"
    accuracy: float | None = None
    macro_precision: float | None = None
    macro_recall: float | None = None
    accuracy_decimals: int = 2
    label_precision: Mapping[str, float] = field(default_factory=dict)
    label_recall: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    test_rows: int = TEST_ROWS
    protocol: tuple[str, ...] = PROTOCOL

    @property
    def half_units(self) -> tuple[float, float]:
        """How far accuracy, and precision and recall, can lie from what is printed."""
        return 0.5 * 10.0 ** -(self.accuracy_decimals + 2), 0.005


def _row(
    title: str,
    backbone: str,
    table: int,
    row: str,
    scores: tuple[float, float, float],
    pretrain: Pretraining,
    epochs: int | None = None,
    weighted: bool = False,
    **rest: Any,
) -> PaperResult:
    """One table row; section 3: SGD at learning rate 0.001 unless otherwise stated."""
    if epochs:
        rest = {"optimizer": "SGD", "learning_rate": 0.001, **rest}
    parts = [f"{title} {pretrain}" if epochs else f"{title} not trained", rest.get("optimizer")]
    parts += [epochs and f"{epochs} epochs", weighted and "pos_weight", rest.get("augmentation")]
    parts += ["threshold" in rest and f"threshold {rest['threshold']}"]
    return PaperResult(
        key=f"table{table}/{row}",
        source=f"Table {table}, row {row.rstrip('ab')}",
        name=", ".join(part for part in parts if part),
        backbone=backbone,
        table=table,
        row=int(row.rstrip("ab")),
        pretrain=pretrain,
        epochs=epochs,
        weighted=weighted,
        accuracy=scores[0],
        macro_precision=scores[1],
        macro_recall=scores[2],
        **rest,
    )


_alexnet = partial(_row, "AlexNet", "alexnet", 1)
_densenet = partial(_row, "DenseNet121", "densenet121", 3)
_sgd = partial(PaperResult, optimizer="SGD", learning_rate=0.001)


def _vgg(row: str, threshold: float, scores: tuple[float, float, float]) -> PaperResult:
    fixed = {"learning_rate": 0.002, "threshold_scale": "logit", "accuracy_decimals": 1}
    note = "row numbers are counted; the depth is the published script's, not the text's"
    rest = {**fixed, "threshold": threshold, "note": note}
    return _row("VGG", "vgg11", 2, row, scores, "finetune", 24, True, **rest)


_ALL = (
    _alexnet("1", (0.5094, 0.07, 0.51), "none"),
    _alexnet("2", (0.9271, 0.03, 0.00), "feature-extract", 10),
    _alexnet("3", (0.9275, 0.04, 0.00), "finetune", 15),
    _alexnet("4", (0.6911, 0.07, 0.31), "finetune", 15, True),
    _alexnet("5", (0.8435, 0.07, 0.12), "finetune", 30, True),
    _alexnet("6", (0.8575, 0.07, 0.11), "finetune", 40, True),
    _alexnet("7", (0.3464, 0.07, 0.71), "finetune", 30, True, optimizer="Adam"),
    _vgg("1", 0.5, (0.822, 0.07, 0.14)),
    _vgg("2", 0.4, (0.804, 0.07, 0.16)),
    _vgg("3", 0.3, (0.783, 0.07, 0.19)),
    _vgg("4", 0.2, (0.762, 0.08, 0.24)),
    _vgg("5", 0.1, (0.740, 0.07, 0.26)),
    _densenet("1", (0.5708, 0.07, 0.48), "none"),
    _densenet("2", (0.9271, 0.03, 0.00), "feature-extract", 10),
    _densenet("3", (0.5481, 0.07, 0.45), "feature-extract", 15, True),
    _densenet("4", (0.5816, 0.07, 0.42), "feature-extract", 30, True),
    _densenet("5", (0.9273, 0.02, 0.00), "finetune", 15),
    _densenet("6", (0.7760, 0.08, 0.20), "finetune", 15, True),
    _densenet("7", (0.7780, 0.07, 0.19), "finetune", 30, True),
    _densenet("8a", (0.6804, 0.07, 0.30), "finetune", 30, True, augmentation="RandomRotation(25)"),
    _densenet("8b", (0.7761, 0.07, 0.21), "finetune", 30, True, augmentation="ColorJitter"),
    *(
        _sgd(
            *(f"prose/vgg{depth}", "Section 3.2", f"VGG{depth} feature-extract", f"vgg{depth}"),
            pretrain="feature-extract",
            weighted=False,
            accuracy=0.928,
            accuracy_decimals=1,
            note="one figure is printed for depths 11, 13 and 16 together",
        )
        for depth in (11, 13, 16)
    ),
    _sgd(
        *("prose/vgg-people", "Section 4", "VGG feature-extract, the label people", "vgg"),
        pretrain="feature-extract",
        weighted=False,
        label_precision={"people": 0.30},
        label_recall={"people": 0.11},
        note="the depth is not printed; no other label was predicted rightly",
    ),
    _sgd(
        *("prose/squeezenet", "Section 3.4", "SqueezeNet", "squeezenet"),
        note="no figure and no version is printed: all negative after a couple of epochs",
    ),
    _sgd(
        *("prose/basic-cnn", "Section 3.5", "basic CNN scratch, Adam", "basic_cnn"),
        pretrain="scratch",
        optimizer="Adam",
        accuracy=0.92,
        accuracy_decimals=0,
        note="weight decay 0.0001, dropout 0.2; accuracy from the start, never better",
    ),
    _sgd(
        *("prose/densenet121-final", "Section 5", "DenseNet121, the final model", "densenet121"),
        pretrain="finetune",
        epochs=15,
        weighted=True,
        accuracy=0.77,
        macro_precision=0.08,
        accuracy_decimals=0,
        note="'around 77%': table3/6, which prints 77.60%",
    ),
)
RESULTS: Mapping[str, PaperResult] = MappingProxyType({found.key: found for found in _ALL})


def result(key: str) -> PaperResult:
    """Return the paper's result of this key, or raise UsageError with all the keys.

    >>> result("table3/8b").augmentation
    'ColorJitter'
    """
    if key not in RESULTS:
        keys = listed(RESULTS, limit=len(RESULTS))
        raise UsageError(f"the paper has no result {key!r}: choose one of {keys}")
    return RESULTS[key]


def pos_weight(positives: npt.ArrayLike, rows: int) -> Floats:
    """Return ``(L,)``: negatives / positives, the loss weight of a positive (section 3).

    >>> pos_weight([6403, 120], 20_000).round(6)
    array([  2.123536, 165.666667])
    """
    counts = np.asarray(positives, dtype=np.float64)
    if (counts <= 0).any() or (counts > rows).any():
        raise DataError(
            f"pos_weight needs 1 to {rows} positives a label but got "
            f"{listed(counts[(counts <= 0) | (counts > rows)])}: leave such labels out"
        )
    return (rows - counts) / counts
