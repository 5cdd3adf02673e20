"""Every command is a verb of the library: the same options, the same defaults."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import toolkit
from toolkit.cli import audit, compare
from toolkit.cli.app import app

# what only a shell needs: how it is shown, and the exit code
SHELL = {"artifacts", "json", "quiet", "help"}
PRESENTATION = {"compare": set(compare.PRESENTATION), "audit": set(audit.PRESENTATION)}
# what only Python can take
PYTHON = {"artifacts", "progress", "on_step"}
RENAMED = {"paths": "images"}
VERBS = {
    "data import": "import_data",
    "data synth": "synth_data",
    "data fetch": "fetch_data",
    "data export": "export_data",
    "data relabel": "relabel_data",
    "data info": "describe_data",
    "data list": "list_data",
    "cache list": "list_cache",
    "cache verify": "verify_cache",
    "cache prune": "prune_cache",
    "members": "list_members",
    "cluster": "describe_cluster",
}


# commands with a second verb, which an option asks for
ASKED = {
    "multitask": ("ablate", "ablate_tasks"),
    "data import": ("dry_run", "preview_data"),
}


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}
    root: Any = get_command(app)
    for name, command in root.commands.items():
        for sub, each in getattr(command, "commands", {"": command}).items():
            found[f"{name} {sub}".strip()] = each
    return found


def plain(value: Any) -> Any:
    """Compare what means the same: paths and texts, nothing and none, all members."""
    if value in ((), None, []):
        return None
    return str(value) if isinstance(value, Path) else value


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_takes_what_its_verb_takes(name: str) -> None:
    command = commands()[name]
    verb = getattr(toolkit, VERBS.get(name, name))
    ours = {
        RENAMED.get(each.name, each.name): each
        for each in command.params
        if each.name not in SHELL | PRESENTATION.get(name, set())
    }
    theirs = dict(inspect.signature(verb).parameters)
    if name in ASKED:
        option, other = ASKED[name]
        assert ours.pop(option).default is False
        second = inspect.signature(getattr(toolkit, other)).parameters
        for key in set(theirs) & set(second):
            assert theirs[key].default == second[key].default, key
        theirs |= second
    assert set(ours) == set(theirs) - PYTHON
    for key, parameter in theirs.items():
        if key in ours and not ours[key].required:
            default = None if parameter.default is inspect.Parameter.empty else parameter.default
            assert plain(ours[key].default) == plain(default), key
    required = {key for key, each in ours.items() if each.required}
    assert required == {
        key
        for key, each in theirs.items()
        if each.default is inspect.Parameter.empty and key not in PYTHON
    }


def test_every_verb_is_documented_and_typed() -> None:
    for name in dir(toolkit):
        value = getattr(toolkit, name)
        if name.startswith("_") or not callable(value) or inspect.ismodule(value):
            continue
        assert value.__doc__, name
        if inspect.isfunction(value):
            for each in inspect.signature(value).parameters.values():
                assert each.annotation is not inspect.Parameter.empty, f"{name}({each.name})"
