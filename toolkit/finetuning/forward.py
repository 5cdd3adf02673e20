"""Inference: logits of pictures or features, and the networks of a saved member."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import ArtifactError
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.key import CacheKey
from toolkit.finetuning.networks import Classifier, FrozenClassifier
from toolkit.finetuning.source import Source
from toolkit.members.member import load_state

COUNT = "num_batches_tracked"
# more pictures at a time than this leave the processor's caches
_ON_PROCESSOR, _ELSEWHERE = 32, 256


def logits_of(
    network: nn.Module,
    source: Source,
    rows: np.ndarray,
    *,
    views: bool,
    precision: str,
    on_batch: Callable[[], None] | None = None,
) -> np.ndarray:
    """Return ``float32 (m, L)`` of some rows of a source, as the network's mode is.

    Args:
        network: on the source's device.
        source: pictures, unchanged, or features.
        rows: ``int64 (m,)``.
        views: the mean over each picture and its mirror image.
        precision: ``bf16`` or ``fp32``.
        on_batch: called before each batch.
    """
    found = []
    with torch.no_grad():
        for batch in batches(source, rows, on_batch):
            with autocast(source.device, precision):
                part = network(batch).float()
                if views and source.pixels:
                    part = (part + network(batch.flip(3)).float()) / 2
            found.append(part.float().cpu())
    joined: np.ndarray = torch.cat(found).numpy()
    return joined


def batches(
    source: Source, rows: np.ndarray, on_batch: Callable[[], None] | None = None
) -> Iterator[torch.Tensor]:
    """Yield some rows, unchanged and as networks take them; one empty batch where there are none.

    Args:
        source: pictures or features.
        rows: ``int64 (m,)``.
        on_batch: called before each batch.
    """
    on_processor = source.pixels and source.device.type == "cpu"
    size = _ON_PROCESSOR if on_processor else _ELSEWHERE
    starts = batch_starts(len(rows), size) or [0]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        if on_batch is not None:
            on_batch()
        yield prepared(source.batch(rows[start:end]), source)


def batch_starts(count: int, size: int) -> list[int]:
    """Return where batches of some rows start; a single last row joins the batch before it.

    Of one row, normalisation has no statistics.

    >>> batch_starts(9, 4), batch_starts(8, 4), batch_starts(1, 4), batch_starts(3, 1)
    ([0, 4], [0, 4], [0], [0, 1, 2])
    """
    starts = list(range(0, count, size))
    return starts[:-1] if size > 1 and count > 1 and count % size == 1 else starts


def prepared(batch: torch.Tensor, source: Source) -> torch.Tensor:
    """Return a batch as networks take it: pictures as floats, channels first, stored last."""
    if not source.pixels:
        return batch
    if batch.dtype == torch.uint8:
        batch = batch.permute(0, 3, 1, 2).float()
    return batch.contiguous(memory_format=torch.channels_last)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which networks multiply in bf16 where that is the precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def saved_networks(folder: Path, notes: Mapping[str, Any]) -> list[nn.Module]:
    """Build the networks of a fine-tuned member, one, or one a fold, in evaluation mode.

    Args:
        folder: the member's folder ``model``.
        notes: what ``notes.json`` there holds.

    Raises:
        ArtifactError: a model cannot be read, or is not of the network that is built now.
    """
    names = sorted(file.stem for file in folder.glob("*.safetensors"))
    shape, networks = _shape(notes["trunk"]), []
    for name in names:
        network = copy.deepcopy(shape)
        arrays = {k: torch.from_numpy(np.array(v)) for k, v in load_state(folder, name).items()}
        try:
            differing = network.load_state_dict(arrays, strict=False)
        except RuntimeError as error:  # of another shape
            raise _another_network(folder / name) from error
        # not saved are numbers of batches seen, which evaluation does not use
        missing = [key for key in differing.missing_keys if not key.endswith(COUNT)]
        if missing or differing.unexpected_keys:
            raise _another_network(folder / name)
        networks.append(network.eval())
    return networks


def _another_network(path: Path) -> ArtifactError:
    return ArtifactError(
        f"the weights in {path}.safetensors are not those of the network that is built for them: "
        "install the versions of torchvision and timm that trained it, or train it again"
    )


def _shape(facts: Mapping[str, Any]) -> nn.Module:
    if "features" in facts:
        return FrozenClassifier(
            CacheKey.from_facts(facts["features"]).backbone.dim, facts["labels"]
        )
    from toolkit.features.loading import load

    known = Backbone.from_facts(facts["backbone"])
    _, trunk, _ = load(BackboneSpec(known.name, "none"))
    return Classifier(trunk, known.dim, facts["labels"], known.preprocess)
