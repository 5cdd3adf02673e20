"""Writes a painted data set in the course's layout, on all cores, to the same bytes on any."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from toolkit.data.synth.company import Labels, scenes
from toolkit.data.synth.picture import paint
from toolkit.errors import DataError, UsageError
from toolkit.paper.results import LABELS
from toolkit.runtime.processor import cores

Jobs = Sequence[tuple[int, Labels, bool]]

_GREY = 0.075
_CHUNK = 25


def synthesise(
    folder: Path,
    images: int = 2000,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Paint a data set in the course's layout into a folder, made if it is not there.

    Writes ``images/im1.jpg`` to ``images/imN.jpg`` (128 x 128 pixels, JPEG, 7.5 % of them
    single-channel) and ``annotations/<label>.txt`` for each of the paper's 14 labels, one image
    number a line. Label counts are the paper's prevalences times ``images``, not a draw from them.
    Image i depends on ``seed`` (>= 0), on ``images`` and on i alone: the number of ``workers``
    (processes; by default one a core) changes nothing but the time. ``on_progress`` is called with
    the number of images painted since the last call.

    Raises:
        UsageError: ``images`` or ``workers`` is below 1, or ``seed`` below 0.
        DataError: the folder already holds images, or it cannot be written.
    """
    for name, value, least in (("images", images, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name} cannot be {value}: give a number of at least {least}")
    # a key of two words, which no single picture's key of one word can equal
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, images)))
    order, grey = rng.permutation(images), rng.permutation(images) < round(_GREY * images)
    kinds = scenes(images)
    jobs = [(k + 1, kinds[order[k]], bool(grey[k])) for k in range(images)]
    with _writing(folder):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        if any((folder / "images").iterdir()):
            raise DataError(f"{folder / 'images'} already holds files: give an empty folder")
        (folder / "annotations").mkdir(exist_ok=True)
        for label in LABELS:
            lines = [f"{number}\n" for number, names, _ in jobs if label in names]
            (folder / "annotations" / f"{label}.txt").write_text("".join(lines), newline="\n")
    work = partial(_paint, folder / "images", seed)
    with closing(_painted(work, jobs, workers or cores())) as chunks:
        for painted in chunks:
            if on_progress is not None:
                on_progress(painted)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "free some space or give another folder"
        raise DataError(f"{place} cannot be written ({error.strerror}): {advice}") from error


def _painted(work: Callable[[Jobs], int], jobs: Jobs, workers: int) -> Generator[int, None, None]:
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    done = 0
    if workers > 1 and len(chunks) > 2 and not multiprocessing.current_process().daemon:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
        try:
            for painted in pool.map(work, chunks):
                done += 1
                yield painted
        except BrokenProcessPool:
            pass  # no worker can start in a script without a main guard: the rest is painted here
        finally:
            pool.shutdown(cancel_futures=True)
    yield from map(work, chunks[done:])


def _paint(pictures: Path, seed: int, jobs: Jobs) -> int:
    for number, names, grey in jobs:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        with _writing(pictures / f"im{number}.jpg"):
            picture = paint(frozenset(names), rng, grey)
            picture.save(pictures / f"im{number}.jpg", quality=90)
    return len(jobs)
