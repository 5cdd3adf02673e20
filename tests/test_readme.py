"""The README's commands exist and take the options that it shows."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import toolkit
from toolkit.cli.app import app, main

ROOT = Path(__file__).parents[1]
TEXT = "\n".join(
    page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
)
COMMANDS = sorted(set(re.findall(r"(?:^|`)(toolkit [a-z][^`\n#]*)", TEXT, re.MULTILINE)))
JUST = sorted(set(re.findall(r"uv run just ([a-z-]+)", TEXT)))


def find(arguments: list[str]) -> tuple[Any, list[str]]:
    from typer.main import get_command

    command: Any = get_command(app)
    while arguments and hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"no command {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 8
    assert {"demo", "test", "check"} <= set(JUST)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_exists(line: str) -> None:
    words = shlex.split(line)[1:]
    command, rest = find([word.rstrip(",") for word in words])
    options = {name for parameter in command.params for name in parameter.opts}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{line}: no option {word}"


def test_every_command_is_in_the_readme_and_has_help() -> None:
    command, _ = find([])
    for name, each in command.commands.items():
        assert f"toolkit {name}" in TEXT, f"{name} is not in the README or docs"
        for sub in getattr(each, "commands", {}).values():
            assert sub.help, sub.name
        assert each.help, name


def test_the_recipes_of_the_justfile_are_there() -> None:
    listed = subprocess.run(
        [
            str(Path(sys.executable).with_name("just")),
            "--justfile",
            str(ROOT / "Justfile"),
            "--summary",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(JUST) <= set(listed)
    assert {"demo", "test", "check", "bench", "reproduce-paper"} <= set(listed)


def test_recipes_hold_only_known_keys() -> None:
    from toolkit.reproduction.recipe import load_recipe
    from toolkit.reproduction.steps import known_keys

    recipes = sorted((ROOT / "recipes").rglob("*.toml"))
    assert recipes
    for recipe in recipes:
        load_recipe(recipe, known_keys())
        head = recipe.read_text(encoding="utf-8").splitlines()[:5]
        for word in ("Purpose:", "Command:", "Expects:"):
            assert any(line.startswith(f"# {word}") for line in head), f"{recipe}: {word}"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_what_a_page_shows_works_as_written(
    page: str, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python first, then the shell in the same folder, to the same members."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_ARTIFACTS", raising=False)
    monkeypatch.delenv("TOOLKIT_DATA", raising=False)
    (tmp_path / "artifacts" / "embeddings").mkdir(parents=True)
    (shared / "engines").mkdir(exist_ok=True)  # converting a network for bf16 takes long
    (tmp_path / "artifacts" / "embeddings" / "engines").symlink_to(shared / "engines")
    names: dict[str, Any] = {}
    for block in blocks(ROOT / page, "python"):
        exec(compile(block, page, "exec"), names)
    made = {each.name: each.provenance()["made"] for each in toolkit.list_members()}
    assert {"linear-efficientnet_lite0", "ensemble-auto"} <= set(made)
    for block in blocks(ROOT / page, "sh"):
        for line in block.splitlines():
            if line.startswith("toolkit "):
                monkeypatch.setattr("sys.argv", shlex.split(line))
                with redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as left:
                    main()
                assert left.value.code == 0, line
    # the shell found every member up to date: it asked for the very same
    assert {each.name: each.provenance()["made"] for each in toolkit.list_members()} == made


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in toolkit.__all__:
        value = getattr(toolkit, name)
        assert f"::: {value.__module__}" in text, name
