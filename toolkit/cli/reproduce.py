"""toolkit reproduce: run recipes, step by step, through the same commands a person types."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.options import ArtifactsOption, DataOption, JsonOption, QuietOption, Run
from toolkit.cli.smoke import IMAGES, one_thread, smoke_step

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset

_STEPS = ("embed", "ovr", "finetune", "multitask", "ensemble", "compare")
_LEFT_OUT = ("artifacts", "data", "json", "quiet", "help")
# a step that was asked to end: by itself, or killed before it could say so
_ENDED = {128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT}


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(reproduce)


def reproduce(
    context: typer.Context,
    recipes: Annotated[list[Path], typer.Argument(help="Recipe files (TOML).")],
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Walk the whole path on 200 painted images (or --data) with a tiny network, in a "
            "folder of its own; the figures mean nothing.",
        ),
    ] = False,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run recipes; what is done is not done again, and a failed step does not stop the others."""
    from toolkit.reproduction.recipe import load_recipe

    run = Run.start(artifacts, json, quiet)
    root: Any = context.find_root().command
    known = step_options(root)
    steps = [(path, step) for path in recipes for step in load_recipe(path, known)]
    if smoke:
        steps = [(path, smoke_step(step)) for path, step in steps]
        dataset = _smoke_data(run, data)
    else:
        dataset = run.dataset(data)
    outcomes: list[dict[str, Any]] = []
    for path, step in steps:
        arguments = step_arguments(step)
        run.say(f"[{path.name}] toolkit {' '.join(arguments)}")
        common = ["--artifacts", str(run.artifacts), "--data", dataset.name]
        common += ["--quiet"] if quiet else []
        common += ["--json"] if json else []
        # in a smoke run, starting Python for every step would take most of the time
        if smoke:
            with one_thread():
                code, asked = _run_here(root, [*arguments, *common]), 0
        else:
            code, asked = _run_apart([*arguments, *common], json)
        if asked or code in _ENDED:
            run.say(
                f"stopped in step {len(outcomes) + 1} of {len(steps)}; the same command goes on"
            )
            raise typer.Exit(128 + (asked or abs(code) % 128))
        outcomes.append({"recipe": str(path), "step": arguments, "exit_code": code})
    failed = [outcome for outcome in outcomes if outcome["exit_code"] not in (0, 3)]
    _report(run, dataset, outcomes, failed)
    for outcome in failed:
        run.say(f"failed: toolkit {' '.join(outcome['step'])}")
    if failed:
        raise typer.Exit(1)


def step_options(root: Any) -> dict[str, list[str]]:
    """Return, for each command that a recipe may hold, the keys that it takes."""
    commands = root.commands
    return {
        name: sorted(
            option.opts[0].removeprefix("--").replace("-", "_")
            for option in commands[name].params
            if option.name not in _LEFT_OUT
        )
        for name in _STEPS
        if name in commands
    }


def step_arguments(step: dict[str, Any]) -> list[str]:
    """Turn a step into command-line arguments.

    >>> step_arguments({"command": "ovr", "features": ["a", "b"], "set": ["x=1"], "seed": 3})
    ['ovr', '--features', 'a,b', '--set', 'x=1', '--seed', '3']
    """
    arguments = [str(step["command"])]
    for key, value in step.items():
        option = f"--{key.replace('_', '-')}"
        if key == "command" or value is False:
            continue
        if value is True:
            arguments.append(option)
        elif key == "set":
            for setting in value:
                arguments += [option, str(setting)]
        elif isinstance(value, list):
            arguments += [option, ",".join(str(each) for each in value)]
        else:
            arguments += [option, str(value)]
    return arguments


def _run_apart(arguments: list[str], silent: bool) -> tuple[int, int]:
    """Run a step in a process of its own; return its exit code and the signal that we got.

    A request to end is for the step: it saves what it has, and we wait for it. Ctrl-C reaches it by
    itself, as it does every process of the terminal; SIGTERM is passed on.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "toolkit", *arguments],
        stdout=subprocess.DEVNULL if silent else None,
    )
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if number == signal.SIGTERM:
            child.terminate()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return child.wait(), asked[0] if asked else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_here(root: Any, arguments: list[str]) -> int:
    from toolkit.errors import ToolkitError

    with redirect_stdout(io.StringIO()):
        try:
            return int(root.main(args=arguments, prog_name="toolkit", standalone_mode=False) or 0)
        except ToolkitError as error:
            print(f"toolkit: {error}", file=sys.stderr)
            return error.exit_code
        except Exception:  # in a process of its own it would not stop the others either
            traceback.print_exc()
            return 1


def _smoke_data(run: Run, name: str | None) -> Dataset:
    """Return the images to walk with; what is made of them goes to a folder of its own."""
    from toolkit.data.dataset_store import dataset_file, load_dataset, save_dataset

    apart = run.artifacts / "smoke"
    if name is not None:
        dataset = load_dataset(run.artifacts, name)
        run.artifacts = apart
        save_dataset(dataset, apart)
        return dataset
    run.artifacts = apart
    if not dataset_file(apart, "smoke").is_file():
        from toolkit import synth_data

        return synth_data(IMAGES, "smoke", artifacts=apart, progress=False)
    return load_dataset(apart, "smoke")


def _report(
    run: Run, dataset: Dataset, outcomes: list[dict[str, Any]], failed: list[dict[str, Any]]
) -> None:
    """End in the comparison: the paper, its protocol here, mended, and what goes beyond it."""
    from toolkit.data.split_store import get_split
    from toolkit.errors import ArtifactError
    from toolkit.members.member import list_members, load_member
    from toolkit.reproduction.rows import future_rows, reproduced

    rows, future = [], []
    if any(outcome["step"][0] == "finetune" for outcome in outcomes):
        members = []
        for name in list_members(run.artifacts):
            try:
                members.append(load_member(run.artifacts, name))
            except ArtifactError as error:  # the others are worth seeing
                run.say(f"left out: {error}")
        split = get_split(dataset, "paper", run.artifacts)
        rows = reproduced(dataset, members)
        future = future_rows(dataset, split, members)
    if run.json:
        document = {"steps": outcomes, "failed": len(failed)}
        document |= {"reproduced": [row.facts() for row in rows]}
        run.emit(document | {"future": [row.facts() for row in future]})
    elif rows:
        from toolkit.cli.reproduction_table import future_table, reproduction_table

        width = run.console().width
        run.show(reproduction_table(rows, width), *([future_table(future)] if future else []))
