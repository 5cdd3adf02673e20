"""Nothing on disk is unpickled: no module of the toolkit can."""

from __future__ import annotations

import ast
from pathlib import Path

import toolkit
from tests.faults.conftest import Tried

MODULES = sorted(Path(toolkit.__file__).parent.rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
LOADERS = {"read_pickle", "read_hdf", "unsafe_load", "full_load"}


def _name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([*([node.id] if isinstance(node, ast.Name) else []), *reversed(parts)])


def _faults(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            own = getattr(node, "module", None)
            names = [own or ""] if own else [each.name for each in node.names]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN]
        if not isinstance(node, ast.Call):
            continue
        name, given = _name(node.func), {word.arg: word.value for word in node.keywords}
        weights_only, allow = given.get("weights_only"), given.get("allow_pickle")
        if name == "torch.load" and getattr(weights_only, "value", None) is not True:
            found.append("torch.load without weights_only=True")
        if allow is not None and getattr(allow, "value", None) is not False:
            found.append(f"{name} with allow_pickle")
        if (
            name in ("joblib.load", "joblib.dump", "torch.jit.load")
            or name.rpartition(".")[2] in LOADERS
        ):
            found.append(name)
        plain = isinstance(node.func, ast.Name) and name in ("eval", "exec")
        if plain or name == "yaml.load" or name.endswith(".extractall"):
            found.append(name)
    return found


def test_no_module_unpickles(tried: Tried) -> None:
    assert len(MODULES) > 100
    found = {m.name: bad for m in MODULES if (bad := _faults(ast.parse(m.read_text("utf-8"))))}
    assert found == {}
    tried("unpickling", "every module", "calls that would unpickle or unpack blindly", 0,
          "there are none")  # fmt: skip


def test_the_search_finds_what_it_looks_for() -> None:
    hostile = "import pickle\ntorch.load(f)\ntorch.load(f, weights_only=False)\n"
    hostile += "np.load(f, allow_pickle=True)\njoblib.load(f)\npd.read_pickle(f)\nz.extractall(d)\n"
    assert len(_faults(ast.parse(hostile))) == 7
    assert _faults(ast.parse("torch.load(f, weights_only=True)\nnp.load(f)")) == []
