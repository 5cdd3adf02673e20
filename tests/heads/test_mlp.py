"""The networks against ones trained singly, and what labels, folds and epochs may see."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from toolkit.heads.head import OneClassWarning
from toolkit.heads.losses import binary_cross_entropy, focal
from toolkit.heads.mlp import MLPHead
from toolkit.heads.mlp_training import BestEpoch, Validation, initial_weights, logits_of, train
from toolkit.heads.optimizing import batches, rate_factor, steps_per_epoch
from toolkit.members.cross_fit import Checkpoints, cross_fit
from toolkit.statistics.metrics import average_precision

Arrays = tuple[np.ndarray, np.ndarray]
HOW = MLPHead(
    hidden=8,
    epochs=4,
    batch_size=32,
    learning_rate=0.01,
    weight_decay=0.1,
    dropout=0.0,
    input_dropout=0.0,
    precision="fp32",
    device="cpu",
)
small = partial(MLPHead, hidden=8, epochs=4, batch_size=32, precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def problem() -> Arrays:
    """300 rows, 12 features of unlike scales and offsets, three labels of unlike frequency."""
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 12)) * random.uniform(0.1, 20, 12) + random.normal(0, 30, 12)
    Z = (X - X.mean(0)) / X.std(0) @ random.normal(size=(12, 3)) - [0.0, 1.5, 2.5]
    Y = (random.random(Z.shape) < 1 / (1 + np.exp(-Z))).astype(np.uint8)
    return X.astype(np.float32), Y


@pytest.fixture(scope="module")
def standard(problem: Arrays) -> Arrays:
    X, Y = problem
    return ((X - X.mean(0)) / X.std(0)).astype(np.float32), Y


def trained_singly(X: np.ndarray, y: np.ndarray, weight: np.ndarray, how: MLPHead) -> np.ndarray:
    """Train one network on one label by automatic differentiation; return its logits."""
    random = np.random.default_rng(5)
    first, second = initial_weights(X.shape[1], how.hidden, random)
    weight = weight / weight.mean()
    rate = float((weight * y).mean())
    starts = [
        torch.from_numpy(first),
        torch.zeros(how.hidden),
        torch.from_numpy(second),
        torch.tensor(math.log(rate / (1 - rate))),
    ]
    parameters = [start.requires_grad_() for start in starts]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    decays = [how.weight_decay, 0.0, how.weight_decay, 0.0]
    x, t, w = (torch.from_numpy(np.asarray(a, np.float32)) for a in (X, y, weight))

    def logits(rows: Any) -> torch.Tensor:
        W, b, v, c = parameters
        return torch.relu(x[rows] @ W + b) @ v + c

    steps, step = how.epochs * steps_per_epoch(len(X), how.batch_size), 0
    for _ in range(how.epochs):
        for rows in batches(len(X), how.batch_size, random):
            loss = (w[rows] * focal(logits(rows), t[rows], gamma=1.0)).mean()
            gradients = torch.autograd.grad(loss, parameters)
            rate = how.learning_rate * rate_factor(step, steps)
            step += 1
            with torch.no_grad():
                for p, g, (m, s), decay in zip(parameters, gradients, moments, decays, strict=True):
                    m.lerp_(g, 0.1)
                    s.lerp_(g * g, 0.001)
                    p *= 1 - rate * decay
                    spread = (s / (1 - 0.999**step)).sqrt() + 1e-8
                    p -= rate * m / (1 - 0.9**step) / spread
    with torch.no_grad():
        out: np.ndarray = logits(slice(None)).numpy()
    return out


def test_all_labels_at_once_are_one_after_another(standard: Arrays) -> None:
    X, Y = standard
    weight = np.random.default_rng(1).uniform(0.5, 2.0, Y.shape).astype(np.float32)
    weights, epoch = train(X, Y, weight, partial(focal, gamma=1.0), HOW, (5,))
    alone = np.column_stack([trained_singly(X, Y[:, j], weight[:, j], HOW) for j in range(3)])
    np.testing.assert_allclose(logits_of(weights, X), alone, atol=2e-3)
    assert np.ptp(alone, axis=0).min() > 1
    assert epoch.tolist() == [4, 4, 4]


def test_no_label_sees_another(problem: Arrays) -> None:
    """Even with dropout: a label's network is what it is when trained alone."""
    X, Y = problem
    together = small().fit(X, Y).predict_proba(X)
    for j in range(3):
        alone = small().fit(X, Y[:, [j]]).predict_proba(X)
        np.testing.assert_allclose(together[:, [j]], alone, atol=1e-4)


@pytest.mark.parametrize("validated", [False, True])
def test_labels_in_blocks_are_all_at_once(
    standard: Arrays, validated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = standard
    Y = np.column_stack([Y, Y[:, ::-1]])[:, :5]
    weight = np.random.default_rng(1).uniform(0.5, 2.0, Y.shape).astype(np.float32)
    rest = (Validation(X[200:], Y[200:], weight[200:], 50.0), 0.9) if validated else ()
    of = (X[:200], Y[:200], weight[:200], partial(focal, gamma=1.0))
    how = replace(HOW, dropout=0.5, input_dropout=0.2, epochs=8)
    whole, epochs = train(*of, how, (5,), *rest)
    monkeypatch.setattr("toolkit.heads.mlp_training.BLOCK", 2)
    monkeypatch.setattr("toolkit.heads.mlp_training._SCORED_LABELS", 3)
    parts, epochs_of_parts = train(*of, how, (5,), *rest)
    np.testing.assert_allclose(logits_of(parts, X), logits_of(whole, X), atol=1e-3)
    assert epochs_of_parts.tolist() == epochs.tolist()
    assert [each.shape for each in parts.values()] == [each.shape for each in whole.values()]


def test_batches_cover_every_row_once() -> None:
    for n, size in ((2, 256), (100, 32), (1000, 256)):
        parts = list(batches(n, size, np.random.default_rng(0)))
        assert sorted(np.concatenate(parts).tolist()) == list(range(n))
        assert max(map(len, parts)) <= size
        assert len(parts) == steps_per_epoch(n, size)


def test_folds_are_fitted_one_by_one_and_kept_as_they_end(
    problem: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 3
    head = small(early_stopping=True)
    whole = cross_fit(head, X, Y, fold)
    fits: list[int] = []
    fit = MLPHead.fit

    def dying(self: MLPHead, *data: np.ndarray) -> MLPHead:
        if len(fits) == 2:
            raise KeyboardInterrupt
        fits.append(1)
        return fit(self, *data)

    def counted(self: MLPHead, *data: np.ndarray) -> MLPHead:
        fits.append(1)
        return fit(self, *data)

    monkeypatch.setattr(MLPHead, "fit", dying)
    with pytest.raises(KeyboardInterrupt):
        cross_fit(head, X, Y, fold, checkpoints=Checkpoints(tmp_path / "kept", "x"))
    fits.clear()
    monkeypatch.setattr(MLPHead, "fit", counted)
    again = cross_fit(head, X, Y, fold, checkpoints=Checkpoints(tmp_path / "kept", "x"))
    assert len(fits) == 1
    assert again.scores.tobytes() == whole.scores.tobytes()


def by_fold(head: MLPHead, X: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> list[MLPHead]:
    return [clone(head).fit(X[fold != f], Y[fold != f]) for f in range(int(fold.max()) + 1)]


def test_a_fold_is_not_learned_from(problem: Arrays) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 3
    other_x, other_y = X.copy(), Y.copy()
    other_x[fold == 0] = 1e3
    other_y[fold == 0] = 1 - other_y[fold == 0]
    head = small(early_stopping=True)
    before, after = (by_fold(head, *each, fold) for each in ((X, Y), (other_x, other_y)))
    assert before[0].predict_proba(X).tobytes() == after[0].predict_proba(X).tobytes()
    assert before[1].predict_proba(X).tobytes() != after[1].predict_proba(X).tobytes()


def test_random_labels_give_chance_out_of_fold() -> None:
    random = np.random.default_rng(3)
    X = random.normal(size=(400, 10)).astype(np.float32)
    Y = (random.random((400, 40)) < 0.3).astype(np.uint8)
    fold = np.arange(400) % 4
    scores = np.zeros(Y.shape)
    for f, model in enumerate(by_fold(small(early_stopping=True), X, Y, fold)):
        scores[fold == f] = model.predict_proba(X[fold == f])
    gaps = average_precision(Y, scores) - Y.mean(0)
    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(len(gaps)) + 0.01


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_bytes(problem: Arrays, precision: str) -> None:
    X, Y = problem
    head = small(precision=precision, seeds=2, random_state=3)
    first = head.fit(X, Y).predict_proba(X)
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.random.get_rng_state(), str(np.random.get_state())
    assert clone(head).fit(X, Y).predict_proba(X).tobytes() == first.tobytes()
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert str(np.random.get_state()) == states[1]
    other = small(precision=precision, seeds=2, random_state=4).fit(X, Y)
    assert other.predict_proba(X).tobytes() != first.tobytes()


def test_bf16_is_fp32_to_its_precision(problem: Arrays) -> None:
    X, Y = problem
    fine, coarse = (small(precision=p).fit(X, Y).predict_proba(X) for p in ("fp32", "bf16"))
    assert 0 < np.abs(fine - coarse).max() < 0.03


def test_seeds_average_logits(problem: Arrays) -> None:
    X, Y = problem
    head = small(seeds=2).fit(X, Y)
    one = small(seeds=1).fit(X, Y)
    assert one.networks_[0]["first"].tobytes() == head.networks_[0]["first"].tobytes()
    assert head.networks_[1]["first"].tobytes() != head.networks_[0]["first"].tobytes()
    other = clone(one).restore(one.state())
    other.networks_ = [head.networks_[1]]
    parts = [np.log(p / (1 - p)) for p in (one.predict_proba(X), other.predict_proba(X))]
    both = head.predict_proba(X)
    np.testing.assert_allclose(np.log(both / (1 - both)), np.mean(parts, axis=0), atol=1e-3)


def test_a_row_of_weight_0_is_absent(problem: Arrays) -> None:
    X, Y = problem
    weight = np.random.default_rng(2).integers(0, 2, len(X)).astype(np.float32)
    here = weight > 0
    for early_stopping in (False, True):
        head = small(early_stopping=early_stopping)
        weighted = clone(head).fit(X, Y, weight).predict_proba(X)
        without = clone(head).fit(X[here], Y[here]).predict_proba(X)
        assert weighted.tobytes() == without.tobytes()


def test_a_label_of_weight_0_is_not_learned_from(problem: Arrays) -> None:
    X, Y = problem
    weight = np.ones(Y.shape, np.float32)
    weight[:100, 1] = 0
    other = Y.copy()
    other[:100, 1] = 1 - other[:100, 1]
    first, second = (small().fit(X, each, weight).predict_proba(X) for each in (Y, other))
    assert first.tobytes() == second.tobytes()


def test_only_proportions_of_weights_count(problem: Arrays) -> None:
    X, Y = problem
    weight = np.random.default_rng(2).uniform(0.5, 2.0, len(X))
    first, second = (small().fit(X, Y, k * weight).predict_proba(X) for k in (1, 1000))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_class_weights_raise_rare_labels(problem: Arrays) -> None:
    X, Y = problem
    plain = small(loss="bce").fit(X, Y).predict_proba(X).mean(0)
    for class_weight in ("balanced", "pos_weight"):
        raised = small(loss="bce", class_weight=class_weight).fit(X, Y).predict_proba(X).mean(0)
        assert (raised[1:] > plain[1:] + 0.05).all()


def test_what_is_not_linear_is_learned() -> None:
    """Exclusive or: no linear head ranks it above chance."""
    random = np.random.default_rng(0)
    X = random.normal(size=(256, 2)).astype(np.float32)
    Y = (X[:, :1] * X[:, 1:] > 0).astype(np.uint8)
    for loss in ("bce", "focal", "asl"):
        head = MLPHead(
            hidden=16, epochs=40, learning_rate=0.03, dropout=0, input_dropout=0, weight_decay=0,
            loss=loss, normalise=False, device="cpu",
        )  # fmt: skip
        scores = head.fit(X, Y).predict_proba(X)
        assert scores.dtype == np.float32
        assert scores.min() >= 0
        assert scores.max() <= 1
        assert average_precision(Y, scores)[0] > 0.99


def test_a_label_keeps_the_weights_of_its_best_epoch(standard: Arrays) -> None:
    """Labels 1 and 2 are noise: learning them longer fits noise, and their best epoch is early."""
    X, Y = standard
    random = np.random.default_rng(4)
    Y = np.column_stack([Y[:, 0], random.random((len(X), 2)) < 0.4]).astype(np.uint8)
    weight = np.ones(Y.shape, np.float32)
    how = replace(HOW, hidden=32, epochs=12)
    rows, held = slice(0, 200), slice(200, 300)
    arguments = (X[rows], Y[rows], weight[rows], binary_cross_entropy, how, (0,))
    last, _ = train(*arguments)
    validation = Validation(X[held], Y[held], weight[held], shrinkage=0.0)
    best, epoch = train(*arguments, validation)

    def loss(logits: np.ndarray) -> np.ndarray:
        out: np.ndarray = (np.logaddexp(0, logits) - Y[held] * logits).mean(0)
        return out

    at_best, at_last = (loss(logits_of(each, X[held])) for each in (best, last))
    assert (epoch[1:] < 12).all()
    assert (at_best[1:] < at_last[1:]).all()
    assert (at_best <= at_last + 1e-5).all()
    for j in range(3):  # the weights are the ones of that epoch: others had a higher loss
        own = best["first"].reshape(len(best["first"]), 3, -1)[:, j]
        final = last["first"].reshape(len(last["first"]), 3, -1)[:, j]
        assert np.array_equal(own, final) == (epoch[j] == 12)


def test_a_rare_label_leans_on_the_shared_best_epoch() -> None:
    curves = np.array([[0.9, 0.9, 0.5], [0.5, 0.5, 0.6], [0.7, 0.7, 0.4]])
    positives = np.array([500, 500, 2])

    def chosen(shrinkage: float) -> list[int]:
        best = BestEpoch(np.ones(3), positives, shrinkage)
        for losses in curves:
            best.update(losses)
        found: list[int] = best.epoch.tolist()
        return found

    assert chosen(0.0) == [2, 2, 3]
    assert chosen(50.0) == [2, 2, 2]


def test_the_average_of_weights_lags_behind_them(standard: Arrays) -> None:
    X, Y = standard
    weight = np.ones(Y.shape, np.float32)
    spread = [
        np.std(logits_of(train(X, Y, weight, focal, HOW, (0,), ema_decay=a)[0], X))
        for a in (None, 0.5, 0.999)
    ]
    assert spread[0] > spread[2]
    assert abs(spread[0] - spread[1]) < abs(spread[0] - spread[2])


def test_a_row_scores_the_same_in_any_company(problem: Arrays) -> None:
    X, Y = problem
    head = small().fit(X, Y)
    together = head.predict_proba(X)
    for rows in (slice(0, 1), slice(100, None)):  # kernels may sum in another order
        np.testing.assert_allclose(head.predict_proba(X[rows]), together[rows], rtol=1e-6)


def test_a_restored_head_predicts_the_same_bytes(problem: Arrays) -> None:
    X, Y = problem
    head = small(seeds=2, normalise=False, early_stopping=True).fit(X, Y)
    again = MLPHead().restore(head.state())
    assert again.predict_proba(X).tobytes() == head.predict_proba(X).tobytes()
    assert again.epochs_.tolist() == head.epochs_.tolist()


def test_a_label_may_have_one_class_in_one_fold_only(problem: Arrays) -> None:
    X, Y = problem
    Y = Y.copy()
    fold = np.arange(len(X)) % 3
    Y[:, 1] = 0
    Y[np.flatnonzero(fold == 0)[:2], 1] = 1  # all positives lie in fold 0
    with pytest.warns(OneClassWarning, match="label '1'"):
        models = by_fold(small(early_stopping=True), X, Y, fold)
    assert (models[0].predict_proba(X)[:, 1] == 0).all()
    assert (models[1].predict_proba(X)[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"loss": "hinge"}, "loss: expected one of 'focal', 'asl', 'bce', found 'hinge'"),
        ({"epochs": 0}, r"epochs: expected a whole number in \[1, inf\), found 0"),
        ({"dropout": 1.0}, r"dropout: expected a number in \[0, 1\)"),
        ({"class_weight": "heavy"}, "class_weight: expected one of None"),
    ],
)
def test_wrong_options_are_named(problem: Arrays, option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPHead(**option).fit(*problem)
