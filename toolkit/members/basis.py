"""Basis: what a member is made on, and how what was fitted there becomes a member."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Folds, Split
from toolkit.data.split_store import get_folds, get_split
from toolkit.members.development import development_facts
from toolkit.members.member import Member, provenance, save_member
from toolkit.members.predictions import Predictions
from toolkit.runtime.progress import Progress, choose_progress
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import digest_of


@dataclass(frozen=True)
class Basis:
    """Images with their split and folds, and where what is made of them is kept and reported.

    Attributes:
        dataset: images and labels.
        split: the split.
        folds: over the development images; None for what is not scored out of fold.
        artifacts: the artifacts folder.
        progress: where progress is shown.
    """

    dataset: Dataset
    split: Split
    folds: Folds | None
    artifacts: Path
    progress: Progress

    @classmethod
    def open(
        cls,
        data: Dataset | str | None,
        split: str,
        folds: int | None,
        artifacts: str | os.PathLike[str] | None,
        progress: Any,
    ) -> Basis:
        """Find what a verb was given; ``folds`` of None are none.

        Raises:
            UsageError: there is no such data set or split, or one fold.
            DataError: there are too few images to split.
        """
        progress, folder = choose_progress(progress), artifacts_folder(artifacts)
        dataset = open_dataset(data, folder, progress)
        part = get_split(dataset, split, folder)
        fold = get_folds(dataset, part, folder, folds, seed=0) if folds is not None else None
        return cls(dataset, part, fold, folder, progress)

    @property
    def folds_digest(self) -> str:
        """Digest of the folds; empty without."""
        return "" if self.folds is None else self.folds.digest

    def digest(self, *more: Any) -> str:
        """Return a digest of data set, folds, the toolkit's version, and whatever else decides."""
        version = importlib.metadata.version("toolkit")
        return digest_of(self.dataset.digest, self.folds_digest, *more, version)

    def save(
        self,
        name: str,
        *,
        rows: np.ndarray,
        scores: np.ndarray,
        origin: np.ndarray,
        fold: np.ndarray,
        recipe: Mapping[str, Any],
        facts: Mapping[str, Any],
        started: float,
        made: Mapping[str, Any],
        development: Mapping[str, Any] | None = None,
        **member: Any,
    ) -> Member:
        """Save a member; see :func:`~toolkit.members.member.save_member`.

        Args:
            name: of the member.
            rows: ``int (m,)``, of the data set.
            scores: ``float32 (m, L)``.
            origin: ``int8 (m,)``.
            fold: ``int (m,)``.
            recipe: the resolved recipe.
            facts: those of the recipe that are kept with the scores.
            started: by :func:`time.perf_counter`.
            made: facts of provenance, beside those of the basis.
            development: further facts that stand beside the development scores.
            member: ``kind``, ``source``, ``inputs``, ``states`` and ``notes``.
        """
        predictions = Predictions(
            ids=tuple(self.dataset.ids[row] for row in rows),
            labels=self.dataset.labels,
            scores=scores,
            origin=origin,
            fold=fold.astype(np.int16),
            folds_digest=self.folds_digest,
            dataset_digest=self.dataset.digest,
            recipe=dict(facts),
        )
        scored = development_facts(self.dataset, self.split, predictions) | dict(development or {})
        return save_member(
            self.artifacts,
            name,
            predictions=predictions,
            recipe=recipe,
            provenance=provenance(
                time.perf_counter() - started,
                dataset=self.dataset.name,
                dataset_digest=self.dataset.digest,
                folds_digest=self.folds_digest,
                **made,
            ),
            development=scored,
            **member,
        )
