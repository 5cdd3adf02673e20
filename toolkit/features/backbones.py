"""Backbones: what is asked for by name, and what a network with one set of weights is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.errors import WeightsError, check_choice
from toolkit.images.preprocess import CROPS, Preprocess

DEFAULT = "efficientnet_lite0"
BUNDLED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
PAPER = ("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg16", "densenet121", "squeezenet1_0")
POOLINGS = ("default", "avgmax")
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
        pooling: ``default``, or ``avgmax`` for average and maximum pooling side by side.
        dim: width of a feature vector.
    """

    name: str
    weights: str
    digest: str
    preprocess: Preprocess
    pooling: str
    dim: int

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
        }

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
    """

    name: str = DEFAULT
    weights: str = "default"
    pooling: str = "default"
    crop: str = "center"
    seed: int = 0
    invert: bool = False

    def check(self) -> None:
        """Raise UsageError, naming the choices, if an option is not one of its choices."""
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("crop", self.crop, CROPS)


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
