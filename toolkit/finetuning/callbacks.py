"""Callbacks: where training runs are kept, and who hears of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import STOPPED, StoppedError

SAVE_EVERY = 180.0
Metrics = dict[str, Any]


@dataclass(frozen=True)
class Callbacks:
    """Where runs are kept, and who hears of them.

    Attributes:
        folder: for checkpoints and journals; None keeps nothing.
        tensorboard: see :class:`~toolkit.finetuning.journal.Journal`.
        save_every: seconds between checkpoints.
        stop: asked after each step whether to save and end, and between batches of what goes before
            and after the steps.
        on_run: called with the name of each run, its number of epochs and of images in each.
        on_step: called with the number of images after each step.
        on_epoch: called with the metrics of each epoch.
    """

    folder: Path | None = None
    tensorboard: bool | None = False
    save_every: float = SAVE_EVERY
    stop: Callable[[], bool] | None = None
    on_run: Callable[[str, int, int], None] | None = None
    on_step: Callable[[int], None] | None = None
    on_epoch: Callable[[Metrics], None] | None = None

    def check(self) -> None:
        """Raise StoppedError if the run was asked to end; between steps, where nothing is saved."""
        if self.stop is not None and self.stop():
            raise StoppedError(STOPPED)
