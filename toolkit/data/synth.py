"""A painted stand-in for the paper's corpus: its labels and layout, none of its photographs.

The course corpus (dl2021-image-corpus-proj) cannot be passed on. This one can: it is drawn from a
seed, with the paper's 14 labels at the paper's prevalences and in plausible company.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import numpy as np

from toolkit.data.painter import paint
from toolkit.errors import DataError, UsageError
from toolkit.paper.results import IMAGES, LABELS, POSITIVES

Labels = tuple[str, ...]
Job = tuple[int, Labels, bool]

GREY_SHARE = 0.075
_QUALITY = 90
_CHUNK = 25
_LEAST_POSITIVES = 3

# pictures of several labels, per 20,000; round figures of our own that follow how such labels
# keep company: portrait, male, female and baby are people, night is a condition of the scene
_COMPANY = {
    "people portrait male": 1000,
    "people portrait male female": 230,
    "people portrait": 60,
    "people male female": 330,
    "people portrait baby male": 35,
    "people portrait baby female": 20,
    "people baby": 10,
    "clouds people": 55,
    "clouds people male": 35,
    "clouds people female": 18,
    "clouds people portrait male": 8,
    "clouds people portrait female": 8,
    "clouds tree": 36,
    "clouds sea": 36,
    "clouds river": 25,
    "clouds car": 14,
    "clouds night": 14,
    "clouds bird": 8,
    "clouds flower": 6,
    "clouds river tree": 4,
    "night people": 35,
    "night people male": 22,
    "night people female": 8,
    "night tree": 22,
    "night car": 10,
    "sea people": 14,
    "sea people male": 22,
    "sea people female": 10,
    "sea people male female": 6,
    "sea tree": 4,
    "river people": 4,
    "river people male": 6,
    "river tree": 10,
    "tree people": 16,
    "tree people male": 8,
    "tree people female": 6,
    "tree flower": 18,
    "tree bird": 14,
    "car people": 14,
    "car people male": 14,
    "car people female": 8,
    "dog people": 5,
    "dog people male": 16,
    "dog people female": 12,
    "dog people portrait male": 8,
    "dog people portrait female": 11,
    "flower people male": 5,
    "flower people female": 6,
    "flower people portrait female": 16,
    "bird people": 5,
    "bird people male": 6,
}
# whatever a label still lacks after that goes to its plainest picture, in this order
_PLAINEST = {
    "baby": "people portrait baby",
    "portrait": "people portrait female",
    "female": "people female",
    "male": "people male",
}


def synthesise(
    folder: Path,
    images: int = 2000,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Paint a data set in the course's layout into a folder.

    Writes ``images/im1.jpg`` to ``images/imN.jpg`` (128 x 128 pixels, JPEG, about 7.5 % of them
    single-channel) and ``annotations/<label>.txt`` for each of the paper's 14 labels, one image
    number a line. Label counts are the paper's prevalences times ``images``, not a draw from them;
    from 150 images on every label has at least three positives. Image i depends on the seed, on
    ``images`` and on i alone, so the number of workers changes nothing but the time.

    Args:
        folder: where to write; made if it is not there.
        images: how many images to paint.
        seed: a number >= 0; another seed gives another data set.
        workers: how many processes paint; by default one a core, fewer for small data sets.
        on_progress: called with the number of images painted since the last call.

    Raises:
        UsageError: ``images`` or ``workers`` is below 1, or ``seed`` below 0.
        DataError: the folder already holds images, or it cannot be written.
    """
    for name, value, least in (("images", images, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name} cannot be {value}: give a number of at least {least}")
    jobs = _jobs(images, seed)
    pictures = folder / "images"
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        if next(pictures.iterdir(), None) is not None:
            raise DataError(f"{pictures} already holds files: give a new or an empty folder")
        _write_annotations(folder / "annotations", jobs)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror}): give another folder"
        ) from error
    with closing(_painted(pictures, seed, jobs, workers)) as chunks:
        for painted in chunks:
            if on_progress is not None:
                on_progress(painted)


def scenes(images: int) -> list[Labels]:
    """Return the labels of each of ``images`` pictures, like beside like.

    How often each set of labels occurs is first rounded down; the pictures that are left then go
    one by one to the set that brings all label counts nearest to the paper's prevalences.
    """
    rates = _rates()
    share = images / IMAGES
    least = min(_LEAST_POSITIVES, images // 50)
    target = {label: max(POSITIVES[label] * share, least) for label in LABELS}
    kinds = list(rates)
    has = np.array([[label in kind for label in LABELS] + [not kind] for kind in kinds], float)
    wanted = np.array([*target.values(), rates[()] * share])
    expected = np.array([rates[kind] * share for kind in kinds])
    counts = np.floor(expected)
    while counts.sum() < images:
        # a chi-square over label counts and, at half the weight, over whole pictures: the gain
        # of one more picture of each kind
        lack = wanted - counts @ has
        gain = has @ ((2 * lack - 1) / (wanted + 0.5))
        gain += 0.5 * (2 * (expected - counts) - 1) / (expected + 0.5)
        short = (counts @ has)[:-1] < least
        if short.any():
            gain[~has[:, :-1][:, short].any(axis=1)] = -np.inf
        # rounded, so that a tie is broken by order and not by the last bit of a sum
        counts[int(np.argmax(gain.round(9)))] += 1
    return [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(int(count))]


def _rates() -> dict[Labels, int]:
    """Return how often each set of labels occurs among the paper's 20,000 images."""
    rates: Counter[Labels] = Counter()
    for names, count in _COMPANY.items():
        rates[tuple(sorted(names.split()))] += count
    for label in [*_PLAINEST, *(label for label in LABELS if label not in _PLAINEST)]:
        kind = tuple(sorted(_PLAINEST.get(label, label).split()))
        rates[kind] += POSITIVES[label] - sum(n for names, n in rates.items() if label in names)
    rates[()] = IMAGES - rates.total()
    return dict(rates)


def _jobs(images: int, seed: int) -> list[Job]:
    # a key of two words, which no single picture's key of one word can equal
    dice = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, images)))
    order = dice.permutation(images)
    grey = set(dice.permutation(images)[: round(GREY_SHARE * images)].tolist())
    kinds = scenes(images)
    return [(k + 1, kinds[place], k in grey) for k, place in enumerate(order.tolist())]


def _write_annotations(folder: Path, jobs: Sequence[Job]) -> None:
    folder.mkdir(exist_ok=True)
    for label in LABELS:
        lines = [f"{number}\n" for number, names, _ in jobs if label in names]
        (folder / f"{label}.txt").write_text("".join(lines), encoding="ascii", newline="\n")


def _painted(
    pictures: Path, seed: int, jobs: Sequence[Job], workers: int | None
) -> Generator[int, None, None]:
    """Paint all pictures, chunk by chunk, and yield the number of pictures in each chunk."""
    left = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    workers = min(workers or _cores(), len(left))
    if workers > 1 and len(left) > 2:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
        try:
            futures = {pool.submit(_paint, pictures, seed, chunk): chunk for chunk in left}
            for future in as_completed(futures):
                painted = future.result()
                left.remove(futures[future])
                yield painted
        except BrokenProcessPool:
            # no worker could start or one was killed, as where a script has no main guard: the
            # pictures that are left are painted here, to the same bits
            pass
        finally:
            pool.shutdown(cancel_futures=True)
    for chunk in left:
        yield _paint(pictures, seed, chunk)


def _cores() -> int:
    if multiprocessing.current_process().daemon:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _paint(pictures: Path, seed: int, jobs: Sequence[Job]) -> int:
    for number, names, grey in jobs:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        path = pictures / f"im{number}.jpg"
        try:
            paint(frozenset(names), rng, grey).save(path, quality=_QUALITY)
        except OSError as error:
            raise DataError(
                f"{path} cannot be written ({error.strerror}): free some space or give another "
                "folder"
            ) from error
    return len(jobs)
