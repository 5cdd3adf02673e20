"""Protocols: how the paper trained, as published and corrected, and what a result asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toolkit.errors import UsageError, check_choice
from toolkit.finetuning.settings import Settings
from toolkit.paper.results import RESULTS, PaperResult, result
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import score

PROTOCOLS = ("published", "corrected", "modern")
# the paper names these two without a depth or version; the published code says which
_BACKBONES = {"vgg": "vgg11_bn", "squeezenet": "squeezenet1_0"}
# results of one training run under several names: thresholds of one model, figures in the prose
_SHARED = {f"table2/{row}": "table2/1" for row in "2345"} | {
    "prose/densenet121-final": "table3/6",
    "prose/vgg-people": "prose/vgg11",
}
# what today's habits add, where it does nothing, and the faults that all published runs share
_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("initial_probe", "final_probe", "flip", "trivial", "views"), False),
    **dict.fromkeys(("warm_up", "ema_decay", "label_smoothing", "unfreeze", "mixup"), 0.0),
    **dict.fromkeys(("trunk_rate", "layer_decay", "wise_ft_alpha", "crop", "score_scale"), 1.0),
    "batch_size": 32,
    "momentum": 0.0,
    "gradient_norm": 0.0,
    "patience": 0,
    "schedule": "constant",
    "loss": "bce",
    "pairing": "published",
    "invert": True,
    "validation_mode": "train",
    "keep": "best-training-accuracy",
}


def canonical(key: str) -> str:
    """Return the key of the result whose training run gives this one too.

    >>> canonical("table2/4"), canonical("table3/6")
    ('table2/1', 'table3/6')
    """
    return _SHARED.get(result(key).key, key)


def answers(key: str) -> list[PaperResult]:
    """Return all results of the paper that the training run of ``key`` gives."""
    return [found for found in RESULTS.values() if canonical(found.key) == canonical(key)]


def backbone_of(found: PaperResult) -> str:
    """Return the backbone of a result, as this toolkit names it."""
    return _BACKBONES.get(found.backbone, found.backbone)


def published(found: PaperResult) -> Settings:
    """Return the protocol behind a result, faults and all.

    Where a row of the prose prints no number of epochs, the ten of the feature-extract rows are
    taken, and where table 3 prints ColorJitter without its strengths, 0.2.
    """
    return Settings(
        **_PLAIN,
        pretrain="finetune" if found.pretrain in ("scratch", None) else found.pretrain,
        epochs=0 if found.pretrain == "none" else found.epochs or 10,
        optimizer=(found.optimizer or "SGD").lower(),
        learning_rate=found.learning_rate or 0.001,
        weight_decay=0.0001 if found.backbone == "basic_cnn" else 0.0,
        pos_weight="all" if found.weighted else "none",
        rotate=25.0 if found.augmentation == "RandomRotation(25)" else 0.0,
        colour=0.2 if found.augmentation == "ColorJitter" else 0.0,
        threshold_scale=found.threshold_scale,
    )


def corrected(found: PaperResult) -> Settings:
    """Return the same hyperparameters with every fault of :func:`published` corrected.

    Momentum is the 0.9 that the published threshold script sets on an optimizer it then drops.
    """
    return replace(
        published(found),
        momentum=0.9,
        pos_weight="train" if found.weighted else "none",
        pairing="by-id",
        invert=False,
        validation_mode="eval",
        keep="best-validation-map",
        threshold_scale="probability",
    )


def settings_for(protocol: str, row: str | None) -> Settings:
    """Return the settings of a protocol, for a result of the paper where it repeats one.

    Raises:
        UsageError: the protocol or the row is unknown, or they do not go together.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    if protocol == "modern":
        if row is not None:
            raise UsageError(
                f"protocol: expected published or corrected with row {row}, found 'modern'"
            )
        return Settings()
    # where no row is named: the paper's plain unweighted fine-tune
    found = result("table3/5" if row is None else row)
    return published(found) if protocol == "published" else corrected(found)


def measure(
    found: Sequence[PaperResult],
    settings: Settings,
    Y: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Return, for each result of the paper that a run answers, what the protocol measures.

    Args:
        found: results that share the run; each brings its own threshold.
        settings: tell whether thresholds are logits.
        Y: ``uint8 (m, L)``, test labels as the protocol pairs them.
        scores: ``float (m, L)``, probabilities of the same images.
        labels: L names.
    """
    measured = {}
    for each in found:
        cut = float(each.threshold)
        if settings.threshold_scale == "logit":
            cut = float(sigmoid(np.array(cut)))
        scored = score(Y, scores, cut, labels)
        label = {
            name: scored.per_label[name]
            for name in each.label_precision
            if name in scored.per_label
        }
        measured[each.key] = {**scored.metrics, "per_label": label}
    return measured
