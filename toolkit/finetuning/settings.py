"""Settings of a training run; the defaults are today's habits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from toolkit.errors import UsageError
from toolkit.finetuning.augment import Augmentation
from toolkit.runtime.options import check_choices, check_names, check_ranges

CHOICES: dict[str, tuple[object, ...]] = {
    "pretrain": ("none", "feature-extract", "finetune"),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
    "schedule": ("constant", "cosine"),
    "loss": ("bce", "focal", "asl"),
    "pos_weight": ("none", "train", "all"),
    "pairing": ("by-id", "published"),
    "validation_mode": ("eval", "train"),
    "keep": ("last", "best-validation-map", "best-training-accuracy"),
    "threshold_scale": ("probability", "logit"),
}
_RANGES = {
    "int [0, inf)": "epochs patience",
    "int [1, inf)": "batch_size",
    "[0, inf)": "learning_rate trunk_rate layer_decay weight_decay warm_up gamma unfreeze "
    "gradient_norm rotate colour mixup",
    "[0, 1)": "momentum ema_decay clip label_smoothing",
    "[0, 1]": "wise_ft_alpha",
    "(0, 1]": "crop",
    "[1, inf)": "score_scale",
}
_SWITCHES = ("initial_probe", "final_probe", "flip", "trivial", "views", "invert", "compile")
_RENAMED = {
    "head_start": "initial_probe",
    "head_end": "final_probe",
    "averaging": "ema_decay",
    "interpolate": "wise_ft_alpha",
}


@dataclass(frozen=True)
class Settings:
    """How a network is trained; the defaults are today's habits (``modern``).

    Attributes:
        pretrain: ``finetune`` trains all layers, ``feature-extract`` the output layer alone,
            ``none`` nothing: the new output layer stays as it was drawn.
        initial_probe: where all layers learn, begin with logistic regressions on the trunk's
            features as output layer (see :mod:`toolkit.finetuning.linear_probe`), not with a drawn
            one.
        final_probe: end such a run the same way, on training pictures as they are scored: at
            another size features are of other lengths, and scores too low or too high.
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
        ema_decay: decay a step of an exponential moving average of the weights, 0 for none.
        wise_ft_alpha: after an initial probe, the weights that are evaluated and kept lie so far
            from those it began with towards the trained ones (see
            :mod:`toolkit.finetuning.averaged_weights`).
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
        pairing: ``published`` trains and measures with labels paired with files by position.
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
    initial_probe: bool = True
    final_probe: bool = True
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
    ema_decay: float = 0.995
    wise_ft_alpha: float = 0.6
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
        try:
            check_choices(self, **CHOICES, **dict.fromkeys(_SWITCHES, (True, False)))
            check_ranges(self, _RANGES)
        except ValueError as error:
            raise UsageError(str(error)) from error

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
    def probes_first(self) -> bool:
        """Whether the output layer begins as a linear probe of the trunk."""
        return self.initial_probe and self.pretrain == "finetune" and self.epochs > 0

    @property
    def probes_last(self) -> bool:
        """Whether the output layer is at last fitted again, to pictures as they are scored."""
        return self.probes_first and self.final_probe

    @property
    def kept_alpha(self) -> float:
        """How far kept weights lie from the first towards the trained ones."""
        return self.wise_ft_alpha if self.probes_first else 1.0

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
            UsageError: a name is unknown (the new name of an old one, or near ones, are given), or
                a value is not allowed.
        """
        check_names("training", changes, [each.name for each in fields(self)], _RENAMED)
        return replace(self, **changes)
