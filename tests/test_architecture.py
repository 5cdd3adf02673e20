"""The hallway: a room imports only rooms to its left and the ground floor."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ["data", "features", "members", "audit", "ensembles", "reports", "cli"]
GROUND = 0


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(module: str) -> int:
    parts = module.split(".")
    return ROOMS.index(parts[1]) + 1 if len(parts) > 1 and parts[1] in ROOMS else GROUND


def test_imports_go_one_way() -> None:
    wrong = []
    for file in sorted((ROOT / "toolkit").rglob("*.py")):
        own = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for module in imports(file):
            if module.startswith("toolkit.") and floor(module) > floor(own):
                wrong.append(f"{own} imports {module}")
            private = any(p.startswith("_") and p != "__future__" for p in module.split("."))
            if module.startswith("toolkit.") and private:
                wrong.append(f"{own} imports the private {module}")
    assert not [w for w in wrong if not w.startswith("toolkit.__main__")], wrong


def test_only_the_front_door_prints_and_exits() -> None:
    for file in sorted((ROOT / "toolkit").rglob("*.py")):
        if "cli" in file.parts or file.name == "__main__.py":
            continue
        calls = [
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call)
        ]
        assert not {"print", "sys.exit", "exit", "quit"} & set(calls), file


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['toolkit', '--help']\n"
        "from toolkit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'lightgbm', 'pandas', 'numpy', 'openvino', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert "embed" in done.stdout
