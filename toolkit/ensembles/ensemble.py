"""The verb ensemble: members combined into one that is kept, and what it is worth."""

from __future__ import annotations

import importlib.metadata
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Folds
from toolkit.data.split_store import get_folds, get_split
from toolkit.ensembles.calibration import METHODS as CALIBRATIONS
from toolkit.ensembles.fit import METHODS, Ensemble, fit_ensemble
from toolkit.ensembles.gains import Gains, decide_nested, measure_gains
from toolkit.ensembles.join import Joined, join, require_same_folds
from toolkit.ensembles.thresholds import parse_objective
from toolkit.errors import MemberError, UsageError, check_choice, check_whole, counted, listed
from toolkit.members.find import Wanted, find_members, home_of
from toolkit.members.member import KINDS, Member, provenance, save_member
from toolkit.members.reuse import default_name, reuse_or_make
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import Progress, choose_progress
from toolkit.statistics.metrics import decision_counts, rates_from_counts, score
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import digest_of, safe_name

RESAMPLES = 1000


@checked
def ensemble(
    members: Wanted = "all",
    data: Dataset | str | None = None,
    *,
    method: str = "auto",
    cross_label: bool = False,
    cardinality: bool = False,
    any_sign: bool = False,
    per_label: bool = False,
    calibration: str = "auto",
    thresholds: str = "f1",
    against: str | None = None,
    resamples: int = RESAMPLES,
    split: str = "paper",
    folds: int = 5,
    name: str | None = None,
    overwrite: bool = False,
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Member:
    """Combine members into one, scored out of fold, and measure whether that helps.

    An ensemble that was made from the same inputs is returned as it is. What it gains is in
    :func:`ensemble_facts`. Unknown labels have no weight in what is fitted and no place in what is
    measured; a label of which no yes is known is one without positives.

    Args:
        members: names and patterns, as ``"a,mlp-*"`` or as a list, or members in hand; ``all`` is
            every member that is no ensemble. A pattern passes over members that were made on
            another data set, split or folds.
        data: a data set, or the name of one; by default that of the members in hand, else see
            :func:`~toolkit.data.open.open_dataset`.
        method: ``mean`` of logits, ``rank`` (mean of ranks), ``greedy`` selection, ``stack``
            (logistic regression), or ``auto``: the best of these out of fold.
        cross_label: for ``stack``: let a label see the other labels.
        cardinality: for ``stack``: let a label see how many others are expected.
        any_sign: for ``stack``: let members count against a label.
        per_label: for ``greedy``: select for each label alone.
        calibration: per label ``none``, ``temperature``, ``platt``, ``beta`` or ``isotonic``;
            ``auto`` chooses by nested log loss.
        thresholds: what they are tuned for: ``f1``, ``f2``, ``f0.5``, ``precision=0.9`` or
            ``recall=0.8``.
        against: the member that the ensemble is compared with; by default the best of its members,
            whichever that is.
        resamples: of the images, for intervals; from 1, as no gain is said without one.
        split: ``paper``, ``stratified``, ``grouped`` or ``file``.
        folds: over the development images.
        name: of the ensemble; by default made from the options.
        overwrite: replace a member of that name.
        seed: of all that is random.
        artifacts: where everything is kept; by default where the members in hand lie.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Raises:
        UsageError: an option is not among its choices, there is no member of a name, fewer than
            two are left, or a member of the ensemble's name was made from other inputs.
        MemberError: a member that was named cannot be combined with the others.
    """
    check_choice("method", method, METHODS)
    check_choice("calibration", calibration, ("auto", *CALIBRATIONS))
    parse_objective(thresholds)
    resamples, seed = check_whole("resamples", resamples, 1), check_whole("seed", seed)
    members = members if isinstance(members, str | Member) else list(members)
    progress, home = choose_progress(progress), home_of(members)
    folder = artifacts_folder(artifacts if artifacts is not None else home)
    if home is not None and folder.resolve() != home.resolve():
        raise UsageError(f"artifacts: expected {home}, where the members lie, found {folder}")
    if data is None and home is not None:
        data = _data_of(members)
    dataset = open_dataset(data, folder, progress)
    part = get_split(dataset, split, folder)
    fold = get_folds(dataset, part, folder, folds, seed=0)
    options = {
        "cross_label": cross_label,
        "cardinality": cardinality,
        "any_sign": any_sign,
        "per_label": per_label,
    }
    marks = [key.replace("_", "-") for key, chosen in options.items() if chosen]
    marks += [] if split == "paper" else [split]
    if name is None:
        own = default_name(folder, "-".join(["ensemble", method, *marks]), dataset.name)
    else:
        own = safe_name(name, "member name")
    chosen = _chosen(members, own, folder, dataset, fold, progress)
    if against is not None:
        check_choice("against", against, [member.name for member in chosen])
    digests = {member.name: member.scored.digest for member in chosen}
    recipe: dict[str, Any] = {
        "command": "ensemble",
        "members": list(digests),
        "method": method,
        **options,
        "calibration": calibration,
        "thresholds": thresholds,
        **({} if against is None else {"against": against}),
        **({} if resamples == RESAMPLES else {"resamples": resamples}),
        "split": split,
        "folds": folds,
        "seed": seed,
    }
    version = importlib.metadata.version("toolkit")
    inputs = digest_of(dataset.digest, fold.digest, digests, recipe, version)
    with reuse_or_make(
        folder,
        own,
        inputs,
        overwrite=overwrite,
        folder=folder / "ensembles" / f".partial-{own}",
        clear=lambda: None,
        say=progress.say,
    ) as there:
        if there is not None:
            return there
        started = time.perf_counter()
        with progress.task(f"combining {counted(len(chosen), 'member')}", 2) as task:
            joined = join(chosen, dataset, part, fold)
            fitted = fit_ensemble(
                joined, method, **options, calibration=calibration, objective=thresholds, seed=seed
            )
            task.advance()
            gains = measure_gains(
                joined,
                fitted,
                objective=thresholds,
                against=against,
                resamples=resamples,
                seed=seed,
            )
            task.advance()
        return save_member(
            folder,
            own,
            kind="ensemble",
            source=_source(fitted, len(chosen)),
            inputs=inputs,
            predictions=fitted.predictions(joined, recipe),
            recipe=recipe,
            provenance=provenance(
                time.perf_counter() - started,
                seed=seed,
                dataset=dataset.name,
                dataset_digest=dataset.digest,
                folds_digest=fold.digest,
            ),
            states=fitted.states(),
            notes=fitted.facts(joined) | {"digests": digests, "evidence": gains.facts()},
            development=_development(joined, fitted, gains, thresholds),
        )


@checked
def ensemble_facts(member: Member) -> dict[str, Any]:
    """Return the document of ``toolkit ensemble --json``: what was made, and what it gains.

    ``considered`` is the nested mAP within folds of each method tried; ``evidence`` holds the
    fields of :class:`~toolkit.ensembles.gains.Gains`.
    """
    notes, facts = member.notes(), member.facts()
    del facts["per_label"]
    more = ("method", "options", "members", "considered", "thresholds", "evidence")
    return facts | {key: notes[key] for key in more}


def _chosen(
    wanted: Wanted, own: str, artifacts: Path, dataset: Dataset, folds: Folds, progress: Progress
) -> list[Member]:
    reasons: list[str] = []

    def check(member: Member) -> None:
        try:
            require_same_folds(member, dataset, folds)
        except MemberError as error:
            reasons.append(str(error))
            raise

    kinds = [kind for kind in KINDS if kind != "ensemble"]
    chosen, left_out = find_members(artifacts, wanted, kinds=kinds, check=check)
    if len(chosen) < 2 and reasons:
        found = listed(member.name for member in chosen) or "none"
        raise UsageError(f"members: expected two or more, found {found}: {reasons[-1]}")
    if left_out:
        progress.say(f"left out, made on another data set, split or folds: {listed(left_out)}")
    if own in (member.name for member in chosen):
        raise UsageError(f"{own} cannot be a member of itself: choose another name")
    return chosen


def _data_of(members: Wanted) -> str | None:
    listing = [members] if isinstance(members, Member) else members
    named = [each.provenance()["dataset"] for each in listing if isinstance(each, Member)]
    return str(named[0]) if named else None


def _source(fitted: Ensemble, members: int) -> str:
    """Return, for tables, the method and how many members count."""
    weights = fitted.combiner.weights()
    used = members if weights is None else int((weights != 0).any(axis=1).sum())
    found = f"{fitted.combiner.name} of {counted(members, 'member')}"
    return found if used == members else f"{found}, {used} with any weight"


def _development(joined: Joined, fitted: Ensemble, gains: Gains, objective: str) -> dict[str, Any]:
    """Return the development scores that the gains are of; see :func:`measure_gains`."""
    found = score(joined.Y, fitted.raw, labels=joined.labels)
    per_label = found.per_label
    decided = decide_nested(joined, fitted.scores, objective)
    rates = rates_from_counts(*decision_counts(joined.Y, decided))
    for name, column in zip(("precision", "recall", "f1"), rates, strict=True):
        for label, each in zip(joined.labels, column.tolist(), strict=True):
            per_label[label][name] = None if np.isnan(each) else each
    return {
        "origin": "out-of-fold",
        "images": len(joined.ids),
        "labels_scored": found.labels_scored,
        "metrics": {key: each["ensemble"] for key, each in gains.differences.items()}
        | {key: found.metrics[key] for key in ("map", "auroc")},
        "per_label": per_label,
    }
