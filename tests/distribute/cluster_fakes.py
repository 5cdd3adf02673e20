"""Pieces for the tests: functions that a worker can import."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.features.feature_fakes import FakeEngine
from toolkit.errors import DataError
from toolkit.features.backbones import Backbone
from toolkit.images.sources import Image, Images


def double(number: int, table: np.ndarray | None = None) -> int:
    return 2 * number + (0 if table is None else int(table[number]))


def refuse(name: str) -> None:
    raise DataError(f"{name} is not what it must be: look")


def full() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


def die_once(mark: Path) -> str:
    """End the process, the first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note(mark: Path, seconds: float = 0.0) -> str:
    mark.touch()
    time.sleep(seconds)
    return mark.name


def after(marks: list[Path]) -> bool:
    return all(mark.exists() for mark in marks)


class Kept:
    """A set-up that counts how often it was made in this process."""

    made = 0

    def __init__(self) -> None:
        Kept.made += 1
        self.lock = threading.Lock()


def kept_by(kept: Kept, number: int) -> dict[str, Any]:
    with kept.lock:
        return {"number": number, "pid": os.getpid(), "made": Kept.made}


class KillerImage(Image):
    """An image that takes the process down that decodes it."""

    def read(self) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""


class KillerImages(Images):
    """Images of which one is a killer."""

    fatal = ""
    kind: type[Image] = KillerImage

    def __getitem__(self, row: int) -> Image:
        image = super().__getitem__(row)
        if image.id != self.fatal:
            return image
        return self.kind(image.id, image.path, image.digest, image.data)


@dataclass(frozen=True)
class Maker:
    """Makes engines that note their process, take their time, or meet a full disk."""

    notes: Path
    pause: float = 0.0
    full: bool = False

    def __call__(self, backbone: Backbone, load: Any, **asked: Any) -> FakeEngine:
        (self.notes / str(os.getpid())).touch()
        if self.full:
            full()
        return FakeEngine(backbone, pause=self.pause)

    @property
    def pids(self) -> list[int]:
        return [int(file.name) for file in self.notes.iterdir()]
