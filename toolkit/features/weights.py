"""Weights: read without unpickling, fitted to a network with a clear error, and digested."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from toolkit.errors import WeightsError, listed

_COUNT = "num_batches_tracked"
_LEGACY_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a safetensors or torch file; nothing is unpickled.

    Raises:
        WeightsError: the file is missing, damaged, or holds something other than tensors.
    """
    if not path.is_file():
        raise WeightsError(f"no weights file {path}: give the path of a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise errors of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise WeightsError(f"weights file {path} cannot be read: {reason}") from error
    for key in ("state_dict", "model", "model_state"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in loaded.values()
    ):
        raise WeightsError(f"weights file {path} holds no state dict of named tensors")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def fit_state(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    head: str,
    source: str,
    *,
    ordered: bool = True,
) -> None:
    """Load ``state`` into ``module``, by name, or in order where only the names differ.

    A classifier of another width is left out: embeddings do not use it. So is the count of batches
    that batch normalisation saw, which files from before PyTorch 0.4.1 lack.

    Args:
        module: the network.
        state: named tensors.
        head: name prefix of the classifier within ``module``.
        source: what to call the weights in an error.
        ordered: whether the order of the tensors is the network's, as in files that torch wrote;
            safetensors are sorted by name, where layer 10 comes before layer 2.

    Raises:
        WeightsError: the tensors do not line up with the network's.
    """
    own = module.state_dict()
    given = {_LEGACY_DENSENET.sub(r"\1\2.", name): value for name, value in state.items()}
    if ordered and set(_counted(given)) != set(_counted(own)):
        for ours, theirs in ((own, given), (_counted(own), _counted(given))):
            if [v.shape for v in ours.values()] == [v.shape for v in theirs.values()]:
                given = dict(zip(ours, theirs.values(), strict=True))
                break
    own, given = _counted(own), _counted(given)
    body = [name for name in own if not name.startswith(head)]
    missing = [name for name in body if name not in given]
    wrong = [
        f"{name} is {tuple(given[name].shape)}, not {tuple(own[name].shape)}"
        for name in body
        if name in given and given[name].shape != own[name].shape
    ]
    if missing or wrong:
        problem = f"lack {listed(missing, 3)}" if missing else listed(wrong, 2)
        raise WeightsError(
            f"{source} do not fit this backbone: they {problem}; check that they belong to it"
        )
    fitting = {n: v for n, v in given.items() if n in own and v.shape == own[n].shape}
    module.load_state_dict(fitting, strict=False)


def _counted(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what counts: all but the numbers of batches seen."""
    return {name: value for name, value in state.items() if not name.endswith(_COUNT)}


def digest_state(state: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of a state dict, in name order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
