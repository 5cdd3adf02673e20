"""The output layer that training begins and ends with: a linear probe, of training rows only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.finetuning.finetune_fakes import LABELS, QUICK, SIDE, Tiny, one_thread, pictures
from toolkit.errors import StoppedError
from toolkit.finetuning import fitting
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.fitting import Fitted, SplitRows, fit
from toolkit.finetuning.linear_probe import probe
from toolkit.finetuning.networks import Classifier, seeded
from toolkit.finetuning.protocols import settings_for
from toolkit.finetuning.source import Source
from toolkit.heads.linear import LinearHead
from toolkit.images.preprocess import Preprocess

__all__ = ["one_thread"]
HALF = (0.5, 0.5, 0.5)
PREPROCESS = Preprocess(SIDE, SIDE, "bilinear", HALF, HALF)
X, Y = pictures(90)
TRAIN, REST = np.arange(60), np.arange(60, 90)
SOURCE = Source(lambda rows: X[rows], len(X), pixels=True)
network = seeded(lambda: Classifier(Tiny().trunk, 6, LABELS, PREPROCESS), 0)


def started(Y: np.ndarray, **options: np.ndarray) -> Classifier:
    made = network()
    assert isinstance(made, Classifier)
    probe(made, SOURCE, Y, TRAIN, **options)  # type: ignore[arg-type]
    return made


@torch.no_grad()
def outputs(made: Classifier, shown: np.ndarray = X) -> tuple[np.ndarray, np.ndarray]:
    made.eval()
    pixels = torch.from_numpy(shown).permute(0, 3, 1, 2).float()
    return made.features(pixels).numpy(), torch.sigmoid(made(pixels)).numpy()


def test_the_network_scores_as_a_linear_head_on_its_trunk() -> None:
    features, scores = outputs(started(Y))
    want = LinearHead(normalise=False).fit(features[TRAIN], Y[TRAIN]).predict_proba(features)
    np.testing.assert_allclose(scores, want, atol=1e-5)
    assert np.ptp(scores[REST, 0]) > 0.5


def test_positives_weigh_as_they_are_set_to() -> None:
    _, plain = outputs(started(Y))
    _, weighted = outputs(started(Y, pos_weight=np.array([4.0, 1.0])))
    assert weighted[:, 0].mean() > plain[:, 0].mean() + 0.02
    np.testing.assert_allclose(weighted[:, 1], plain[:, 1], atol=1e-6)


def test_labels_of_other_rows_are_not_looked_at() -> None:
    other = Y.copy()
    other[REST] = 1 - other[REST]
    assert torch.equal(started(other).head.weight, started(Y).head.weight)


def test_a_label_of_one_class_gets_its_log_odds() -> None:
    none = np.where(np.arange(LABELS) == 1, 0, Y)
    _, scores = outputs(started(none))
    np.testing.assert_allclose(scores[:, 1], 1 / (len(TRAIN) + 2), rtol=1e-5)
    _, both = outputs(started(Y))
    np.testing.assert_allclose(scores[:, 0], both[:, 0], atol=1e-3)


def test_a_run_that_goes_on_does_not_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[int] = []

    def counted(*arguments: object, **options: object) -> None:
        probed.append(1)
        probe(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "probe", counted)

    def run(callbacks: Callbacks | None = None, initial_probe: bool = True) -> Fitted:
        how = replace(QUICK, initial_probe=initial_probe, final_probe=False)
        parts = SplitRows(TRAIN, np.zeros(0, np.int64), REST)
        return fit(network, SOURCE, Y, parts, how, callbacks=callbacks)

    whole = run()
    steps = iter(range(5))
    with pytest.raises(StoppedError):
        run(Callbacks(folder=tmp_path, stop=lambda: next(steps, None) is None))
    again = run(Callbacks(folder=tmp_path))
    assert len(probed) == 2
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert not np.array_equal(run(initial_probe=False).scores, whole.scores)
    assert len(probed) == 2


def test_training_ends_with_a_probe_of_pictures_as_they_are_scored() -> None:
    # the scored ones are a quarter as bright, so that a layer fitted to the others is wrong
    dim = Source(lambda rows: X[rows] // 4, len(X), pixels=True)
    both = Source(lambda rows: X[rows], len(X), pixels=True, scored=dim)

    def run(final_probe: bool) -> tuple[np.ndarray, np.ndarray]:
        how = replace(QUICK, final_probe=final_probe, wise_ft_alpha=1.0, views=False)
        done = fit(network, both, Y, SplitRows(TRAIN, np.zeros(0, np.int64), REST), how)
        assert done.rows.tolist() == REST.tolist()
        made = network()
        assert isinstance(made, Classifier)
        kept = {name: torch.from_numpy(array) for name, array in done.states["model"].items()}
        made.load_state_dict(kept, strict=False)
        features, scores = outputs(made, X // 4)
        np.testing.assert_allclose(scores[REST], done.scores, atol=1e-5)
        return features, scores

    features, scores = run(True)
    want = LinearHead(normalise=False).fit(features[TRAIN], Y[TRAIN]).predict_proba(features)
    np.testing.assert_allclose(scores, want, atol=1e-4)
    other, unfitted = run(False)
    np.testing.assert_array_equal(features, other)

    def loss(scores: np.ndarray) -> float:
        return float(-np.log(np.where(Y == 1, scores, 1 - scores))[REST].mean())

    assert loss(scores) < loss(unfitted)


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_the_papers_output_layers_are_drawn(protocol: str) -> None:
    assert not settings_for(protocol, "table3/5").probes_first
    assert not settings_for(protocol, "table3/5").probes_last
    assert settings_for("modern", None).probes_first
    assert settings_for("modern", None).probes_last
