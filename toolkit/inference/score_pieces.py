"""Score with workers: each opens the model and scores parts of the images, which come in order."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from toolkit.distribute.machines import connected, device_at, worker_size
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.images.addresses import is_address
from toolkit.inference.given import Source
from toolkit.inference.stream import Outcome, Write, parts

PART = 512  # images that a worker scores at a time
Part = list[tuple[str, Source]]


class PartScorer(Protocol):
    """A model as a worker has it open."""

    def score_part(self, part: Part) -> tuple[np.ndarray, Outcome]:
        """Return ``float32 (b, L)`` scores of b images, NaN where there is none, and the rest."""


class Opened:
    """What a worker keeps: a model, for one part at a time."""

    def __init__(self, model: PartScorer) -> None:
        self.model, self.using = model, threading.Lock()


@dataclass(frozen=True)
class Opening:
    """Opens a model in a worker.

    Attributes:
        again: gives the model for a device; it must be importable on the worker.
        device: that workers compute on.
    """

    again: Callable[..., PartScorer]
    device: str

    def __call__(self) -> Opened:
        """Open it."""
        return Opened(self.again(device=self.device))


def score_with_workers(
    again: Callable[..., PartScorer],
    images: Iterable[tuple[str, Source]],
    write: Write,
    *,
    on: str,
    device: str = "auto",
    on_progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Score images on the workers of a cluster and hand scores on here, in the images' order.

    Workers read the images and the model, so both must lie where every machine finds them by the
    same path. Embeddings that the cache holds are used; others are computed and not kept, since one
    process alone writes to a store. Parts that are done before one that comes earlier wait here.

    Args:
        again: opens the model; called with ``device`` in every worker.
        images: name and source of each.
        write: see :func:`~toolkit.inference.stream.score_images`.
        on: the cluster.
        device: ``auto``, ``cpu`` or ``cuda``.
        on_progress: called with the number of images done since the last call.

    Raises:
        WeightsError: a backbone's weights are not those that the model learned on.
        ClusterError: the cluster cannot be had, or a part was lost too often.
    """
    outcome = Outcome()
    with connected(on):
        device = device_at(device, on)
        cpus, gpus = worker_size(device, on)

        def pieces() -> Iterator[Piece]:
            for at, part in enumerate(parts(images, PART)):
                inputs = {"part": [(name, _anywhere(source)) for name, source in part]}
                name = f"images {part[0][0]} to {part[-1][0]} ({at})"
                yield Piece(name, score_part, {**inputs, "at": at}, cpus=cpus, gpus=gpus)

        waiting: dict[int, tuple[list[str], np.ndarray, Outcome]] = {}
        following = 0
        with closing(run_pieces(pieces(), on, setup=Opening(again, device))) as run:
            for piece, (scores, found) in run:
                names = [name for name, _ in piece.inputs["part"]]
                waiting[piece.inputs["at"]] = names, scores, found
                while following in waiting:
                    names, scores, found = waiting.pop(following)
                    write(names, scores)
                    outcome.images += found.images
                    outcome.skipped += found.skipped
                    if on_progress is not None:
                        on_progress(len(names))
                    following += 1
    return outcome


def score_part(kept: Opened, part: Part, at: int) -> tuple[np.ndarray, Outcome]:
    """Score some images; what a worker does.

    Args:
        kept: the worker's model.
        part: name and source of each.
        at: the part's place among all.
    """
    with kept.using:
        scores, found = kept.model.score_part(part)
    sources = dict(part)
    for each in found.skipped:
        source = sources.get(each["image"])
        # it may well be there for others
        if isinstance(source, str) and not is_address(source) and not os.path.exists(source):
            each["reason"] += f" on machine {platform.node()}"
    return scores, found


def _anywhere(source: Source) -> Source:
    """Return a source that means the same in another working directory."""
    if not isinstance(source, str) or is_address(source):
        return source
    return os.path.abspath(source)
