"""Finished: what a run of several ended with, kept until all of them have ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from toolkit.finetuning.checkpoint import load_checkpoint, save_checkpoint
from toolkit.finetuning.training import Metrics


@dataclass(frozen=True)
class Finished:
    """The end of one run.

    Attributes:
        state: its weights.
        scores: probabilities ``float32 (m, L)`` of each set of rows that it scores.
        history: metrics of each epoch.
    """

    state: dict[str, np.ndarray]
    scores: list[np.ndarray]
    history: list[Metrics]

    def save(self, file: Path) -> None:
        """Write it, with a digest."""
        found = {
            "state": {name: torch.from_numpy(value) for name, value in self.state.items()},
            "scores": [torch.from_numpy(value) for value in self.scores],
            "history": self.history,
        }
        save_checkpoint(found, file)

    @classmethod
    def load(cls, file: Path) -> Finished:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: it is damaged.
        """
        found = load_checkpoint(file)
        return cls(
            {name: value.numpy() for name, value in found["state"].items()},
            [value.numpy() for value in found["scores"]],
            found["history"],
        )
