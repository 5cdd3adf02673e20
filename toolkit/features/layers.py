"""Layers: features from inside a network, pooled, and networks that take pictures of another size.

Feature maps ``(b, C, h, w)`` are pooled over places, tokens ``(b, N, C)`` over the picture's:

- ``avg`` or ``mean``: their mean; ``max``: their maximum; ``avgmax``: both side by side;
- ``gem``: the generalised mean ``(mean of max(x, 1e-6)^3)^(1/3)`` (Radenović et al. 2018);
- ``cls``: the class token, of transformers that have one; ``cls+mean``: that and the mean.

``default`` is the network's own pooling for its last layer, the class token or else the mean for
other layers. ``last4`` are the last four blocks of a transformer side by side, normalised as its
last is, whose class tokens linear probes of DINO take (Caron et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from toolkit.errors import UsageError, listed

_GEM, _LEAST = 3.0, 1e-6


def layer_features(network: nn.Module, name: str, layer: str, pooling: str) -> nn.Module:
    """Return a module that gives features ``(b, dim)`` of some layers, pooled.

    Args:
        network: without its classifier.
        name: of the backbone, for messages.
        layer: ``last``, ``last4``, or names of its modules joined by ``+``.
        pooling: one of :data:`~toolkit.features.backbones.POOLINGS`.

    Raises:
        UsageError: there is no such layer, or it cannot be pooled so.
    """
    if layer == "last" and pooling == "default":
        return network
    if layer == "last":
        body = getattr(network, "forward_features", None)
        if body is None:
            raise UsageError(
                f"pooling: expected default for {name}, found {pooling!r}: name the layer to pool "
                f"too, such as layer {_examples(network)}"
            )
        return _Last(network, name, pooling)
    names = layer.split("+")
    norm: nn.Module = nn.Identity()
    if layer == "last4":
        blocks = _blocks(network)
        if len(blocks) < 4:
            raise UsageError(
                f"layer: last4 is for transformers of four blocks or more, {name} is none; "
                f"expected names such as {_examples(network)}"
            )
        names, norm = blocks[-4:], _norm(network)
    known = dict(network.named_modules())
    lacking = [each for each in names if each not in known or not each]
    if lacking:
        raise UsageError(
            f"layer: {name} has no layer {lacking[0]!r}; expected last, last4, or names such as "
            f"{_examples(network)}"
        )
    return _Inside(network, name, names, norm, pooling)


class _Last(nn.Module):
    """What goes into a network's own pooling, pooled otherwise."""

    def __init__(self, network: nn.Module, name: str, pooling: str) -> None:
        super().__init__()
        self.network = network
        self._pool = _pooler(network, name, pooling)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        body: Any = self.network
        return self._pool(body.forward_features(x))


class _Inside(nn.Module):
    """Outputs of modules inside a network, pooled and set side by side."""

    def __init__(
        self, network: nn.Module, name: str, names: list[str], norm: nn.Module, pooling: str
    ) -> None:
        super().__init__()
        self.network = network
        self._names, self._norm = names, norm
        self._pool = _pooler(network, name, pooling)
        self._seen: dict[str, torch.Tensor] = {}
        for each in names:
            network.get_submodule(each).register_forward_hook(self._catch(each))

    def _catch(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            self._seen[name] = output[0] if isinstance(output, tuple | list) else output

        return hook

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._seen.clear()
        self.network(x)
        found = [self._pool(self._norm(self._seen[name])) for name in self._names]
        self._seen.clear()
        return torch.cat(found, 1)


def _pooler(network: nn.Module, name: str, pooling: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what turns a layer's output into ``(b, dim)``."""
    owner: Any = network
    has_class = any(
        getattr(owner, token, None) is not None for token in ("cls_token", "class_token")
    )
    prefix = int(getattr(owner, "num_prefix_tokens", 1 if has_class else 0))
    last_axis = getattr(owner, "output_fmt", "") == "NHWC" or "Swin" in type(network).__name__
    if pooling.startswith("cls") and not has_class:
        raise UsageError(f"pooling: {name} has no class token; expected avg, max, avgmax or gem")

    def pool(x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 2:
            return x
        if x.ndim == 4:  # to tokens
            x = x.flatten(1, 2) if last_axis else x.flatten(2).transpose(1, 2)
            first, rest = None, x
        else:
            first, rest = (x[:, 0] if has_class else None), x[:, prefix:]
        how = pooling
        if how == "default":
            how = "mean" if first is None else "cls"
        if how.startswith("cls") and first is None:
            raise UsageError(f"pooling: a feature map of {name} has no class token")
        parts: list[torch.Tensor] = []
        if how.startswith("cls") and first is not None:
            parts.append(first)
        if how in ("avg", "mean", "avgmax", "cls+mean"):
            parts.append(rest.mean(1))
        if how in ("max", "avgmax"):
            parts.append(rest.amax(1))
        if how == "gem":
            parts.append(rest.clamp_min(_LEAST).pow(_GEM).mean(1).pow(1 / _GEM))
        return torch.cat(parts, 1)

    return pool


def _blocks(network: nn.Module) -> list[str]:
    """Return the names of a transformer's blocks, in order."""
    for stem in ("blocks", "encoder.layers"):
        try:
            holder = network.get_submodule(stem)
        except AttributeError:
            continue
        tokens = any(isinstance(each, nn.LayerNorm) for each in holder.modules())
        if tokens:
            return [f"{stem}.{child}" for child, _ in holder.named_children()]
    return []


def _norm(network: nn.Module) -> nn.Module:
    for name in ("norm", "encoder.ln"):
        try:
            return network.get_submodule(name)
        except AttributeError:
            continue
    return nn.Identity()


def _examples(network: nn.Module) -> str:
    blocks = _blocks(network)
    children = [name for name, _ in network.named_children()]
    return listed(blocks[-2:] or children, 6)


def take_size(network: nn.Module, name: str, size: int) -> None:
    """Let a network take square pictures of another size; positions are interpolated.

    Most convolutional networks take any size as they are.

    Raises:
        UsageError: it does not take that size.
    """
    resize: Any = getattr(network, "set_input_size", None)
    try:
        if resize is not None:
            resize(img_size=size)
        elif hasattr(network, "image_size") and hasattr(network, "encoder"):
            _interpolate(network, size)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise UsageError(
            f"size: {name} takes no pictures of {size} pixels ({short(error)})"
        ) from error


def _interpolate(network: Any, size: int) -> None:
    """Interpolate the positions of torchvision's vision transformers."""
    from torchvision.models.vision_transformer import interpolate_embeddings

    if size % network.patch_size:
        raise ValueError(f"expected a multiple of {network.patch_size}")
    found = interpolate_embeddings(size, network.patch_size, network.state_dict())
    place = found["encoder.pos_embedding"]
    network.encoder.pos_embedding = nn.Parameter(place, requires_grad=False)
    network.image_size, network.seq_length = size, place.shape[1]


def short(error: BaseException) -> str:
    """Return an error's kind and the first line of what it says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:120]}".rstrip(": ")
