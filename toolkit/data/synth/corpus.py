"""Writes a painted data set in the course's layout, to the same bytes on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from toolkit.data.synth.company import scenes
from toolkit.data.synth.picture import paint
from toolkit.errors import DataError, check_whole
from toolkit.paper.results import LABELS

_GREY = 0.075


def synthesise(
    folder: Path,
    images: int = 2000,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Paint a data set in the course's layout into a folder, made if it is not there.

    Writes ``images/im1.jpg`` to ``images/imN.jpg`` (128 x 128 pixels, JPEG, 7.5 % of them
    single-channel) and ``annotations/<label>.txt`` for each of the paper's 14 labels, one image
    number per line. Label counts are the paper's prevalences times ``images``, not a draw of them.
    Image i depends on ``seed`` (>= 0), on ``images`` and on i alone. ``on_progress`` is called with
    the number of images painted since the last call.

    Raises:
        UsageError: ``images`` is below 1, or ``seed`` below 0.
        DataError: the folder already holds images, or it cannot be written.
    """
    images, seed = check_whole("images", images, 1), check_whole("seed", seed)
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
    for number, names, single in jobs:
        place = folder / "images" / f"im{number}.jpg"
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        with _writing(place):
            paint(frozenset(names), rng, single).save(place, quality=90)
        if on_progress is not None:
            on_progress(1)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "free some space or give another folder"
        raise DataError(f"{place} cannot be written ({error.strerror}): {advice}") from error
