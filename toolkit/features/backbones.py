"""Backbones: what is asked for by name, and what a network with one set of weights is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.errors import WeightsError, check_choice
from toolkit.images.preprocess import CROPS, Preprocess

DEFAULT = "efficientnet_lite0"
BUNDLED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
PAPER = ("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg16", "densenet121", "squeezenet1_0")
POOLINGS = ("default", "avg", "max", "avgmax", "gem", "cls", "mean", "cls+mean")
VIEWS = ("original", "hflip")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Backbone:
    """A network with one set of weights, named by the digest of those weights.

    Attributes:
        name: ``efficientnet_lite0``, a torchvision name, ``timm/<name>`` or ``basic_cnn``.
        weights: ``bundled``, ``pretrained``, ``none`` (a random start) or a file's name.
        digest: SHA-256 of the state dict without its classifier.
        preprocess: the transform that the weights expect.
        pooling: one of ``POOLINGS``.
        dim: width of a feature vector.
        layer: ``last``, or the layers that features are taken from; see :mod:`~toolkit.features
            .layers`.
    """

    name: str
    weights: str
    digest: str
    preprocess: Preprocess
    pooling: str
    dim: int
    layer: str = "last"

    @property
    def title(self) -> str:
        """Name for tables; it says so when the weights are a random start."""
        return f"{self.name} (random weights)" if self.weights == "none" else self.name

    def facts(self) -> dict[str, Any]:
        """Return JSON-able facts from which :meth:`from_facts` rebuilds."""
        return {
            "name": self.name,
            "weights": self.weights,
            "digest": self.digest,
            "preprocess": self.preprocess.facts(),
            "pooling": self.pooling,
            "dim": self.dim,
        } | ({} if self.layer == "last" else {"layer": self.layer})

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Backbone:
        """Rebuild from :meth:`facts`."""
        return cls(**(facts | {"preprocess": Preprocess.from_facts(facts["preprocess"])}))


@dataclass(frozen=True)
class BackboneSpec:
    """What a user asked for, before any weights are read.

    Attributes:
        name: the backbone's name.
        weights: ``default``, ``none``, or the path of a file.
        pooling: one of ``POOLINGS``.
        crop: ``center`` for the backbone's own evaluation transform, ``full`` to resize the shorter
            side to the input size and cut nothing off square images (as the paper did).
        seed: of the random start when ``weights`` is ``none``.
        invert: invert colours as the published code does (see ``Preprocess.invert``).
        size: side of the input in pixels; None for the backbone's own.
        layer: ``last``, ``last4``, or names of layers joined by ``+``.
    """

    name: str = DEFAULT
    weights: str = "default"
    pooling: str = "default"
    crop: str = "center"
    seed: int = 0
    invert: bool = False
    size: int | None = None
    layer: str = "last"

    def check(self) -> None:
        """Raise UsageError, naming the choices, if an option is not one of its choices."""
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("crop", self.crop, CROPS)


def own_weights(feature: str) -> tuple[str, str | None]:
    """Return a backbone's name and the weights named with it, None where there are none.

    >>> own_weights("squeezenet1_0@weights.safetensors"), own_weights("alexnet")
    (('squeezenet1_0', 'weights.safetensors'), ('alexnet', None))
    """
    name, named, weights = feature.partition("@")
    return name, weights if named else None


def without_weights(name: str, reason: str) -> WeightsError:
    """Return the error for weights that cannot be had, with the three ways on."""
    return WeightsError(
        f"the pretrained weights of {name} cannot be had here ({reason}): give the path of a file "
        f"as weights, or weights 'none' for a random start, or use a bundled backbone such as "
        f"{DEFAULT}"
    )


def imagenet_preprocess(size: int, resize: int, interpolation: str) -> Preprocess:
    """Return the transform with ImageNet's mean and standard deviation."""
    return Preprocess(size, resize, interpolation, *_IMAGENET)
