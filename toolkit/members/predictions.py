"""Predictions: scores by image id, each row with its origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import ArtifactError, MemberError, listed
from toolkit.statistics.origins import HELD_OUT as HELD_OUT
from toolkit.statistics.origins import IN_SAMPLE as IN_SAMPLE
from toolkit.statistics.origins import ORIGINS as ORIGINS
from toolkit.statistics.origins import OUT_OF_FOLD as OUT_OF_FOLD
from toolkit.storage.files import digest_of_bytes
from toolkit.storage.tables import read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
_SCORE = "score."


@dataclass(frozen=True, eq=False)
class Predictions:
    """A member's scores.

    Attributes:
        ids: image ids.
        labels: label names, sorted.
        scores: ``float32 (n, L)``, in [0, 1].
        origin: ``int8 (n,)``: OUT_OF_FOLD, HELD_OUT or IN_SAMPLE.
        fold: ``int16 (n,)``: the fold that left the row out, -1 where the origin is another.
        folds_digest: of the folds that the member was made on; empty without folds.
        dataset_digest: of the data set that the ids belong to.
        recipe: what made them.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    origin: np.ndarray
    fold: np.ndarray
    folds_digest: str
    dataset_digest: str
    recipe: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n = len(self.ids)
        if self.scores.shape != (n, len(self.labels)):
            raise MemberError(
                f"predictions have shape {self.scores.shape}, not ({n}, {len(self.labels)})"
            )
        if len(set(self.ids)) != n:
            raise MemberError("predictions name an image twice")
        # written so that NaN fails too
        if not (n == 0 or (self.scores.min() >= 0 and self.scores.max() <= 1)):
            raise MemberError("predictions hold scores outside [0, 1]")
        if not np.array_equal(self.origin == OUT_OF_FOLD, self.fold >= 0):
            raise MemberError("predictions that are out of fold, and only those, name a fold")

    @cached_property
    def row(self) -> dict[str, int]:
        """Row of each image id."""
        return {image: i for i, image in enumerate(self.ids)}

    @cached_property
    def digest(self) -> str:
        """Digest over ids, labels, scores and origins."""
        arrays = [self.scores.astype("<f4"), self.origin.astype("<i1"), self.fold.astype("<i2")]
        buffers = [np.ascontiguousarray(array).data for array in arrays]
        return digest_of_bytes([self.ids, self.labels], buffers)

    def for_ids(self, ids: tuple[str, ...] | list[str]) -> np.ndarray:
        """Return the scores of the given images, joined by id.

        Raises:
            MemberError: some have none; the first few are listed.
        """
        missing = [image for image in ids if image not in self.row]
        if missing:
            raise MemberError(f"there are no scores for {len(missing)} images ({listed(missing)})")
        chosen: np.ndarray = self.scores[[self.row[image] for image in ids]]
        return chosen

    def to_frame(self) -> pd.DataFrame:
        """Return ``image``, ``origin``, ``fold`` and one column per label, one row per image."""
        import pandas as pd

        columns = dict(zip(self.labels, self.scores.T, strict=True))
        origin = [ORIGINS[code] for code in self.origin]
        return pd.DataFrame({"image": self.ids, "origin": origin, "fold": self.fold} | columns)


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write as Parquet: image, origin, fold, then one column ``score.<label>`` a label."""
    columns: dict[str, Any] = {
        "image": predictions.ids,
        "origin": [ORIGINS[code] for code in predictions.origin],
        "fold": predictions.fold.astype(np.int16),
    }
    columns |= {
        f"{_SCORE}{label}": np.ascontiguousarray(predictions.scores[:, j], np.float32)
        for j, label in enumerate(predictions.labels)
    }
    meta = {
        "format": FORMAT,
        "labels": list(predictions.labels),
        "folds_digest": predictions.folds_digest,
        "dataset_digest": predictions.dataset_digest,
        "recipe": predictions.recipe,
    }
    write_table(path, columns, meta)


def load_predictions(path: Path, member: str) -> Predictions:
    """Read what :func:`save_predictions` wrote.

    Raises:
        ArtifactError: the file is missing, damaged or of another format.
    """
    columns, meta = read_table(path, f"the predictions of {member}")
    if meta.get("format") != FORMAT:
        raise ArtifactError(f"the predictions of {member} are in another format: make them again")
    labels = tuple(meta["labels"])
    scores = np.stack([columns[f"{_SCORE}{label}"] for label in labels], axis=1)
    return Predictions(
        ids=columns["image"],
        labels=labels,
        scores=scores.astype(np.float32, copy=False),
        origin=np.array([ORIGINS.index(origin) for origin in columns["origin"]], np.int8),
        fold=columns["fold"],
        folds_digest=meta["folds_digest"],
        dataset_digest=meta["dataset_digest"],
        recipe=meta["recipe"],
    )
