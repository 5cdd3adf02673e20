from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ArtifactError, UsageError
from toolkit.reproduction.recipe import load_recipe
from toolkit.storage.toml import dump_toml, load_toml

steady = settings(derandomize=True, deadline=None, database=None, max_examples=80)

KNOWN = {"embed": ["backbone", "views"], "ovr": ["head", "features", "set"]}
GOOD = """# Purpose: an example.
[[step]]
command = "embed"
backbone = "densenet121"

[[step]]
command = "ovr"
head = "lightgbm"
set = ["leaves=31"]
"""


def recipe(folder: Path, text: str | bytes) -> Path:
    path = folder / "r.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_recipe_is_its_steps_in_order(tmp_path: Path, before: bytes, end: bytes) -> None:
    path = recipe(tmp_path, before + GOOD.encode().replace(b"\n", end))
    assert load_recipe(path, KNOWN) == [
        {"command": "embed", "backbone": "densenet121"},
        {"command": "ovr", "head": "lightgbm", "set": ["leaves=31"]},
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("head", "haed"), r"step 2: unknown key 'haed'; did you mean 'head'\? ovr "
         "takes features, head, set$"),
        (GOOD.replace("backbone", "x"), r"step 1: unknown key 'x'; embed takes backbone, views$"),
        (GOOD.replace("backbone", "features"), "step 1: unknown key 'features'"),
        (GOOD.replace('"ovr"', '"ovrr"'), "step 2: command 'ovrr' is not one of embed, ovr$"),
        (GOOD.replace('command = "ovr"', ""), "step 2: command None is not one of"),
        (GOOD.replace('"ovr"', '["ovr"]'), r"step 2: command \['ovr'\] is not one of"),
        (GOOD.replace('"ovr"', "{a = 1}"), r"step 2: command \{'a': 1\} is not one of"),
        ("seed = 1\n" + GOOD, r"unknown key 'seed'; a recipe holds \[\[step\]\]s$"),
        (GOOD + "[other]\n", "unknown key 'other'"),
        ("", r"has no \[\[step\]\]"),
        ("step = []", r"has no \[\[step\]\]"),
        ("step = 3", r"has no \[\[step\]\]"),
        ("[step]\ncommand = 'ovr'", r"has no \[\[step\]\]"),
        ("step = [1]", "step 1, is no table"),
        ("step = [{command = 'ovr'}, ['x']]", "step 2, is no table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_would_be_right(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        load_recipe(recipe(tmp_path, text), KNOWN)
    assert "r.toml" in str(caught.value)


@given(key=st.text(st.characters(codec="utf-8"), max_size=12))
@steady
def test_every_key_but_the_known_ones_fails_and_lists_them(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    text = dump_toml({"step": [{"command": "ovr", key: 1}]})
    path = recipe(tmp_path_factory.getbasetemp(), text)
    if key == "each":
        with pytest.raises(UsageError, match="expected lists of values under each, found 1"):
            load_recipe(path, KNOWN)
    elif key in KNOWN["ovr"]:
        assert load_recipe(path, KNOWN)[0][key] == 1
    else:
        with pytest.raises(UsageError, match=r"takes features, head, set|is not one of embed, ovr"):
            load_recipe(path, KNOWN)


DAMAGED = {
    "no TOML": b"[[step]\n",
    "latin": GOOD.encode() + b"# \xe9",
    "utf-16": GOOD.encode("utf-16"),
    "deep": b"a = " + b"[" * 100_000,
    "long": b"a = " + b"9" * 5000,
    "twice": GOOD.encode() + b'head = "linear"\n',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_no_toml_is_a_named_error(tmp_path: Path, kind: str) -> None:
    path = recipe(tmp_path, DAMAGED[kind])
    with pytest.raises(UsageError, match=r"recipe .*r\.toml is not TOML: "):
        load_recipe(path, KNOWN)
    with pytest.raises(ArtifactError, match=r"r\.toml cannot be read"):
        load_toml(path)


@given(content=st.binary(max_size=40) | st.text("step[]=\"'{}.\n 1a", max_size=40).map(str.encode))
@steady
def test_any_bytes_are_a_recipe_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    try:
        steps = load_recipe(recipe(tmp_path_factory.getbasetemp(), content), KNOWN)
    except UsageError:
        return
    assert all(step["command"] in KNOWN for step in steps)


def test_a_recipe_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no recipe .*absent\.toml"):
        load_recipe(tmp_path / "absent.toml", KNOWN)
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(tmp_path, KNOWN)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_toml(tmp_path / "absent.toml")


text = st.text(st.characters(codec="utf-8"), max_size=6)
leaves = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(resolved=st.dictionaries(text, values, max_size=4))
@steady
def test_a_resolved_recipe_survives_the_disk(
    tmp_path_factory: pytest.TempPathFactory, resolved: dict[str, Any]
) -> None:
    path = recipe(tmp_path_factory.getbasetemp(), dump_toml(resolved))
    assert load_toml(path) == resolved


def test_none_is_left_out_at_every_depth_and_tuples_are_arrays() -> None:
    resolved = {"a": None, "b": {"c": None, "d": (1, 2)}, "e": [{"f": None, "g": 0.5}], 3: "x"}
    expected = {"b": {"d": [1, 2]}, "e": [{"g": 0.5}], "3": "x"}
    assert tomllib.loads(dump_toml(resolved)) == expected  # type: ignore[arg-type]
    assert math.isinf(tomllib.loads(dump_toml({"limit": math.inf}))["limit"])
