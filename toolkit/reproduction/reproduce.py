"""Reproduce: run recipes step by step, and end in the comparison with the paper."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.data.collection import synth_data
from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import dataset_file, load_dataset, save_dataset
from toolkit.data.open import open_dataset
from toolkit.data.split_store import get_split
from toolkit.distribute.machines import connected, device_at, fold_cores
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.distribute.place import HERE, check_place
from toolkit.errors import ArtifactError, StoppedError, ToolkitError
from toolkit.members.member import list_members, load_member
from toolkit.reports.comparison import Row
from toolkit.reproduction.library import find_recipe
from toolkit.reproduction.rows import Reproduced, future_rows, reproduced
from toolkit.reproduction.smoke import IMAGES, one_thread, smoke_step
from toolkit.reproduction.steps import VERBS, known_keys, needed
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import Progress, choose_progress
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.names import names_of

_log = logging.getLogger("toolkit")
OnStep = Callable[[dict[str, Any], Any], None]


@dataclass(frozen=True)
class Reproduction:
    """What became of the steps of recipes.

    Attributes:
        steps: ``recipe``, ``step`` and ``exit_code`` of each.
        rows: each result of the paper with ours; empty where no step fine-tunes.
        future: members that go beyond the paper.
    """

    steps: list[dict[str, Any]]
    rows: list[Reproduced]
    future: list[Row]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The steps that failed."""
        return [step for step in self.steps if step["exit_code"] not in (0, 3)]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit reproduce --json``."""
        return {
            "steps": self.steps,
            "failed": len(self.failed),
            "reproduced": [row.facts() for row in self.rows],
            "future": [row.facts() for row in self.future],
        }


@checked
def reproduce(
    recipes: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    data: Dataset | str | None = None,
    *,
    smoke: bool = False,
    on: str = "here",
    on_step: OnStep | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Reproduction:
    """Run recipes; what is done is not done again, and a failed step does not stop the others.

    Args:
        recipes: TOML files, names of recipes that ship (``demo``, ``paper``, ``future/heads``), or
            results of the paper (``table3/6``).
        data: a data set, or the name of one.
        smoke: walk the whole path on 200 painted images (or ``data``) with a tiny network, in a
            folder of its own; the figures mean nothing.
        on: where the steps run: ``here``, one after another; ``ray`` or ``ray://host:port``, each
            as soon as those it needs are done, on machines that share the artifacts folder and see
            the images.
        on_step: called with each step and what its verb returned.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: a recipe is not there, or names an unknown command or key.
        StoppedError: it was asked to stop; the same call goes on.
        ClusterError: the cluster cannot be had, or lost a step too often.
    """
    check_place(on)
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    named = names_of(recipes) if isinstance(recipes, str) else None
    each = [recipes] if isinstance(recipes, os.PathLike) else named or recipes
    known = known_keys()
    steps = [(str(name), step) for name in each for step in find_recipe(str(name), known)]
    if smoke:
        steps = [(name, smoke_step(step)) for name, step in steps]
        dataset, folder = _smoke_data(data, folder, progress)
    else:
        dataset = open_dataset(data, folder, progress)
    with connected(on):
        pieces = _pieces(steps, dataset, folder, progress, on)
        outcomes: dict[int, dict[str, Any]] = {}
        try:
            with one_thread(smoke):
                for piece, (code, result, remarks) in run_pieces(_announced(pieces, progress), on):
                    name, step = steps[_number(piece)]
                    for remark in remarks:
                        progress.say(remark)
                    outcomes[_number(piece)] = {"recipe": name, "step": step, "exit_code": code}
                    if on_step is not None and result is not None:
                        on_step(step, result)
        except StoppedError as stopped:
            raise StoppedError(f"step {len(outcomes) + 1} of {len(steps)}: {stopped}") from stopped
    done = [outcomes[number] for number in sorted(outcomes)]
    if not any(outcome["step"]["command"] == "finetune" for outcome in done):
        return Reproduction(done, [], [])
    return Reproduction(done, *_rows(dataset, folder, progress))


def _pieces(
    steps: Sequence[tuple[str, dict[str, Any]]],
    dataset: Dataset,
    artifacts: Path,
    progress: Progress,
    on: str,
) -> list[Piece]:
    """Return a piece for each step, which knows the steps that it needs."""
    names = [f"{number + 1} {name}" for number, (name, _) in enumerate(steps)]
    needs = needed([step for _, step in steps])
    where: dict[str, Any] = {"artifacts": artifacts, "progress": progress}
    cpus = 1
    if on != HERE:
        where, cpus = {"artifacts": artifacts.absolute(), "progress": None}, fold_cores(on)
    return [
        Piece(
            names[number],
            _run,
            {"step": step, **where},
            {"dataset": dataset},
            cpus=cpus,
            gpus=int(on != HERE and device_at(step.get("device", "auto"), on) == "cuda"),
            after=tuple(names[each] for each in needs[number]),
        )
        for number, (_, step) in enumerate(steps)
    ]


def _number(piece: Piece) -> int:
    return int(piece.name.split()[0]) - 1


def _announced(pieces: Iterable[Piece], progress: Progress) -> Iterable[Piece]:
    for piece in pieces:
        step = dict(piece.inputs["step"])
        options = " ".join(f"{key}={value}" for key, value in step.items() if key != "command")
        recipe = piece.name.partition(" ")[2]
        progress.say(f"[{recipe}] {step['command']} {options}")
        yield piece


class _Remarks(Progress):
    """Keeps what is said on another machine, for whoever asked for the step."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, remark: str) -> None:
        """Keep a remark."""
        self.said.append(remark)


def _run(
    step: dict[str, Any], dataset: Dataset, artifacts: Path, progress: Progress | None
) -> tuple[int, Any, list[str]]:
    """Call a step's verb; return an exit code as the command line would, the result and remarks.

    Remarks are returned where no progress is shown.
    """
    kept = _Remarks()
    code, result = _called(step, dataset, artifacts, progress or kept)
    return code, result, kept.said


def _called(
    step: dict[str, Any], dataset: Dataset, artifacts: Path, progress: Progress
) -> tuple[int, Any]:
    options = {key: value for key, value in step.items() if key != "command"}
    try:
        result = VERBS[step["command"]](
            data=dataset, **options, artifacts=artifacts, progress=progress
        )
        return (3 if getattr(result, "skipped", None) else 0), result
    except StoppedError:
        raise
    except ToolkitError as error:
        progress.say(f"failed: {step['command']}: {error}")
        return error.exit_code, None
    except TypeError as error:
        progress.say(f"failed: {step['command']}: {error}")
        return 2, None
    except Exception as error:  # a fault of one step is no reason to lose the others
        progress.say(f"failed: {step['command']}: unexpected {type(error).__name__}: {error}")
        _log.debug("the step's traceback", exc_info=True)
        return 1, None


def _smoke_data(
    data: Dataset | str | None, artifacts: Path, progress: Progress
) -> tuple[Dataset, Path]:
    """Return the images to walk with; what is made of them goes to a folder of its own."""
    apart = artifacts / "smoke"
    if data is not None:
        dataset = open_dataset(data, artifacts, progress)
        save_dataset(dataset, apart)
        return dataset, apart
    if dataset_file(apart, "smoke").is_file():
        return load_dataset(apart, "smoke"), apart
    return synth_data(IMAGES, "smoke", artifacts=apart, progress=progress), apart


def _rows(
    dataset: Dataset, artifacts: Path, progress: Progress
) -> tuple[list[Reproduced], list[Row]]:
    members = []
    for name in list_members(artifacts):
        try:
            members.append(load_member(artifacts, name))
        except ArtifactError as error:  # the others are worth seeing
            progress.say(f"left out: {error}")
    split = get_split(dataset, "paper", artifacts)
    return reproduced(dataset, members), future_rows(dataset, split, members)
