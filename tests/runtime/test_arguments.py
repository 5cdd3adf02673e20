"""Verbs hold what they are given to what they are annotated with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image as Picture

import toolkit as tk
from toolkit.auditing.audit import Audit
from toolkit.errors import ToolkitError, UsageError
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked


@checked
def verb(
    text: str = "",
    *,
    names: str | Iterable[str] = "",
    place: str | os.PathLike[str] | None = None,
    count: int = 1,
    rate: float = 0.5,
    sure: bool = False,
    settings: Mapping[str, Any] | Iterable[str] | None = None,
    picture: Picture | np.ndarray | Audit | Member | None = None,
    anything: Any = None,
    later: NotThere | None = None,  # type: ignore[name-defined] # noqa: F821
) -> tuple[Any, ...]:
    return names, place, count, rate, sure, settings, anything


@pytest.mark.parametrize(
    "given",
    [
        {"names": ["a"], "place": Path("a"), "count": np.int64(3), "rate": 1, "sure": np.True_},
        {"rate": np.float32(0.1), "settings": {"a": 1}, "anything": object(), "later": 5},
        {"names": ("a", "b"), "settings": ["a=1"], "place": "x"},
        {},
    ],
)
def test_what_fits_is_passed_on(given: dict[str, Any]) -> None:
    verb("x", **given)


def test_an_iterator_is_read_once() -> None:
    assert verb(names=(each for each in "ab"))[0] == ("a", "b")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": 5}, "text: expected text, found 5"),
        ({"names": [None]}, "names: expected text or several of these, found [None]"),
        ({"names": 5}, "names: expected text or several of these, found 5"),
        ({"place": 5}, "place: expected text, a path or None, found 5"),
        ({"count": "3"}, "count: expected a whole number, found '3'"),
        ({"count": True}, "count: expected a whole number, found True"),
        ({"count": 1.0}, "count: expected a whole number, found 1.0"),
        ({"rate": "0.5"}, "rate: expected a number, found '0.5'"),
        ({"sure": "a"}, "sure: expected True or False, found 'a'"),
        ({"sure": 1}, "sure: expected True or False, found 1"),
        (
            {"picture": 5},
            "picture: expected a Pillow image, an array, an Audit, a Member or None, found 5",
        ),
        ({"settings": 5}, "settings: expected a dictionary, several of these or None, found 5"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        verb(**given)
    assert str(raised.value) == said


def test_signatures_stay_and_unknown_names_are_pythons_to_refuse() -> None:
    assert list(inspect.signature(verb).parameters)[:2] == ["text", "names"]
    with pytest.raises(TypeError, match="nothing"):
        verb(nothing=1)  # type: ignore[call-arg]


VERBS = sorted(
    name for name in tk.__all__ if name[0].islower() and name not in ("score", "cross_fit")
)


@pytest.mark.parametrize("name", VERBS)
def test_no_verb_fails_with_another_error_than_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object of no use, for each argument in turn."""
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path))
    found = getattr(tk, name)
    parameters = inspect.signature(found).parameters
    needed = {
        key: "nothing-of-this-name"
        for key, each in parameters.items()
        if each.default is inspect.Parameter.empty
        and each.kind is not inspect.Parameter.VAR_KEYWORD
    }
    for key, each in parameters.items():
        if each.kind is not inspect.Parameter.VAR_KEYWORD and key not in ("images", "on_step"):
            with pytest.raises(ToolkitError):
                found(**{**needed, key: object()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "zz"}, "engine"),
        ({"progress": "bar"}, "progress: expected True, False, None or a function, found 'bar'"),
        ({"data": ""}, "data: expected the name of a data set, found no text"),
        ({"backbone": " "}, "features: expected at least one backbone"),
    ],
)
def test_a_wrong_value_is_refused_before_any_work(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        tk.embed(**given, artifacts=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("images", [None, 3, tk.Dataset, "x" * 5000])
def test_what_is_no_image_is_refused(images: Any, tmp_path: Path) -> None:
    from toolkit.inference.given import find_images

    with pytest.raises(ToolkitError):
        tk.predict(images, "nothing", artifacts=tmp_path)
    if isinstance(images, str):
        with pytest.raises(UsageError, match="expected an image"):
            list(find_images(images))


def test_numbers_of_numpy_are_settings_and_names_are_text() -> None:
    from toolkit.runtime.options import parse_options

    given = {"epochs": np.int64(2), "Cs": np.array([0.5]), "sure": np.bool_(True), "loss": "focal"}
    found = parse_options(given)
    assert found == {"epochs": 2, "Cs": [0.5], "sure": True, "loss": "focal"}
    assert [type(value) for value in found.values()] == [int, list, bool, str]
    with pytest.raises(UsageError, match="expected names of settings, found 3"):
        parse_options({3: 4})  # type: ignore[dict-item]


@pytest.mark.parametrize("seed", [2**32, np.array([5])])
def test_a_seed_fits_every_generator(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seed: expected a whole number"):
        tk.ovr("nothing", seed=seed, artifacts=tmp_path)
