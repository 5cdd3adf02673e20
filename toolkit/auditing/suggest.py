"""The verb suggest: which images to label next."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.auditing.informative import cell_uncertainty, informative
from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Split
from toolkit.data.split_store import get_split
from toolkit.errors import MemberError, UsageError, check_whole, counted
from toolkit.features.spec import FeatureSpec, features_of
from toolkit.inference.model import made_on, member_of
from toolkit.members.member import Member
from toolkit.members.predictions import IN_SAMPLE
from toolkit.members.stale import said_other
from toolkit.pages.escaping import csv_text
from toolkit.pages.tables import html_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.files import write_bytes

if TYPE_CHECKING:
    import pandas as pd

NAMED = 5
COLUMNS = ("image", "labels", "score", "why")
_SHOWN = 10


@dataclass(frozen=True, repr=False)
class Suggestions:
    """Images to label next, the first to label first.

    Attributes:
        dataset: name of the data set.
        member: name of the member that was asked.
        rows: of each image ``image``, ``labels`` (in question, the most uncertain first), ``score``
            and ``why``.
        passed_over: development images without scores or embeddings.
        out: the file that holds them, if one was asked for.
    """

    dataset: str
    member: str
    rows: list[dict[str, Any]]
    passed_over: int
    out: Path | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return one row per image: ``image``, ``labels`` (joined by ``|``), ``score``, ``why``."""
        import pandas as pd

        return pd.DataFrame(self._lines(), columns=list(COLUMNS))

    def to_csv(self) -> str:
        """Return the same as CSV."""
        return csv_text([list(COLUMNS), *self._lines()])

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit suggest --json``."""
        return {
            "dataset": self.dataset,
            "member": self.member,
            "passed_over": self.passed_over,
            "out": None if self.out is None else str(self.out),
            "images": self.rows,
        }

    def _lines(self) -> list[list[Any]]:
        return [
            [row["image"], "|".join(row["labels"]), row["score"], row["why"]] for row in self.rows
        ]

    def __repr__(self) -> str:
        """Return the first few, one per line."""
        head = f"{counted(len(self.rows), 'image')} of {self.dataset} to label, by {self.member}"
        lines = [f"{row['image']}: {row['why']}" for row in self.rows[:_SHOWN]]
        rest = len(self.rows) - len(lines)
        return "\n".join([head, *lines, *([f"and {rest:,} more"] if rest else [])])

    def _repr_html_(self) -> str:
        return html_table(list(COLUMNS), self._lines(), repr(self).split("\n")[0])


@checked
def suggest(
    data: Dataset | str | None = None,
    *,
    member: str | Member,
    n: int = 100,
    out: str | os.PathLike[str] | None = None,
    features: str | Iterable[str] = "efficientnet_lite0",
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str | Iterable[str] = "center",
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Suggestions:
    """Say which images to label next: uncertain ones, unlike those labelled and one another.

    Of the images with unknown cells the 3 n most uncertain are listed, by the sum over their
    unknown cells of the entropy of the member's score, each over its label's mean, so that rare
    labels count like common ones (uncertainty sampling, Lewis & Gale 1994). Among these, n are
    chosen one by one, each the farthest, between embeddings of length 1, from all images without
    unknown cells and from those chosen before (k-center greedy, Sener & Savarese 2018; first
    uncertain, then diverse: Zhdanov 2019). Where fewer images than n have unknown cells, those
    whose labels are all known follow, chosen alike: by a score that did not learn from the image
    they are worth a second look.

    The split is the member's own; its test images are never suggested. Scores of images that the
    member learned from count for unknown cells only, which it cannot have learned.

    Args:
        data: the data set, or its name; by default the member's.
        member: a member or an ensemble, or its name.
        n: how many images.
        out: a CSV file to write.
        features: backbones whose embeddings say how alike images are.
        weights: see :func:`~toolkit.members.frozen.ovr`, as for the others.
        views: ``original``, or ``original`` and ``hflip``.
        pooling: of feature maps or tokens.
        size: side of the input in pixels; None for the backbone's own.
        layer: ``last``, ``last4``, or names of layers joined by ``+``.
        crop: ``center``, ``full``, or both side by side.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp16``, ``bf16`` or ``fp32``.
        seed: of random weights.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        MemberError: the member was made on other data, or on labels since corrected, or scores no
            image that could be suggested.
        UsageError: an option is not among its choices.
    """
    n = check_whole("n", n, 1)
    if out is not None and (Path(out).suffix.lower() != ".csv" or Path(out).is_dir()):
        raise UsageError(f"out: expected a file ending in .csv, found {out}")
    given = {"device": device, "precision": precision, "seed": seed, "weights": weights}
    given |= {"pooling": pooling, "size": size, "layer": layer}
    spec = FeatureSpec.parse(features, views=views, crop=crop, **given)
    asked = member_of(member, artifacts)
    dataset, split = _data_of(asked, data, progress)
    progress = choose_progress(progress)
    matrix, _ = features_of(dataset, spec, asked.artifacts, progress)
    rows, S, cells = _candidates(asked, dataset, split, matrix.rows)
    place = np.full(len(dataset), -1)
    place[matrix.rows] = np.arange(len(matrix.rows))
    open_rows = np.asarray((dataset.Y < 0).any(axis=1))
    settled = [row for row in split.development.tolist() if place[row] >= 0 and not open_rows[row]]
    found: list[dict[str, Any]] = []
    for tier in (np.flatnonzero(open_rows[rows]), np.flatnonzero(~open_rows[rows])):
        wanted = n - len(found)
        if not len(tier) or wanted <= 0:
            continue
        # what is known already need not be unlike itself to be looked at again
        centers = matrix.X[place[settled if open_rows[rows[tier[0]]] else []]]
        order, distance = informative(
            S[tier], cells[tier], matrix.X[place[rows[tier]]], wanted, centers
        )
        uncertain = cell_uncertainty(S[tier], cells[tier])
        for at, far in zip(order.tolist(), distance.tolist(), strict=True):
            row = tier[at]
            found.append(_said(dataset, rows[row], S[row], cells[row], uncertain[at], far))
    done = Suggestions(
        dataset=dataset.name,
        member=asked.name,
        rows=found,
        passed_over=len(split.development) - len(rows),
        out=None if out is None else Path(out),
    )
    if done.out is not None:
        write_bytes(done.out, done.to_csv().encode())
    return done


def _data_of(member: Member, data: Dataset | str | None, progress: Any) -> tuple[Dataset, Split]:
    if data is None:
        return made_on(member)
    dataset = open_dataset(data, member.artifacts, choose_progress(progress))
    if member.scored.dataset_digest != dataset.digest:
        raise MemberError(said_other(member, dataset))
    return dataset, get_split(dataset, str(member.recipe()["split"]), member.artifacts)


def _candidates(
    member: Member, dataset: Dataset, split: Split, embedded: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows that may be suggested, their scores ``(m, L)``, and the cells in question."""
    scored = member.scored
    inside = set(embedded.tolist())
    rows, at = list[int](), list[int]()
    for row in split.development.tolist():
        score = scored.row.get(dataset.ids[row])
        if score is None or row not in inside:
            continue
        if scored.origin[score] == IN_SAMPLE and not (dataset.Y[row] < 0).any():
            continue
        rows.append(row)
        at.append(score)
    if not rows:
        raise MemberError(
            f"member {member.name} scores no development image that could be suggested: make it "
            "with folds"
        )
    cells = dataset.Y[rows] < 0
    cells[~cells.any(axis=1)] = True
    return np.array(rows, np.int64), scored.scores[at], cells


def _said(
    dataset: Dataset,
    row: int,
    scores: np.ndarray,
    cells: np.ndarray,
    uncertain: np.ndarray,
    distance: float,
) -> dict[str, Any]:
    order = [at for at in np.argsort(-uncertain, kind="stable").tolist() if cells[at]]
    named = order[:NAMED]
    shown = ", ".join(f"{dataset.labels[at]} {scores[at]:.2f}" for at in named[:3])
    unknown = int((dataset.Y[row] < 0).sum())
    what = f"{counted(unknown, 'label')} unknown" if unknown else "all labels known, unsure"
    far = "the most uncertain" if np.isinf(distance) else f"{distance:.2f} from the nearest"
    return {
        "image": dataset.ids[row],
        "labels": [dataset.labels[at] for at in named],
        "score": round(float(uncertain[cells].sum()), 4),
        "why": f"{what}; scores {shown}; {far}",
    }
