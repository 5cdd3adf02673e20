"""Options that commands share, declared once, and what makes a function a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.run import Run
from toolkit.distribute.place import check_place

Group = dict[str, tuple[Any, Any]]
Command = Callable[..., None]


def option(kind: Any, default: Any, *names: str, **more: Any) -> tuple[Any, Any]:
    """Return an option's annotation and default; its name is the key it is filed under."""
    return Annotated[kind, typer.Option(*names, **more)], default


DATA: Group = {
    "data": option(
        str | None,
        None,
        metavar="NAME",
        help="Data set. Default: $TOOLKIT_DATA, else the one last imported, else a synthetic one.",
    )
}
SEED: Group = {"seed": option(int, 0, min=0, help="Seed of all that is random.")}
DEVICE: Group = {"device": option(str, "auto", help="auto, cpu, cuda (cuda:1 of several) or mps.")}
MACHINE: Group = DEVICE | {
    "precision": option(str, "auto", help="auto, bf16, fp32, or fp16 to embed on a GPU.")
}
ON: Group = {
    "on": option(
        str,
        "here",
        help="Where the work runs: here, ray, or ray://HOST:PORT for a cluster that is up.",
    )
}
ENGINE: Group = {"engine": option(str, "auto", help="auto, openvino or torch.")}
SPLIT: Group = {
    "split": option(
        str,
        "paper",
        help="paper, stratified, grouped (by toolkit audit --group-duplicates), or file (given at "
        "import).",
    )
}
FOLDS: Group = {"folds": option(int, 5, help="Folds over the development images.")}
MAKING: Group = {
    "name": option(str | None, None, help="Name of the result. Default: made from the options."),
    "overwrite": option(bool, False, "--overwrite", help="Replace a result of that name."),
}
WEIGHTS: Group = {
    "weights": option(str, "default", help="default, none (a random start), or a weights file.")
}
VIEWS: Group = {
    "views": option(str, "original", help="original, or original,hflip to average both."),
    "pooling": option(
        str, "default", help="default; avg, max, avgmax or gem; of tokens cls, mean or cls+mean."
    ),
    "size": option(int | None, None, min=1, help="Input side in pixels. Default: the backbone's."),
    "layer": option(
        str, "last", help="last, last4 (blocks of a transformer), or names of layers joined by +."
    ),
}
CROP: Group = {
    "crop": option(
        str,
        "center",
        help="center (the backbone's own transform), or full: cut nothing off square images.",
    )
}
CROPS: Group = {
    "crop": option(
        str,
        "center",
        help="center, full (cut nothing off square images), or center,full: side by side.",
    )
}
FEATURES: Group = {
    "features": option(
        str,
        "efficientnet_lite0",
        help="Backbones, comma-separated, set side by side; NAME@FILE for weights of one's own.",
    )
}
MEMBERS: Group = {"members": option(str, "*", help="Names or globs, comma-separated.")}
PAPER: Group = {
    "paper": option(
        bool | None,
        None,
        "--paper/--no-paper",
        help="Show the paper's rows. Default: where the labels are the paper's.",
    )
}
SET: Group = {
    "set": option(
        list[str] | None, None, metavar="KEY=VALUE", help="Any other setting; repeatable."
    )
}
UNKNOWN: Group = {
    "unknown": option(
        str,
        "ignore",
        help="Training: ignore unknown labels; negative, they are no; or selective, no where they "
        "are hardly yes.",
    )
}
MAKES: Group = MAKING | MACHINE | SEED | DATA
FROZEN: Group = FEATURES | SET | WEIGHTS | VIEWS | CROPS | SPLIT | FOLDS | MAKES
_COMMON: Group = {
    "artifacts": option(
        Path | None,
        None,
        metavar="DIR",
        help="Where everything is kept. Default: $TOOLKIT_ARTIFACTS, else ./artifacts.",
    ),
    "json": option(bool, False, "--json", help="Print one JSON document on standard output."),
    "quiet": option(bool, False, "--quiet", "-q", help="No progress and no remarks."),
}


def command(
    app: typer.Typer, *groups: Group, name: str | None = None, **defaults: Any
) -> Callable[[Command], Command]:
    """Make a function a command with its own options, those of groups, and the common ones.

    The function is called with the :class:`Run`, its own options by name, and as ``**shared`` the
    options of the groups with ``artifacts`` and ``progress``, ready to be handed to a verb. It may
    name some of those itself, to have them by name.

    Args:
        app: what the command is added to.
        groups: options by name, shared with other commands.
        name: the command's name; by default the function's.
        defaults: of options of the groups, where the command has others.
    """
    shared = {
        key: (annotation, defaults.get(key, default))
        for group in (*groups, _COMMON)
        for key, (annotation, default) in group.items()
    }

    def add(function: Command) -> Command:
        own = inspect.signature(function, eval_str=True).parameters.values()
        parameters = [
            each
            for each in list(own)[1:]
            if each.kind is not inspect.Parameter.VAR_KEYWORD and each.name not in shared
        ]
        parameters += [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for key, (annotation, default) in shared.items()
        ]

        @wraps(function)
        def called(**given: Any) -> None:
            run = Run.start(json=given.pop("json"), quiet=given.pop("quiet"))
            if "on" in given:
                check_place(given["on"])  # verbs do too, after imports that take seconds
            function(run, **given, progress=run.progress)
            run.leave_if_left_out()

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(called)
        return called

    return add
