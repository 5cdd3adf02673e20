"""Audit: do the labels describe the images, and what else is wrong with the data?"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from toolkit.auditing.alignment import PERMUTATIONS
from toolkit.auditing.examine import Examination, examine, stage_ends
from toolkit.auditing.findings import Finding, ranked, worst
from toolkit.auditing.html import audit_page, published_page
from toolkit.auditing.published import published_findings, published_rows
from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Split
from toolkit.data.split_store import get_folds, get_split, keep_grouped_split
from toolkit.errors import UsageError, check_whole
from toolkit.features.spec import FeatureSpec, features_of
from toolkit.images.hashes import hash_images
from toolkit.images.thumbnails import BUDGET
from toolkit.pages.page import write_page
from toolkit.pages.tables import html_table
from toolkit.paper.results import IMAGES, POSITIVES
from toolkit.runtime.arguments import checked
from toolkit.runtime.device import choose_device, device_kind
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder

if TYPE_CHECKING:
    import pandas as pd

_NOTEBOOK = 900_000


@dataclass(frozen=True, repr=False)
class Findings(ABC):
    """What an audit has to say.

    Attributes:
        ranked: the findings, the worst first.
    """

    ranked: Sequence[Finding]

    @property
    def worst(self) -> str:
        """The gravest severity: ``critical``, ``warning``, ``note`` or ``passed``."""
        return worst(self.ranked)

    @property
    def findings(self) -> pd.DataFrame:
        """One row per finding: ``severity``, ``kind``, ``sentence`` and ``advice``."""
        import pandas as pd

        columns = ["severity", "kind", "sentence", "advice"]
        return pd.DataFrame([each.facts() for each in self.ranked], columns=columns)

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit audit --json``."""
        return {"findings": [each.facts() for each in self.ranked]}

    @abstractmethod
    def page(self, budget: int = BUDGET) -> str:
        """Return a page that needs nothing else, with pictures of ``budget`` characters at most."""

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page with pictures."""
        write_page(self.page(), Path(path))

    def __repr__(self) -> str:
        """Return the findings, one per line."""
        return "\n".join(f"{each.severity:8} {each.sentence}" for each in self.ranked)

    def _repr_html_(self) -> str:
        from markupsafe import escape

        rows = [(each.severity, each.sentence, each.advice) for each in self.ranked]
        table = html_table(["severity", "finding", "what to do"], rows)
        # a frame keeps the page's style to itself
        page = escape(self.page(_NOTEBOOK // 2))
        if len(table) + len(page) > _NOTEBOOK:
            return table
        frame = f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'
        return f"{table}<details><summary>figures and pictures</summary>{frame}</details>"


@dataclass(frozen=True, repr=False)
class PaperAudit(Findings):
    """The paper's printed rows against predictors that ignore the image.

    Attributes:
        rows: one per printed result.
    """

    rows: Sequence[Mapping[str, Any]]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit audit --paper --json``."""
        return super().facts() | {"rows": list(self.rows)}

    def page(self, budget: int = BUDGET) -> str:
        """Return the page of the published scores."""
        return published_page(self.ranked, self.rows)


@dataclass(frozen=True, repr=False)
class Audit(Findings):
    """What an audit of one data set found.

    Attributes:
        dataset: the data set.
        split: its split.
        features: the backbones.
        examined: alignment, duplicates, label errors and the rest.
        skipped: images that cannot be decoded: ``image`` and ``reason``.
    """

    dataset: Dataset
    split: Split
    features: tuple[str, ...]
    examined: Examination
    skipped: list[dict[str, str]]

    @property
    def verdict(self) -> str | None:
        """Whether the labels describe the images; None where it cannot be tested."""
        found = self.examined.alignment
        return None if found is None else found.verdict

    @property
    def label_errors(self) -> pd.DataFrame:
        """The likeliest errors: ``image``, ``label``, ``kind``, ``probability`` and ``score``."""
        import pandas as pd

        ids = self.dataset.ids
        rows = [vars(each) | {"image": ids[each.row]} for each in self.examined.suspects]
        return pd.DataFrame(rows, columns=["image", "label", "kind", "probability", "score"])

    @property
    def duplicates(self) -> pd.DataFrame:
        """Pairs of one picture: ``first``, ``second``, ``kind``, ``bits`` and ``cosine``."""
        import pandas as pd

        found, ids = self.examined.duplicates, self.dataset.ids
        rows = [
            vars(pair) | {"first": ids[pair.first], "second": ids[pair.second]}
            for pair in ([] if found is None else found.pairs)
        ]
        return pd.DataFrame(rows, columns=["first", "second", "kind", "bits", "cosine"])

    @property
    def about(self) -> dict[str, Any]:
        """How it was done, for people."""
        found = self.examined.alignment
        about: dict[str, Any] = {"features": " + ".join(self.features), "split": self.split.name}
        if found is not None:
            about["permutations"] = f"{found.permutations:,}"
        return about | {"seconds": f"{sum(self.examined.seconds.values()):.1f}"}

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit audit --json``."""
        return {
            "dataset": self.dataset.name,
            "images": len(self.dataset),
            "features": list(self.features),
            "split": self.split.name,
            "verdict": self.verdict,
            "worst": self.worst,
            **self.examined.facts(),
        }

    def page(self, budget: int = BUDGET) -> str:
        """Return the page: findings, tables and contact sheets."""
        return audit_page(self.examined, self.dataset, self.split, self.about, budget)


@overload
def audit(*, paper: Literal[True], html: str | os.PathLike[str] | None = ...) -> PaperAudit: ...


@overload
def audit(
    data: Dataset | str | None = ...,
    features: str | Iterable[str] = ...,
    *,
    paper: Literal[False] = ...,
    html: str | os.PathLike[str] | None = ...,
    group_duplicates: bool = ...,
    skip_files: bool = ...,
    permutations: int = ...,
    top: int = ...,
    weights: str = ...,
    views: str | Iterable[str] = ...,
    pooling: str = ...,
    size: int | None = ...,
    layer: str = ...,
    crop: str | Iterable[str] = ...,
    split: str = ...,
    device: str = ...,
    precision: str = ...,
    seed: int = ...,
    artifacts: str | os.PathLike[str] | None = ...,
    progress: Any = ...,
) -> Audit: ...


@checked
def audit(
    data: Dataset | str | None = None,
    features: str | Iterable[str] = "efficientnet_lite0",
    *,
    paper: bool = False,
    html: str | os.PathLike[str] | None = None,
    group_duplicates: bool = False,
    skip_files: bool = False,
    permutations: int = PERMUTATIONS,
    top: int = 50,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str | Iterable[str] = "center",
    split: str = "paper",
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Audit | PaperAudit:
    """Say whether labels describe their images; find duplicates, label errors and bad files.

    A label that is unknown for some images is examined on the others, and its share unknown shown.

    Args:
        data: a data set, or the name of one.
        features: backbones, whose features are joined.
        paper: examine the paper's printed rows in place of data.
        html: a file for the page with pictures.
        group_duplicates: keep a split named ``grouped`` that tears no duplicates apart, nor do its
            folds.
        skip_files: decode no files: no near duplicates, no damaged files are found.
        permutations: of the alignment test, 99 or more; 1,999 give p-values down to 0.0005.
        top: how many of the likeliest label errors to list.

    The others are those of :func:`~toolkit.members.frozen.ovr`.

    Raises:
        UsageError: an option is not among its choices, a number is too small, or ``html`` is a
            folder.
        DataError: images changed since they were imported, or are too few.
    """
    if html is not None and Path(html).is_dir():
        raise UsageError(f"html: expected a file, found the folder {html}: name a file in it")
    if paper:
        rows = published_rows()
        found: Audit | PaperAudit = PaperAudit(ranked(published_findings(rows)), rows)
    else:
        if group_duplicates and skip_files:
            raise UsageError("group_duplicates decodes the files: leave skip_files out")
        check_whole("permutations", permutations, 99)
        check_whole("top", top, 1)
        chosen = {"device": device, "precision": precision, "seed": seed, "weights": weights}
        chosen |= {"pooling": pooling, "size": size, "layer": layer}
        spec = FeatureSpec.parse(features, views=views, crop=crop, **chosen)
        progress, folder = choose_progress(progress), artifacts_folder(artifacts)
        dataset = open_dataset(data, folder, progress)
        part = get_split(dataset, split, folder)
        matrix, skipped = features_of(dataset, spec, folder, progress)
        X = np.full((len(dataset), matrix.X.shape[1]), np.nan, np.float32)
        X[matrix.rows] = matrix.X
        hashes = None
        if not skip_files:
            with progress.task("decoding", len(dataset)) as task:
                hashes = hash_images(dataset.paths, task.advance)
        where = choose_device(device)
        ends = stage_ends(len(dataset.labels))
        with progress.task("auditing", max(ends.values())) as task:
            examined = examine(
                dataset,
                X,
                part,
                folds=get_folds(dataset, part, folder),
                hashes=hashes,
                prevalence=_published_shares(dataset),
                trained=weights != "none",
                permutations=permutations,
                top=top,
                # as many pictures of each label as a page of bounded size has room for
                each=max(2, min(12, 400 // len(dataset.labels))),
                seed=seed,
                device=where if device_kind(where) == "cuda" else "cpu",
                on_stage=lambda stage: task.advance(ends[stage] - task.done),
            )
        found = Audit(examined.findings, dataset, part, spec.backbones, examined, skipped)
        if group_duplicates and examined.duplicates is not None:
            keep_grouped_split(dataset, examined.duplicates.groups, folder)
            progress.say("kept the split 'grouped'")
    if html is not None:
        found.to_html(html)
    return found


def _published_shares(dataset: Dataset) -> dict[str, float] | None:
    """Return shares of positives in the paper's corpus, for data with just its labels."""
    if set(dataset.labels) != set(POSITIVES):
        return None
    return {label: count / IMAGES for label, count in POSITIVES.items()}
