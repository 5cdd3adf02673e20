"""toolkit reproduce: run recipes, step by step, through the same commands a person types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.options import ArtifactsOption, DataOption, JsonOption, QuietOption, Run

_STEPS = ("embed", "ovr", "ensemble", "compare")
_LEFT_OUT = ("artifacts", "data", "json", "quiet", "help")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(reproduce)


def reproduce(
    context: typer.Context,
    recipes: Annotated[list[Path], typer.Argument(help="Recipe files (TOML).")],
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run recipes; what is done is not done again, and a failed step does not stop the others."""
    from toolkit.recipe import load_recipe

    run = Run.start(artifacts, json, quiet)
    known = step_options(context.find_root().command)
    steps = [(path, step) for path in recipes for step in load_recipe(path, known)]
    dataset = run.dataset(data)
    outcomes: list[dict[str, Any]] = []
    for path, step in steps:
        arguments = step_arguments(step)
        run.say(f"[{path.name}] toolkit {' '.join(arguments)}")
        common = ["--artifacts", str(run.artifacts), "--data", dataset.name]
        common += ["--quiet"] if quiet else []
        common += ["--json"] if json else []
        finished = subprocess.run(
            [sys.executable, "-m", "toolkit", *arguments, *common],
            stdout=subprocess.DEVNULL if json else None,
            check=False,
        )
        outcomes.append({"recipe": str(path), "step": arguments, "exit_code": finished.returncode})
    failed = [outcome for outcome in outcomes if outcome["exit_code"] not in (0, 3)]
    if run.json:
        run.emit({"steps": outcomes, "failed": len(failed)})
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
