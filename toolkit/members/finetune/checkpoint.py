"""Checkpoints of a training run: written whole, read without unpickling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from toolkit.errors import ArtifactError
from toolkit.store import write_with

FORMAT = 1


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically."""
    write_with(path, lambda file: torch.save({"format": FORMAT, "state": state}, file))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, onto the processor.

    Raises:
        ArtifactError: it is damaged or of another format.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if found["format"] == FORMAT:
            state: dict[str, Any] = found["state"]
            return state
    except Exception as error:  # torch raises errors of many kinds on damaged files
        raise ArtifactError(
            f"the checkpoint {path} cannot be read: delete it to train from the start"
        ) from error
    raise ArtifactError(f"the checkpoint {path} is of another format: delete it to train anew")
