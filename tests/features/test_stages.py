"""Stages: what takes long before the first image is a step of its own, which a person sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import toolkit
from toolkit.runtime.progress import Progress, Task

BACKBONE = "timm/test_efficientnet"


class Watching(Progress):
    """Notes when tasks begin and end, and what they told last."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.told: tuple[str, int, int | None] | None = None

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Yield a task."""
        self.seen.append(f"begin {name}")
        yield Task(name, total, self.tell)
        self.seen.append(f"end {name}")

    def tell(self, name: str, done: int, total: int | None) -> None:
        """Hear how far a task is."""
        self.told = name, done, total


def test_each_stage_begins_once_the_one_before_has_ended(tmp_path: Path) -> None:
    data = toolkit.Dataset.synthetic(8, artifacts=tmp_path)
    how: dict[str, Any] = {"weights": "none", "precision": "fp32", "engine": "torch"}
    for again in (False, True):
        watching = Watching()
        toolkit.embed(data, BACKBONE, artifacts=tmp_path, progress=watching, **how)
        names = ["loading timm-test_efficientnet", f"preparing {BACKBONE}"]
        names += [] if again else [f"embedding with {BACKBONE}"]
        assert watching.seen == [f"{edge} {name}" for name in names for edge in ("begin", "end")]
        assert watching.told == (None if again else (f"embedding with {BACKBONE}", 8, 8))
