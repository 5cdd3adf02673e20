"""toolkit ensemble: members combined, calibrated and cut, with the evidence for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    FoldsOption,
    JsonOption,
    NameOption,
    OverwriteOption,
    QuietOption,
    Run,
    SeedOption,
    SplitOption,
)

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.data.split import Folds
    from toolkit.members.member import Member


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(ensemble)


def ensemble(
    members: Annotated[
        str,
        typer.Option(
            "--members",
            help="Names or globs, comma-separated; all for every member that is no ensemble.",
        ),
    ] = "all",
    method: Annotated[
        str,
        typer.Option("--method", help="mean, rank, greedy, stack, or auto: the best out of fold."),
    ] = "auto",
    cross_label: Annotated[
        bool, typer.Option("--cross-label", help="For stack: let a label see the other labels.")
    ] = False,
    cardinality: Annotated[
        bool,
        typer.Option("--cardinality", help="For stack: let it see how many others are expected."),
    ] = False,
    any_sign: Annotated[
        bool, typer.Option("--any-sign", help="For stack: let members count against a label.")
    ] = False,
    per_label: Annotated[
        bool, typer.Option("--per-label", help="For greedy: select for each label alone.")
    ] = False,
    calibration: Annotated[
        str,
        typer.Option(
            "--calibration", help="auto, none, temperature, platt, beta or isotonic, per label."
        ),
    ] = "auto",
    thresholds: Annotated[
        str,
        typer.Option("--thresholds", help="Tuned for f1, f2, f0.5, precision=0.9 or recall=0.8."),
    ] = "f1",
    resamples: Annotated[
        int, typer.Option("--resamples", min=1, help="Bootstrap resamples of the images.")
    ] = 1000,
    split: SplitOption = "paper",
    folds: FoldsOption = 5,
    name: NameOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Combine members into one, scored out of fold, and tell whether it helps."""
    import importlib.metadata

    from toolkit.data.split_store import get_folds, get_split
    from toolkit.ensembles.fit import fit_ensemble
    from toolkit.ensembles.gains import measure_gains
    from toolkit.ensembles.join import join
    from toolkit.errors import UsageError
    from toolkit.members.member import list_members, load_member, provenance, save_member
    from toolkit.storage.files import digest_of, safe_name

    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    part = get_split(dataset, split, run.artifacts)
    fold = get_folds(dataset, part, run.artifacts, folds, seed=0)
    options = {
        "cross_label": cross_label,
        "cardinality": cardinality,
        "any_sign": any_sign,
        "per_label": per_label,
    }
    own = safe_name(_name(method, options, split) if name is None else name, "ensemble name")
    chosen = _members(run, members, own, dataset, fold)
    digests = {member.name: member.scored.digest for member in chosen}
    recipe: dict[str, Any] = {
        "command": "ensemble",
        "members": list(digests),
        "method": method,
        **options,
        "calibration": calibration,
        "thresholds": thresholds,
        "split": split,
        "folds": folds,
        "seed": seed,
    }
    version = importlib.metadata.version("toolkit")
    inputs = digest_of(dataset.digest, fold.digest, digests, recipe, version)
    if own in list_members(run.artifacts) and not overwrite:
        there = load_member(run.artifacts, own)
        if there.inputs == inputs:
            run.say(f"ensemble {own} is up to date (--overwrite makes it again)")
            _report(run, there)
            return
        raise UsageError(
            f"a member named {own!r} was made from other members, another recipe or data set: "
            "choose another --name, or replace it with --overwrite"
        )
    started = time.perf_counter()
    joined = join(chosen, dataset, part, fold)
    fitted = fit_ensemble(
        joined,
        method,
        options=options,
        calibration=calibration,
        objective=thresholds,
        seed=seed,
    )
    evidence = measure_gains(joined, fitted, objective=thresholds, resamples=resamples, seed=seed)
    seconds = time.perf_counter() - started
    saved = save_member(
        run.artifacts,
        own,
        kind="ensemble",
        source=f"{fitted.combiner.name} of {len(chosen)} members",
        inputs=inputs,
        predictions=fitted.predictions(joined, recipe),
        recipe=recipe,
        provenance=provenance(
            seconds,
            seed=seed,
            dataset=dataset.name,
            dataset_digest=dataset.digest,
            folds_digest=fold.digest,
        ),
        states=fitted.states(),
        notes=fitted.facts(joined) | {"digests": digests, "evidence": evidence.facts()},
    )
    _report(run, saved)


def _members(run: Run, wanted: str, own: str, dataset: Dataset, fold: Folds) -> list[Member]:
    """Load the members asked for, in natural order; globs pass over what does not belong."""
    from fnmatch import fnmatchcase

    from toolkit.errors import UsageError, listed
    from toolkit.members.member import list_members, load_member

    patterns = [each.strip() for each in wanted.split(",") if each.strip()]
    globs = ["*" if each == "all" else each for each in patterns]
    there = list_members(run.artifacts)
    unknown = [each for each in globs if not set(each) & set("*?[") and each not in there]
    if unknown:
        known = listed(there, 12) if there else "none yet; toolkit ovr makes one"
        raise UsageError(f"no member named {listed(unknown)}; there are: {known}")
    if own in globs:
        raise UsageError(f"{own} cannot be a member of itself: choose another --name")
    chosen, others = [], []
    for name in there:
        if name in globs:
            chosen.append(load_member(run.artifacts, name))
        elif any(fnmatchcase(name, glob) for glob in globs):
            member = load_member(run.artifacts, name)
            if member.kind == "ensemble":
                continue
            predictions = member.scored
            fits = predictions.dataset_digest == dataset.digest
            if fits and predictions.folds_digest in ("", fold.digest):
                chosen.append(member)
            else:
                others.append(name)
    if others:
        run.say(f"left out, made on another data set, split or folds: {listed(others)}")
    return chosen


def _name(method: str, options: dict[str, bool], split: str) -> str:
    marks = [key.replace("_", "-") for key, chosen in options.items() if chosen]
    return "-".join(["ensemble", method, *marks, *([] if split == "paper" else [split])])


def _report(run: Run, member: Member) -> None:
    """Show what was made and the evidence, from what was kept."""
    from toolkit.storage.files import read_json

    notes = read_json(member.folder / "model" / "notes.json", f"the notes of {member.name}")
    evidence, tuned = notes["evidence"], notes["thresholds"]
    seconds = member.provenance()["seconds"]
    if run.json:
        run.emit(
            {
                "name": member.name,
                "path": str(member.folder),
                "source": member.source,
                "origin": "out-of-fold",
                "images": int((member.scored.fold >= 0).sum()),
                "method": notes["method"],
                "options": notes["options"],
                "members": notes["members"],
                "considered": notes["considered"],
                "metrics": {key: each["ensemble"] for key, each in evidence["differences"].items()},
                "thresholds": tuned,
                "evidence": evidence,
                "seconds": seconds,
            }
        )
        return
    from toolkit.cli.ensemble_page import page

    run.show(*page(member, notes), f"{member.folder} ({seconds:.1f} s)")
