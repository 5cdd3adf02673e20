"""The hallway: a room imports only rooms before it; no module imports itself by a detour."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HALLWAY = """
errors runtime storage statistics paper pages distribute
images data features heads finetuning members ensembles inference auditing reports reproduction cli
"""
FLOORS = HALLWAY.split()
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "toolkit").rglob("*.py"))
}


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & set(MODULES)) or {node.module or ""}
    return found


GRAPH = {name: imports(file) & set(MODULES) - {"toolkit"} for name, file in MODULES.items()}
ROOMS = {name: name.split(".")[1] for name in MODULES if "." in name and "__main__" not in name}


def test_every_room_has_its_place_in_the_hallway() -> None:
    assert set(ROOMS.values()) == set(FLOORS)


def test_imports_go_one_way() -> None:
    wrong = [
        f"{own} imports {other}"
        for own in ROOMS
        for other in GRAPH[own]
        if FLOORS.index(ROOMS[other]) > FLOORS.index(ROOMS[own])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_by_a_detour() -> None:
    done: set[str] = set()
    circles = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for other in sorted(GRAPH[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(GRAPH):
        visit(name, ())
    assert not circles, "\n".join(circles)


def test_nothing_private_is_imported() -> None:
    for name, file in MODULES.items():
        for module in imports(file) - {"__future__"}:
            if module.startswith("toolkit."):
                assert not any(part.startswith("_") for part in module.split(".")), name


def test_only_the_front_door_knows_the_terminal() -> None:
    for name, file in MODULES.items():
        if ROOMS.get(name, "cli") == "cli":
            continue
        calls = [
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call)
        ]
        assert not {"print", "sys.exit", "exit", "quit"} & set(calls), file
        assert not {m.split(".")[0] for m in imports(file)} & {"typer", "rich", "click"}, file


def test_no_file_is_long() -> None:
    long = {name: n for name, f in MODULES.items() if (n := len(f.read_text().splitlines())) > 400}
    assert not long


HELP = """
sys.argv = ["toolkit", "--help"]
from toolkit.cli import main
try: main()
except SystemExit: pass
"""
IMPORT = "import toolkit\nprint('embed' in dir(toolkit) and 'embed')\n"


@pytest.mark.parametrize("program", [HELP, IMPORT], ids=["help", "import"])
def test_starting_imports_nothing_heavy(program: str) -> None:
    heavy = "{'torch', 'sklearn', 'lightgbm', 'pandas', 'numpy', 'openvino', 'scipy'}"
    script = f"import sys\n{program}\nprint(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert "embed" in done.stdout
