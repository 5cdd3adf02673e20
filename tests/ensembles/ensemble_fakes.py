"""Small worlds: a data set, its split and folds, and members with scores of a given worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import save_dataset
from toolkit.data.split import Folds, Split, make_folds, paper_split
from toolkit.data.split_store import get_folds, get_split
from toolkit.ensembles.join import Joined, join
from toolkit.members.development import development_facts
from toolkit.members.member import Member, provenance, save_member
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions


@dataclass(frozen=True, eq=False)
class World:
    dataset: Dataset
    split: Split
    folds: Folds

    @property
    def truth(self) -> np.ndarray:
        return self.dataset.Y

    def member(self, name: str, scores: np.ndarray, seed: int = 0) -> Member:
        """A member whose rows lie in an order of their own."""
        order = np.random.default_rng(seed).permutation(len(self.dataset))
        fold = self.folds.fold[order].astype(np.int16)
        predictions = Predictions(
            ids=tuple(self.dataset.ids[row] for row in order),
            labels=self.dataset.labels,
            scores=scores[order].astype(np.float32),
            origin=np.where(fold >= 0, OUT_OF_FOLD, HELD_OUT).astype(np.int8),
            fold=fold,
            folds_digest=self.folds.digest,
            dataset_digest=self.dataset.digest,
        )
        return Member(name, Path("/nowhere"), "head", "made up", name, predictions)

    def held_out_member(self, name: str, scores: np.ndarray) -> Member:
        """A member without folds, scored on validation and test images only."""
        rows = np.sort(np.r_[self.split.validation, self.split.test])
        predictions = Predictions(
            ids=tuple(self.dataset.ids[row] for row in rows),
            labels=self.dataset.labels,
            scores=scores[rows].astype(np.float32),
            origin=np.full(len(rows), HELD_OUT, np.int8),
            fold=np.full(len(rows), -1, np.int16),
            folds_digest="",
            dataset_digest=self.dataset.digest,
        )
        return Member(name, Path("/nowhere"), "finetuned", "made up", name, predictions)

    def scores(self, worth: float, seed: int) -> np.ndarray:
        """Probabilities that tell labels the better, the more they are worth."""
        noise = np.random.default_rng(seed).normal(size=self.truth.shape)
        z = worth * (self.truth - 0.5) + noise - 1.0
        return 1 / (1 + np.exp(-z))

    def joined(self, *worths: float) -> Joined:
        members = [
            self.member(f"m{number}", self.scores(worth, number + 1), number)
            for number, worth in enumerate(worths)
        ]
        return join(members, self.dataset, self.split, self.folds)


def world(n: int = 240, rates: tuple[float, ...] = (0.4, 0.2, 0.1), seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, len(rates))) < rates).astype(np.uint8)
    dataset = Dataset(
        name="d",
        root=Path("/nowhere"),
        ids=tuple(f"im{i}" for i in range(1, n + 1)),
        files=tuple(f"im{i}.jpg" for i in range(1, n + 1)),
        labels=tuple("abcdefgh"[: len(rates)]),
        Y=Y,
        digests=rng.integers(0, 256, (n, 16)).astype(np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 8, np.int32),
        modes=("RGB",) * n,
    )
    split = paper_split(dataset.ids)
    return World(dataset, split, make_folds(split, Y, 4))


def changed(member: Member, **changes: object) -> Member:
    """The member with other predictions."""
    return replace(member, scored=replace(member.scored, **changes))  # type: ignore[arg-type]


def kept_members(artifacts: Path, worths: dict[str, float], folds: int = 3) -> World:
    """A small world kept under artifacts: the data set, and members without models."""
    made = world(120)
    save_dataset(made.dataset, artifacts)
    split = get_split(made.dataset, "paper", artifacts)
    kept = World(made.dataset, split, get_folds(made.dataset, split, artifacts, folds))
    for at, (name, worth) in enumerate(worths.items()):
        scored = kept.member(name, made.scores(worth, at), at).scored
        save_member(
            artifacts, name, kind="head", source="made up", inputs="i", predictions=scored,
            recipe={"features": [], "split": "paper"},
            provenance=provenance(0.0, dataset=made.dataset.name), states={},
            notes={"head": "linear", "keys": []},
            development=development_facts(made.dataset, split, scored),
        )  # fmt: skip
    return kept
