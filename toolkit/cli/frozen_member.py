"""Members on frozen features: embed what is missing, fit fold by fold, save, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.cli.embed import fill, finish, make_key
from toolkit.cli.making import making
from toolkit.cli.options import Run

if TYPE_CHECKING:
    import numpy as np

    from toolkit.data.dataset import Dataset
    from toolkit.features.matrix import FeatureMatrix
    from toolkit.heads.head import OneVsRestHead
    from toolkit.members.member import Member

    Material = Callable[[FeatureMatrix], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class FrozenOptions:
    """What commands that fit heads on frozen features take in common."""

    features: str
    weights: str
    views: str
    pooling: str
    crop: str
    split: str
    folds: int
    device: str
    precision: str
    seed: int
    overwrite: bool

    @property
    def backbones(self) -> list[str]:
        """The names in ``--features``."""
        from toolkit.errors import UsageError

        named = [backbone.strip() for backbone in self.features.split(",") if backbone.strip()]
        if not named:
            raise UsageError("--features names no backbone")
        return named

    @property
    def crops(self) -> list[str]:
        """The crops in ``--crop``, each once, in the order of ``CROPS``."""
        from toolkit.errors import UsageError
        from toolkit.images.preprocess import CROPS

        named = {crop.strip() for crop in self.crop.split(",")}
        if not named <= set(CROPS):
            choices = f"{', '.join(CROPS)} or {','.join(CROPS)}"
            raise UsageError(f"--crop is {choices}, not {self.crop!r}")
        return [crop for crop in CROPS if crop in named]

    def member_name(self, head: str) -> str:
        """Return a member's name made from the options."""
        name = f"{head}-{'+'.join(each.replace('/', '-') for each in self.backbones)}"
        name += "" if self.crops == ["center"] else f"-{'+'.join(self.crops)}"
        name += "-hflip" if "hflip" in self.views else ""
        return name if self.split == "paper" else f"{name}-{self.split}"

    def keys(self, run: Run) -> list[Any]:
        """Return, for each backbone and crop, the key of its store and what loads its network."""
        return [
            make_key(
                *(run, each, self.weights, self.views, self.pooling, crop),
                *(self.device, self.precision),
                seed=self.seed,
            )
            for each in self.backbones
            for crop in self.crops
        ]


def make_frozen_member(
    run: Run,
    dataset: Dataset,
    name: str,
    head: str,
    estimator: OneVsRestHead,
    asked: FrozenOptions,
    *,
    kind: str = "head",
    more: Mapping[str, Any] | None = None,
    material: Material | None = None,
) -> None:
    """Fit a head for all labels on frozen features, scored out of fold, and save the member.

    Args:
        run: the invocation.
        dataset: images and labels.
        name: the member's name.
        head: the head's name, for tables.
        estimator: unfitted.
        asked: the options.
        kind: the member's kind.
        more: further facts that enter the recipe.
        material: gives what the head's auxiliary tasks learn from, by image of the matrix.
    """
    import importlib.metadata

    import numpy as np

    from toolkit.data.split_store import get_folds, get_split
    from toolkit.features.matrix import gather
    from toolkit.members.cross_fit import Checkpoints, cross_fit
    from toolkit.members.member import provenance, save_member
    from toolkit.members.predictions import Predictions
    from toolkit.runtime.device import choose_device
    from toolkit.storage.files import digest_of

    made = asked.keys(run)
    results = [fill(run, dataset, each, device=asked.device) for each in made]
    part = get_split(dataset, asked.split, run.artifacts)
    fold = get_folds(dataset, part, run.artifacts, asked.folds, seed=0)
    keys = [key for key, _ in made]
    recipe = {
        "command": "ovr" if kind == "head" else kind,
        "head": head,
        "features": asked.backbones,
        "weights": asked.weights,
        "views": asked.views,
        "pooling": asked.pooling,
        "crop": ",".join(asked.crops),
        "precision": keys[0].precision,
        "split": asked.split,
        "folds": asked.folds,
        "seed": asked.seed,
        **(more or {}),
        "options": estimator.get_params(),
    }
    facts = {k: v for k, v in recipe.items() if k != "options"} | {
        "options": repr(sorted(recipe["options"].items()))
    }
    version = importlib.metadata.version("toolkit")
    inputs = digest_of(dataset.digest, fold.digest, [k.hex for k in keys], facts, version)
    checkpoints = Checkpoints(run.artifacts / "members" / f".partial-{name}", inputs)
    with making(run, name, inputs, asked.overwrite, checkpoints.folder, checkpoints.clear) as there:
        if there is not None:
            report_member(run, there, dataset)
            return
        started = time.perf_counter()
        matrix = gather(dataset.digests, keys, run.artifacts)
        Y = dataset.Y.copy()
        Y[part.test] = 0  # fitting has no business with the test labels
        with run.progress(f"fitting {name}") as (_, advance):
            fitted = cross_fit(
                estimator,
                matrix.X,
                Y[matrix.rows],
                fold.fold[matrix.rows],
                aux=None if material is None else material(matrix),
                checkpoints=checkpoints,
                on_progress=advance,
            )
        predictions = Predictions(
            ids=tuple(dataset.ids[row] for row in matrix.rows),
            labels=dataset.labels,
            scores=fitted.scores,
            origin=fitted.origin,
            fold=fold.fold[matrix.rows].astype(np.int16),
            folds_digest=fold.digest,
            dataset_digest=dataset.digest,
            recipe=facts,
        )
        saved = save_member(
            run.artifacts,
            name,
            kind=kind,
            source=f"{head} on {matrix.title}",
            inputs=inputs,
            predictions=predictions,
            recipe=recipe,
            provenance=provenance(
                time.perf_counter() - started,
                seed=asked.seed,
                device=choose_device(asked.device),
                dataset=dataset.name,
                dataset_digest=dataset.digest,
                folds_digest=fold.digest,
                stores=[key.hex for key in keys],
            ),
            states={f"fold-{f}": model.state() for f, model in enumerate(fitted.models)},
            notes={"head": head, "keys": [key.facts() for key in keys]},
        )
    report_member(run, saved, dataset)
    for result in results:
        finish(run, result)


def report_member(run: Run, member: Member, dataset: Dataset) -> None:
    """Show the out-of-fold scores on the development set; the test set is for compare."""
    from rich.table import Table
    from rich.text import Text

    from toolkit.members.predictions import OUT_OF_FOLD
    from toolkit.statistics.metrics import score

    predictions = member.predictions
    rows = predictions.origin == OUT_OF_FOLD
    place = {image: row for row, image in enumerate(dataset.ids)}
    truth = dataset.Y[
        [place[image] for image, own in zip(predictions.ids, rows, strict=True) if own]
    ]
    found = score(truth, predictions.scores[rows], labels=dataset.labels)
    seconds = member.provenance()["seconds"]
    if run.json:
        run.emit(
            {
                "name": member.name,
                "path": str(member.folder),
                "source": member.source,
                "origin": "out-of-fold",
                "images": int(rows.sum()),
                "metrics": found.metrics,
                "per_label": found.per_label,
                "seconds": seconds,
            }
        )
        return
    table = Table(
        title=f"{member.name}: out of fold on {rows.sum():,} development images",
        title_justify="left",
    )
    table.add_column("label")
    for column in ("positives", "AP", "AUROC", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for label, each in found.per_label.items():
        cells = [each[key] for key in ("ap", "auroc", "precision", "recall", "f1")]
        table.add_row(
            Text(label),
            f"{each['support']:,}",
            *("–" if cell is None else f"{cell:.3f}" for cell in cells),
        )
    metrics = "  ".join(
        f"{key} {'–' if value is None else format(value, '.4f')}"
        for key, value in found.metrics.items()
    )
    run.show(table, Text(metrics), Text(f"{member.folder} ({seconds:.1f} s)"))
