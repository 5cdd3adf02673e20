"""Journal: the metrics of each epoch as JSON lines, and to TensorBoard where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError
from toolkit.storage.files import natural_key

EXTRA = "tensorboard is not installed: pip install 'toolkit[tensorboard]', or leave it out"


def tensorboard_there() -> bool:
    """Tell whether TensorBoard can be written."""
    return importlib.util.find_spec("tensorboard") is not None


class Journal:
    """Writes one line an epoch; what a resumed run writes again is not written twice.

    Args:
        folder: where ``metrics.jsonl`` and TensorBoard's files go.
        tensorboard: True to insist, False for never, None for where it is installed.

    Raises:
        UsageError: TensorBoard was asked for and is not installed.
    """

    def __init__(self, folder: Path, tensorboard: bool | None = None) -> None:
        if tensorboard and not tensorboard_there():
            raise UsageError(EXTRA)
        self.file = folder / "metrics.jsonl"
        self._board = folder / "tensorboard"
        self._wanted = tensorboard_there() if tensorboard is None else tensorboard
        self._writer: Any = None

    def write(self, metrics: dict[str, Any]) -> None:
        """Append the metrics of an epoch, which name it under ``epoch``."""
        done = {line["epoch"] for line in read_journal(self.file)}
        if metrics["epoch"] in done:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            if file.tell() and not self.file.read_bytes().endswith(b"\n"):
                file.write("\n")  # end what a kill cut short
            file.write(json.dumps(metrics, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._wanted:
            if self._writer is None:
                from torch.utils.tensorboard import SummaryWriter

                self._writer = SummaryWriter(str(self._board))
            for name, value in metrics.items():
                if isinstance(value, int | float) and name != "epoch":
                    self._writer.add_scalar(name, value, metrics["epoch"])

    def close(self) -> None:
        """End TensorBoard's files."""
        if self._writer is not None:
            self._writer.close()


def read_journal(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal; one that a kill cut short does not count."""
    if not file.is_file():
        return []
    lines = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "epoch" in found:
            lines.append(found)
    return lines


def training_folder(artifacts: Path, name: str) -> Path:
    """Return the folder in which the training runs of what is called ``name`` keep journals."""
    return artifacts / "reports" / "training" / name


def read_journals(artifacts: Path, name: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the name of each training run that wrote a journal, with its lines."""
    files = sorted(
        training_folder(artifacts, name).glob("*/metrics.jsonl"),
        key=lambda file: natural_key(str(file)),
    )
    found = [(file.parent.name, read_journal(file)) for file in files]
    return [(run, lines) for run, lines in found if lines]
