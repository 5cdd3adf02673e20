"""Forecasts: said once, from what was measured, and fed by every head."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from toolkit.heads.head import OneVsRestHead
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead
from toolkit.members.cross_fit import cross_fit
from toolkit.runtime import forecast
from toolkit.runtime.forecast import Forecast, current_forecast, forecasting


class Work:
    """A clock that goes as work is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []

    def forecast(self, rounds: int) -> Forecast:
        return Forecast("fitting", rounds, self.said.append, lambda: self.now)


@pytest.mark.parametrize("rounds", [1, 5])
@pytest.mark.parametrize("unit", [2.0, 30.0, 600.0])
def test_like_units_are_foretold_to_two_digits(rounds: int, unit: float) -> None:
    work = Work()
    of = work.forecast(rounds)
    said_at = 0.0
    for _ in range(rounds):
        work.now += 10  # what is done once a round
        of.begin(40)
        for _ in range(40):
            work.now += unit
            of.advance()
            said_at = said_at or (work.now if work.said else 0.0)
    assert len(work.said) == 1
    number, what = re.findall(r"about ([\d.]+) (second|minute|hour)s? to go", work.said[0])[0]
    left = float(number) * {"second": 1, "minute": 60, "hour": 3600}[what]
    assert left == pytest.approx(work.now - said_at, rel=0.06)
    assert said_at < 10 + max(2 * unit, 7)


def test_what_is_soon_over_needs_no_forecast() -> None:
    work = Work()
    of = work.forecast(1)
    of.begin(3)
    for _ in range(3):
        work.now += 6
        of.advance()
    assert not work.said


def test_a_bound_is_called_one() -> None:
    work = Work()
    of = work.forecast(1)
    of.begin(14)
    for done in (1, 2):
        work.now += 20
        of.at_least(done, 8)
    assert work.said == [
        "fitting: at least 2.3 minutes to go, if the rest goes as the first 20 seconds did"
    ]


class Recorder(Forecast):
    """Counts units instead of telling."""

    def __init__(self) -> None:
        self.expected: list[int] = []
        self.done = 0

    def begin(self, units: int) -> None:
        self.expected.append(units)

    def advance(self, units: int = 1) -> None:
        self.done += units

    def at_least(self, done: int, parts: int) -> None:
        assert 1 <= done <= parts


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    mark = forecast._current.set(made)
    yield made
    forecast._current.reset(mark)


HEADS: list[OneVsRestHead] = [
    LinearHead(Cs=[0.1, 1.0]),
    MLPHead(hidden=4, epochs=2, seeds=2, device="cpu"),
    MLPHead(hidden=4, epochs=2, early_stopping=True, device="cpu"),
    MLPHead(hidden=4, epochs=2, trunk="shared", device="cpu"),
    MultitaskHead(hidden=4, epochs=2, device="cpu"),
    LightGBMHead(n_estimators=2, n_jobs=1),
    LightGBMHead(n_estimators=2, n_jobs=1, early_stopping=1),
]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head!r}"[:60])
def test_every_head_does_the_units_that_it_begins_with(
    head: OneVsRestHead, recorder: Recorder
) -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 5)).astype(np.float32)
    Y = (X @ random.normal(size=(5, 40)) + random.normal(size=(120, 40)) > 0).astype(np.int8)
    if isinstance(head, LinearHead):
        head.fit_folds(X, Y, np.arange(120) % 3)
    else:
        head.fit(X, Y)
    assert recorder.expected
    assert sum(recorder.expected) == recorder.done > 0


def test_folds_are_foretold_through_the_channel_of_whoever_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecast, "_MEASURED", 0.0)
    monkeypatch.setattr(forecast, "_WORTH", -np.inf)
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 5)).astype(np.float32)
    Y = (X[:, :3] > 0).astype(np.int8)
    how: dict[str, Any] = {"fold": np.arange(60) % 3}
    for head in (LinearHead(Cs=[0.1, 1.0]), MLPHead(hidden=4, epochs=2, device="cpu")):
        said: list[str] = []
        cross_fit(head, X, Y, **how, say=said.append)
        assert len(said) == 1
        assert said[0].startswith(f"fitting {type(head).__name__}: ")


def test_outside_of_a_forecast_nobody_hears() -> None:
    with forecasting("it", 1, pytest.fail):
        assert current_forecast() is current_forecast()
    current_forecast().begin(1)
    current_forecast().advance()
