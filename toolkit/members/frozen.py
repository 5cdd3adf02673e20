"""Members on frozen features: embed what is missing, fit fold by fold, save."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Folds
from toolkit.distribute.machines import connected
from toolkit.distribute.place import check_place
from toolkit.errors import listed
from toolkit.features.backbones import own_weights
from toolkit.features.matrix import FeatureMatrix
from toolkit.features.spec import FeatureSpec, features_of
from toolkit.heads.head import OneVsRestHead
from toolkit.heads.partial_labels import check_unknown
from toolkit.heads.registry import head_options, make_head
from toolkit.members.basis import Basis
from toolkit.members.cross_fit import Checkpoints, cross_fit
from toolkit.members.member import Member
from toolkit.members.reuse import default_name, reuse_or_make
from toolkit.runtime.arguments import checked
from toolkit.runtime.device import choose_device
from toolkit.storage.files import safe_name

Settings = Mapping[str, Any] | Iterable[str] | None
Material = Callable[[FeatureMatrix], Mapping[str, np.ndarray]]


@checked
def ovr(
    data: Dataset | str | None = None,
    head: str = "linear",
    *,
    features: str | Iterable[str] = "efficientnet_lite0",
    class_weight: str | None = "none",
    loss: str | None = None,
    seeds: int | None = None,
    unknown: str = "ignore",
    set: Settings = None,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str | Iterable[str] = "center",
    split: str = "paper",
    folds: int = 5,
    name: str | None = None,
    overwrite: bool = False,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    on: str = "here",
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Member:
    """Fit one-vs-rest heads for all labels on frozen features, scored out of fold.

    A member that was made from the same inputs is returned as it is.

    Args:
        data: a data set, or the name of one; see :func:`~toolkit.data.open.open_dataset`.
        head: ``linear``, ``mlp`` or ``lightgbm``.
        features: backbones, set side by side; one with ``@`` and a file has these weights.
        class_weight: ``none``, ``balanced`` or ``pos_weight``.
        loss: of ``mlp``: ``focal``, ``asl`` or ``bce``.
        seeds: of ``mlp``: initialisations to average.
        unknown: what training makes of labels that are unknown for an image: ``ignore``,
            ``negative`` (they are no) or ``selective`` (no where they are hardly yes, see
            :func:`~toolkit.heads.partial_labels.selective_weights`); no metric counts them.
        set: further parameters of the head, by name or as ``key=value`` texts.
        weights: ``default``, ``none`` (a random start) or a weights file.
        views: ``original``, or ``original`` and ``hflip`` to average both.
        pooling: ``default``; ``avg``, ``max``, ``avgmax`` (both side by side) or ``gem`` of feature
            maps; ``cls``, ``mean`` or ``cls+mean`` of tokens; see :mod:`~toolkit.features.layers`.
        size: side of the input in pixels; None for the backbone's own.
        layer: ``last``, ``last4`` (of a transformer's blocks), or names of layers joined by ``+``.
        crop: ``center`` (the backbone's own transform), ``full``, or both side by side.
        split: ``paper``, ``stratified``, ``grouped`` or ``file``.
        folds: over the development images.
        name: of the member; by default made from the options, with the data set's name where a
            member of another data set has that name.
        overwrite: replace a member of that name.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: of the features: ``auto``, ``fp16``, ``bf16`` or ``fp32``; auto is fp16 on a GPU,
            elsewhere bf16 where it is native.
        seed: of all that is random.
        on: where the work runs: ``here``, ``ray``, or ``ray://host:port`` for a cluster that is up.
        artifacts: where everything is kept.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Raises:
        UsageError: an option or a name is not among its choices, or a member of that name was made
            from other inputs.
        DataError: images changed since they were imported, or are too few.
        ClusterError: the cluster cannot be had, or lost work too often.
    """
    check_place(on)
    how = {"weights": weights, "device": device, "precision": precision, "seed": seed}
    how |= {"pooling": pooling, "size": size, "layer": layer, "on": on}
    spec = FeatureSpec.parse(features, views=views, crop=crop, **how)
    random = any(own_weights(each)[1] is None for each in spec.backbones)
    check_unknown(unknown, weights if random else "default")
    work = FrozenWork(Basis.open(data, split, folds, artifacts, progress), spec)
    options: dict[str, Any] = {"class_weight": None if class_weight == "none" else class_weight}
    options |= {"loss": loss} if loss is not None else {}
    options |= {"seeds": seeds} if seeds is not None else {}
    options |= {"random_state": spec.seed}
    if head != "lightgbm":
        options |= {"device": choose_device(device)}
    estimator = make_head(head, **(options | head_options(set)))
    with connected(on):
        return work.member(head, estimator, name=name, overwrite=overwrite, unknown=unknown)


@dataclass(frozen=True)
class FrozenWork:
    """What is common to all heads on frozen features: the basis, and the features."""

    basis: Basis
    spec: FeatureSpec

    @property
    def folds(self) -> Folds:
        """The folds, which heads on frozen features always have."""
        assert self.basis.folds is not None
        return self.basis.folds

    def matrix(self) -> tuple[FeatureMatrix, list[dict[str, str]]]:
        """Return the features, what is missing embedded, and images that were skipped."""
        basis = self.basis
        return features_of(basis.dataset, self.spec, basis.artifacts, basis.progress)

    def training(self, matrix: FeatureMatrix) -> tuple[np.ndarray, np.ndarray]:
        """Return ``Y (m, L)``, the test labels blanked, and ``fold (m,)`` of a matrix's rows."""
        Y = self.basis.dataset.Y.copy()
        Y[self.basis.split.test] = 0  # fitting has no business with the test labels
        return Y[matrix.rows], self.folds.fold[matrix.rows]

    def name(self, head: str, unknown: str = "ignore") -> str:
        """Return the name of a member that was given none."""
        split = self.basis.split.name
        name = f"{head}-{self.spec.name}" + ("" if split == "paper" else f"-{split}")
        name += "" if unknown == "ignore" else f"-{unknown}"
        return default_name(self.basis.artifacts, name, self.basis.dataset.name)

    def member(
        self,
        head: str,
        estimator: OneVsRestHead,
        *,
        name: str | None,
        overwrite: bool,
        kind: str = "head",
        more: Mapping[str, Any] | None = None,
        material: Material | None = None,
        unknown: str = "ignore",
    ) -> Member:
        """Fit a head for all labels, scored out of fold, and save the member.

        Args:
            head: the head's name, for tables.
            estimator: unfitted.
            name: of the member; None for one made from the options.
            overwrite: replace a member of that name.
            kind: the member's kind.
            more: further facts that enter the recipe.
            material: gives what the head's auxiliary tasks learn from, by image of the matrix.
            unknown: see :func:`ovr`.
        """
        basis = self.basis
        name = self.name(head, unknown) if name is None else safe_name(name, "member name")
        keys = [key for key, _ in self.spec.keys(basis.artifacts)]
        recipe = {
            "command": "ovr" if kind == "head" else kind,
            "head": head,
            **self.spec.recipe(),
            "precision": keys[0].precision,
            "split": basis.split.name,
            "folds": self.folds.k,
            **(more or {}),
            **({} if unknown == "ignore" else {"unknown": unknown}),
            "options": estimator.get_params(),
        }
        facts = {key: value for key, value in recipe.items() if key != "options"}
        facts |= {"options": repr(sorted(recipe["options"].items()))}
        inputs = basis.digest([key.hex for key in keys], facts)
        checkpoints = Checkpoints(basis.artifacts / "members" / f".partial-{name}", inputs)
        with reuse_or_make(
            basis.artifacts,
            name,
            inputs,
            overwrite=overwrite,
            folder=checkpoints.folder,
            clear=checkpoints.clear,
            say=basis.progress.say,
        ) as there:
            if there is not None:
                return there
            matrix, skipped = self.matrix()
            started = time.perf_counter()
            Y, fold = self.training(matrix)
            with basis.progress.task(f"fitting {name}") as task:
                fitted = cross_fit(
                    estimator,
                    matrix.X,
                    Y,
                    fold,
                    aux=None if material is None else material(matrix),
                    labels=basis.dataset.labels,
                    unknown=unknown,
                    checkpoints=checkpoints,
                    on_progress=task.advance,
                    on_start=task.start,
                    say=basis.progress.say,
                    on=self.spec.on,
                )
            few = _without_trees(fitted.models)
            if few:
                named = listed(basis.dataset.labels[at] for at in few)
                basis.progress.say(f"too few positives for trees, in some folds at least: {named}")
            return basis.save(
                name,
                rows=matrix.rows,
                scores=fitted.scores,
                origin=fitted.origin,
                fold=fold,
                recipe=recipe,
                facts=facts,
                started=started,
                made={
                    "seed": self.spec.seed,
                    "device": choose_device(self.spec.device),
                    "stores": [key.hex for key in keys],
                },
                kind=kind,
                source=f"{head} on {matrix.title}",
                inputs=inputs,
                states={f"fold-{f}": model.state() for f, model in enumerate(fitted.models)},
                notes={
                    "head": head,
                    "keys": [key.facts() for key in keys],
                    "skipped": skipped,
                },
            )


def _without_trees(models: Sequence[Any]) -> list[int]:
    """Return the labels that a head of trees gave none in some fold."""
    told = (each.without_trees() for each in models if hasattr(each, "without_trees"))
    return sorted({at for found in told for at in found})
