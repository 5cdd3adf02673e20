"""Settings of a training run: the paper's protocol as published, mended, or today's habits."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from toolkit.errors import UsageError, check_choice
from toolkit.finetuning.augment import Augmentation
from toolkit.paper.results import RESULTS, PaperResult, result

PROTOCOLS = ("published", "corrected", "modern")
CHOICES: dict[str, tuple[str, ...]] = {
    "pretrain": ("none", "feature-extract", "finetune"),
    "head_start": ("none", "probe"),
    "head_end": ("none", "probe"),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
    "schedule": ("constant", "cosine"),
    "loss": ("bce", "focal", "asl"),
    "pos_weight": ("none", "train", "all"),
    "pairing": ("by-id", "published"),
    "validation_mode": ("eval", "train"),
    "keep": ("last", "best-validation-map", "best-training-accuracy"),
    "threshold_scale": ("probability", "logit"),
}
# the paper names these two without a depth or version; the published code says which
_BACKBONES = {"vgg": "vgg11_bn", "squeezenet": "squeezenet1_0"}
# results of one training run under several names: thresholds of one model, figures in the prose
_SHARED = {f"table2/{row}": "table2/1" for row in "2345"} | {
    "prose/densenet121-final": "table3/6",
    "prose/vgg-people": "prose/vgg11",
}


@dataclass(frozen=True)
class Settings:
    """How a network is trained; the defaults are today's habits (``modern``).

    Attributes:
        pretrain: ``finetune`` trains all layers, ``feature-extract`` the output layer alone,
            ``none`` nothing: the new output layer stays as it was drawn.
        head_start: ``probe`` begins with logistic regressions on the trunk's features as output
            layer (see :mod:`toolkit.finetuning.linear_probe`), ``none`` with a drawn one.
        head_end: ``probe`` ends such a run the same way, on training pictures as they are scored:
            at another size features are of other lengths, and scores too low or too high.
        epochs: passes over the training images.
        batch_size: images a step.
        optimizer: one of ``CHOICES``.
        learning_rate: of the output layer, at its height.
        trunk_rate: of the trunk's last layers, relative to ``learning_rate``.
        layer_decay: factor on the rate from one depth group to the next below it.
        momentum: of ``sgd``; the published scripts end up without any.
        weight_decay: decoupled for ``adamw``, an L2 term for the others.
        schedule: ``cosine`` to 0, or ``constant``.
        warm_up: share of the steps in which the rate rises linearly.
        averaging: decay a step of an exponential moving average of the weights, 0 for none.
        interpolate: after a head start, the weights that are judged and kept lie so far from those
            it began with towards the trained ones (see :mod:`toolkit.finetuning.averaging`).
        loss: see :mod:`toolkit.heads.losses`.
        gamma: focusing of ``focal``, and of negatives in ``asl``.
        clip: the shift of ``asl``.
        label_smoothing: targets are drawn so far towards one half.
        pos_weight: weight of a positive, negatives / positives: over the training images, or over
            ``all`` as published, test images included.
        unfreeze: epochs between one depth group and the next; 0 trains all from the start.
        gradient_norm: gradients longer than this are shortened to it; 0 for never.
        crop, flip, rotate, colour, trivial: see :class:`~toolkit.finetuning.augment
            .Augmentation`.
        mixup: alpha of mixup, 0 for none.
        score_scale: side of the pictures that are scored, relative to those learned from, up to the
            backbone's own side: random crops show things larger than they are (Touvron et al.
            2019).
        views: score the mean over the picture and its mirror image.
        pairing: ``published`` trains and measures with labels set beside files by position.
        invert: colours inverted as published.
        validation_mode: ``train`` validates with dropout and batch statistics of training, as
            published.
        keep: which weights are kept; ``best-validation-map`` makes validation images in-sample.
        patience: stop after so many epochs without a better validation mAP; 0 for never.
        threshold_scale: what the threshold of each of the paper's results is compared with; table
            2 compares raw logits.
        compile: let torch compile the network.
    """

    pretrain: str = "finetune"
    head_start: str = "probe"
    head_end: str = "probe"
    epochs: int = 4
    batch_size: int = 64
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    trunk_rate: float = 0.3
    layer_decay: float = 0.85
    momentum: float = 0.9
    weight_decay: float = 0.02
    schedule: str = "cosine"
    warm_up: float = 0.1
    averaging: float = 0.995
    interpolate: float = 0.6
    loss: str = "bce"
    gamma: float = 2.0
    clip: float = 0.05
    label_smoothing: float = 0.0
    pos_weight: str = "none"
    unfreeze: float = 0.0
    gradient_norm: float = 1.0
    crop: float = 0.35
    flip: bool = True
    rotate: float = 0.0
    colour: float = 0.0
    trivial: bool = False
    mixup: float = 0.2
    score_scale: float = 1.5
    views: bool = True
    pairing: str = "by-id"
    invert: bool = False
    validation_mode: str = "eval"
    keep: str = "last"
    patience: int = 0
    threshold_scale: str = "probability"
    compile: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError if a setting is not among its choices or outside its range."""
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            check_choice(name, value, choices)
        least = {"batch_size": 1, "epochs": 0, "patience": 0}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type in ("int", "float"):
                numeric = isinstance(value, int if each.type == "int" else int | float)
                low = least.get(each.name, 0)
                if not numeric or isinstance(value, bool) or not low <= value < math.inf:
                    raise UsageError(f"{each.name} is a number of at least {low}, not {value!r}")
            elif each.type == "bool" and not isinstance(value, bool):
                raise UsageError(f"{each.name} is True or False, not {value!r}")
        for name in ("averaging", "label_smoothing", "clip", "momentum"):
            if not getattr(self, name) < 1:
                raise UsageError(f"{name} is below 1, not {getattr(self, name)!r}")
        if self.score_scale < 1:
            raise UsageError(f"score_scale is at least 1, not {self.score_scale!r}")
        if self.interpolate > 1:
            raise UsageError(f"interpolate is at most 1, not {self.interpolate!r}")
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop is a share above 0 and at most 1, not {self.crop!r}")

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training pictures."""
        return Augmentation(
            crop=self.crop,
            flip=self.flip,
            rotate=self.rotate,
            colour=self.colour,
            trivial=self.trivial,
        )

    @property
    def trains_trunk(self) -> bool:
        """Whether layers below the output layer learn."""
        return self.pretrain == "finetune" and self.epochs > 0

    @property
    def probes(self) -> bool:
        """Whether the output layer begins as a linear probe of the trunk."""
        return self.trains_trunk and self.head_start == "probe"

    @property
    def ends_probing(self) -> bool:
        """Whether the output layer is at last fitted again, to pictures as they are scored."""
        return self.probes and self.head_end == "probe"

    @property
    def interpolation(self) -> float:
        """How far kept weights lie from the first towards the trained ones."""
        return self.interpolate if self.probes else 1.0

    def scored_size(self, size: int, own: int) -> int:
        """Return the side of the pictures that are scored, a multiple of 32 where it differs.

        Args:
            size: side of the pictures that are learned from.
            own: side that the backbone was trained for.

        >>> Settings().scored_size(128, own=224), Settings().scored_size(224, own=224)
        (192, 224)
        """
        wanted = int(size * self.score_scale) // 32 * 32
        return max(size, min(wanted, own))

    def facts(self) -> dict[str, Any]:
        """Return all settings, JSON-able."""
        return asdict(self)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return a copy with some settings changed.

        Raises:
            UsageError: a name is unknown (near ones are given), or a value is not allowed.
        """
        known = [each.name for each in fields(self)]
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(
                    f"there is no training setting {name!r}; {hint}known are {', '.join(known)}"
                )
        return replace(self, **changes)


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
    optimizer = (found.optimizer or "SGD").lower()
    return Settings(
        pretrain="finetune" if found.pretrain in ("scratch", None) else found.pretrain,
        head_start="none",
        head_end="none",
        epochs=0 if found.pretrain == "none" else found.epochs or 10,
        batch_size=32,
        optimizer=optimizer,
        learning_rate=found.learning_rate or 0.001,
        trunk_rate=1.0,
        layer_decay=1.0,
        momentum=0.0,
        weight_decay=0.0001 if found.backbone == "basic_cnn" else 0.0,
        schedule="constant",
        warm_up=0.0,
        averaging=0.0,
        interpolate=1.0,
        loss="bce",
        label_smoothing=0.0,
        pos_weight="all" if found.weighted else "none",
        unfreeze=0.0,
        gradient_norm=0.0,
        crop=1.0,
        flip=False,
        rotate=25.0 if found.augmentation == "RandomRotation(25)" else 0.0,
        colour=0.2 if found.augmentation == "ColorJitter" else 0.0,
        trivial=False,
        mixup=0.0,
        score_scale=1.0,
        views=False,
        pairing="published",
        invert=True,
        validation_mode="train",
        keep="best-training-accuracy",
        patience=0,
        threshold_scale=found.threshold_scale,
    )


def corrected(found: PaperResult) -> Settings:
    """Return the same hyperparameters with every fault of :func:`published` mended.

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
            raise UsageError("--row goes with --protocol published or corrected, not with modern")
        return Settings()
    found = result(row) if row is not None else _plain_row()
    return published(found) if protocol == "published" else corrected(found)


def _plain_row() -> PaperResult:
    """Return what the protocol is where no row is named: the paper's plain unweighted fine-tune."""
    return result("table3/5")
