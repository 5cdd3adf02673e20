"""Model: a member, an ensemble or an exported folder, opened to score new images."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import load_dataset
from toolkit.data.split import Split
from toolkit.data.split_store import get_split
from toolkit.distribute.place import HERE, check_place
from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import MemberError, UsageError, counted, listed
from toolkit.features.engines.choose import Engines
from toolkit.inference.bundle import is_bundle, open_bundle
from toolkit.inference.exported import is_exported, open_exported
from toolkit.inference.given import Given, find_images
from toolkit.inference.outputs import Gathered, open_output, read_output
from toolkit.inference.score_pieces import Part, score_with_workers
from toolkit.inference.scorer import Scorer
from toolkit.inference.scorers import in_artifacts, open_scorer
from toolkit.inference.stream import Outcome, Write, score_images
from toolkit.members.member import Member, load_member
from toolkit.members.stale import earlier_digests, said_other
from toolkit.pages.tables import facts_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.denormals import flushed_denormals
from toolkit.runtime.device import choose_device
from toolkit.runtime.heap import keep_freed_memory
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder

if TYPE_CHECKING:
    import pandas as pd

Thresholds = dict[str, float]


@dataclass(frozen=True, repr=False)
class Scored:
    """New images and their scores.

    Attributes:
        model: the model's name.
        labels: L label names.
        images: how many images were scored.
        skipped: images that could not be: ``image`` and ``reason``.
        seconds: it took.
        out: the file that holds the scores; None for scores in memory.
    """

    model: str
    labels: tuple[str, ...]
    images: int
    skipped: list[dict[str, str]]
    seconds: float
    out: Path | None
    _frame: Callable[[], pd.DataFrame]

    def to_frame(self) -> pd.DataFrame:
        """Return ``image`` and one probability (or 0 and 1) per label, in the images' order.

        Every image has its row; one that could not be scored has NaN there, with a warning. What
        was written to a file is read from it, and has no rows of those.
        """
        if self.skipped and self.out is None:
            few = listed((f"{each['image']}: {each['reason']}" for each in self.skipped), 3)
            warnings.warn(
                f"{counted(len(self.skipped), 'image')} could not be scored, with NaN for scores "
                f"({few})",
                stacklevel=2,
            )
        return self._frame()

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit predict --json``."""
        return {
            "model": self.model,
            "out": None if self.out is None else str(self.out),
            "images": self.images,
            "labels": list(self.labels),
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
        }

    def __repr__(self) -> str:
        """Return what matters in a line."""
        return (
            f"{counted(self.images, 'image')} scored by {self.model} in {self.seconds:.1f} s, "
            f"{len(self.skipped)} skipped{f' ({self.out})' if self.out else ''}"
        )

    def _repr_html_(self) -> str:
        return facts_table(
            self.facts() | {"labels": listed(self.labels, 12), "skipped": len(self.skipped)}
        )


class Model:
    """A model that scores new images; see :func:`load_model`.

    Attributes:
        name: of the member or ensemble that it is.
        labels: L label names.
    """

    def __init__(
        self,
        name: str,
        scorer: Scorer,
        tuned: Callable[[], Thresholds],
        artifacts: Path,
        engine: str,
        device: str,
        again: Callable[..., Model],
    ) -> None:
        self.name, self.labels = name, scorer.labels
        self._again, self._asked = again, device
        self._scorer, self._tuned, self._artifacts = scorer, tuned, artifacts
        self._engine, self._device = engine, choose_device(device)
        self._engines = Engines()  # once built, they serve all calls

    @cached_property
    def thresholds(self) -> Thresholds:
        """The tuned threshold of each label: a score at or above it means yes.

        Raises:
            MemberError: a member without thresholds has no out-of-sample scores to tune them on.
        """
        return self._tuned()

    def predict(self, images: Given, *, binary: bool = False, progress: Any = None) -> pd.DataFrame:
        """Return ``image`` and one probability per label, one row per image in their order.

        Args:
            images: see :func:`toolkit.predict`.
            binary: 0 and 1 at :attr:`thresholds` in place of probabilities.
            progress: where progress is shown.
        """
        return self.score(images, binary=binary, progress=progress).to_frame()

    def score(
        self,
        images: Given,
        *,
        out: Path | None = None,
        binary: bool = False,
        course_tsv: bool = False,
        on: str = HERE,
        progress: Any = None,
    ) -> Scored:
        """Score images into memory or into a file; see :func:`toolkit.predict`."""
        check_place(on)
        started = time.perf_counter()
        if course_tsv and out is None:
            raise UsageError("course_tsv: expected out, a file ending in .tsv, found none")
        at = None
        if binary or course_tsv:
            at = np.array([self.thresholds[label] for label in self.labels])
        if out is None:
            gathered = Gathered(self.labels, at)
            outcome = self._run(images, gathered, on, progress)
            frame = gathered.frame
        else:
            with open_output(out, self.labels, thresholds=at, course=course_tsv) as write:
                outcome = self._run(images, write, on, progress)
            frame = lambda: read_output(out)  # noqa: E731
        seconds = time.perf_counter() - started
        return Scored(self.name, self.labels, outcome.images, outcome.skipped, seconds, out, frame)

    def score_part(self, part: Part) -> tuple[np.ndarray, Outcome]:
        """Score some images without writing to the artifacts folder; what workers do.

        Args:
            part: name and source of each.

        Returns:
            ``float32 (b, L)``, a row of NaN where an image could not be scored, and why.
        """
        scores: list[np.ndarray] = []
        with flushed_denormals(), tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
            outcome = score_images(
                self._scorer,
                part,
                Path(folder),
                lambda _, found: scores.append(found),
                engine=self._engine,
                device=self._device,
                make=self._engines,
                known=self._artifacts,
            )
        return np.concatenate(scores), outcome

    def _run(self, images: Given, write: Write, on: str, progress: Any) -> Outcome:
        task = choose_progress(progress).task(f"predicting with {self.name}")
        if on != HERE:
            with task as scoring:
                return score_with_workers(
                    self._again, find_images(images), write,
                    on=on, device=self._asked, on_progress=scoring.advance,
                )  # fmt: skip
        if self._scorer.pictures:  # networks trained on pictures run here
            keep_freed_memory()
        with flushed_denormals(), task as scoring:
            return score_images(
                self._scorer,
                find_images(images),
                self._artifacts,
                write,
                engine=self._engine,
                device=self._device,
                make=self._engines,
                on_progress=scoring.advance,
            )

    def __repr__(self) -> str:
        """Return what matters in a line."""
        return f"Model {self.name!r}: {counted(len(self.labels), 'label')} ({listed(self.labels)})"


@checked
def load_model(
    folder: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    artifacts: str | os.PathLike[str] | None = None,
) -> Model:
    """Open a folder that :func:`toolkit.export` wrote, every one of its files checked.

    Args:
        folder: the folder, of any format.
        engine: ``auto``, ``openvino`` or ``torch``, for embeddings; graphs have their own.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; graphs run on the processor.
        artifacts: where embeddings of the images are kept; graphs keep none.

    Raises:
        UsageError: it is no such folder, or what runs it is not installed.
        ArtifactError: a file is missing or damaged.
    """
    home = artifacts_folder(artifacts)
    again = partial(load_model, Path(folder).absolute(), engine=engine, artifacts=home.absolute())
    if is_exported(Path(folder)):
        scorer, written = open_exported(Path(folder))
        return Model(written.model, scorer, lambda: written.thresholds, home, engine, device, again)
    if not is_bundle(Path(folder)):
        raise UsageError(f"expected a folder that toolkit export wrote, found {folder}")
    find, name, thresholds = open_bundle(Path(folder))
    return Model(name, open_scorer(find, name), lambda: thresholds, home, engine, device, again)


def open_model(
    model: Member | str | os.PathLike[str],
    *,
    engine: str,
    device: str,
    artifacts: str | os.PathLike[str] | None,
) -> Model:
    """Open a member, the member of a name, or an exported folder.

    Raises:
        UsageError: there is no such folder and no member of this name.
    """
    if not isinstance(model, Member) and (is_bundle(Path(model)) or is_exported(Path(model))):
        return load_model(model, engine=engine, device=device, artifacts=artifacts)
    member = member_of(model, artifacts)
    scorer = open_scorer(in_artifacts(member.artifacts), member.name)

    def tuned() -> Thresholds:
        dataset, split = made_on(member)
        found = tuned_thresholds(member, dataset, split)
        return dict(zip(dataset.labels, found.per_label.tolist(), strict=True))

    home = member.artifacts.absolute()
    again = partial(open_model, member.name, engine=engine, artifacts=home)
    return Model(member.name, scorer, tuned, member.artifacts, engine, device, again)


def member_of(
    model: Member | str | os.PathLike[str], artifacts: str | os.PathLike[str] | None
) -> Member:
    """Return a member in hand, or the one of a name."""
    if isinstance(model, Member):
        return model
    return load_member(artifacts_folder(artifacts), os.fspath(model))


def made_on(member: Member) -> tuple[Dataset, Split]:
    """Return the data set and split that a member was made on.

    Raises:
        MemberError: the data set is another one by now.
    """
    dataset = load_dataset(member.artifacts, str(member.provenance()["dataset"]))
    if member.scored.dataset_digest in earlier_digests(dataset):
        raise MemberError(said_other(member, dataset))
    if dataset.digest != member.scored.dataset_digest:
        raise MemberError(
            f"data set {dataset.name} is not what member {member.name} was made on any more: make "
            "the member again"
        )
    return dataset, get_split(dataset, str(member.recipe()["split"]), member.artifacts)
