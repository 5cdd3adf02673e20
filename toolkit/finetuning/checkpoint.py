"""Checkpoints of a training run: written whole, read without unpickling."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from toolkit.errors import ArtifactError
from toolkit.storage.files import DIGEST_BYTES, digest_bytes, write_with

FORMAT = 2


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically, its digest before it: torch's own format has none."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "state": state}, buffer)
    data = buffer.getbuffer()
    write_with(path, lambda file: (file.write(digest_bytes(data)), file.write(data)))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, onto the processor.

    Raises:
        ArtifactError: it is damaged or of another format.
    """
    try:
        data = memoryview(path.read_bytes())
        if digest_bytes(data[DIGEST_BYTES:]) != data[:DIGEST_BYTES]:
            raise ValueError("its content is not what was written")
        found = torch.load(io.BytesIO(data[DIGEST_BYTES:]), map_location="cpu", weights_only=True)
        if found["format"] == FORMAT:
            state: dict[str, Any] = found["state"]
            return state
    except Exception as error:  # torch raises errors of many kinds on damaged files
        raise ArtifactError(
            f"the checkpoint {path} cannot be read: delete it to train from the start"
        ) from error
    raise ArtifactError(f"the checkpoint {path} is of another format: delete it to train anew")
