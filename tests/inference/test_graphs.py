"""Graphs: what was fitted, as operators, gives the same probabilities in both runtimes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.ensembles.calibration import METHODS, Calibration
from toolkit.ensembles.combiners import Combiner, Mean, Rank
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.stack import Stack
from toolkit.heads.head import OneVsRestHead
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead
from toolkit.statistics.links import logits, sigmoid

pytest.importorskip("onnx", reason="needs toolkit[onnx]")
pytest.importorskip("onnxruntime", reason="needs toolkit[onnx]")

from toolkit.inference.graphs.combine import add_calibration, add_combiner, counted_members
from toolkit.inference.graphs.graph import Graph, half_weights, interpolated
from toolkit.inference.graphs.heads import add_head
from toolkit.inference.graphs.trees import rounded_down
from toolkit.inference.runtimes import onnx_run, openvino_run

Build = Callable[[Graph, str], str]
ROWS, LABELS = 40, 4


def model_of(build: Build, shape: tuple[int | str, ...], width: int) -> bytes:
    graph = Graph()
    x = graph.input("x", np.float32, ["batch", *shape])
    found: bytes = graph.finish(
        {"y": (build(graph, x), width)}, {"kept": "text"}
    ).SerializeToString()
    return found


def ran(build: Build, X: np.ndarray, width: int, openvino: bool = True) -> np.ndarray:
    """Return what ONNX Runtime gives, after holding OpenVINO to it."""
    model = model_of(build, X.shape[1:], width)
    found = onnx_run(model)({"x": X})
    assert found.shape == (len(X), width)
    if openvino:
        import openvino as ov

        other = openvino_run(ov.Core().read_model(model))({"x": X})
        assert np.abs(found - other).max() < 1e-4
    return found


def features(signed: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 12)).astype(np.float32)
    Y = (X[:, :LABELS] + 0.3 * rng.normal(size=(120, LABELS)) > 0.4).astype(np.int8)
    if not signed:
        X = np.maximum(X, 0)
        X[0] = 0  # a row without a length
    Y[:, 1] = 0  # a label with one class
    return X, Y


HEADS: dict[str, Callable[[], OneVsRestHead]] = {
    "linear": lambda: LinearHead(Cs=[0.1]),
    "mlp": lambda: MLPHead(hidden=8, epochs=2, seeds=2, precision="fp32"),
    "multitask": lambda: MultitaskHead(hidden=8, epochs=2, precision="fp32"),
    "lightgbm": lambda: LightGBMHead(n_estimators=12, n_jobs=1),
    "trees alone": lambda: LightGBMHead(n_estimators=12, n_jobs=1, start="prior"),
}


@pytest.mark.filterwarnings("ignore::toolkit.heads.head.OneClassWarning")
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("kind", HEADS)
def test_a_head_scores_the_same(kind: str, signed: bool) -> None:
    X, Y = features(signed)
    head = HEADS[kind]().fit(X, Y)
    wanted = head.predict_proba(X)
    assert np.ptp(wanted[:, 0]) > 0.05
    found = ran(
        lambda graph, x: add_head(graph, x, head), X, LABELS, openvino="LightGBM" not in repr(head)
    )
    assert np.abs(found - wanted).max() < 1e-5
    assert (found[:, 1] == 0).all()


@pytest.mark.filterwarnings("ignore::toolkit.heads.head.OneClassWarning")
def test_a_head_without_anything_learned_is_constant() -> None:
    X, Y = features(True)
    head = LinearHead().fit(X, np.zeros_like(Y))
    assert not ran(lambda graph, x: add_head(graph, x, head), X, LABELS).any()


@given(st.floats(-1e30, 1e30), st.integers(-3, 3))
def test_a_threshold_rounded_down_sends_every_feature_the_same_way(at: float, steps: int) -> None:
    x = np.float32(at)
    for _ in range(abs(steps)):
        x = np.nextafter(x, np.float32(np.inf if steps > 0 else -np.inf))
    assert (float(x) <= at) == (x <= np.float32(rounded_down(at)))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 99))
def test_interpolation_is_numpy_s(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [
        (np.unique(rng.integers(-8, 9, length)).astype(float), rng.random(length))
        for length in lengths
    ]
    curves = [(knots, np.sort(values[: len(knots)])) for knots, values in curves]
    Z = rng.integers(-40, 41, (ROWS, len(curves))).astype(np.float32) / 4
    wanted = np.stack([np.interp(z, *curve) for z, curve in zip(Z.T, curves, strict=True)], 1)
    found = ran(lambda graph, z: interpolated(graph, z, curves), Z, len(curves), openvino=seed < 3)
    assert np.abs(found - wanted).max() < 1e-6


def scores() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    Y = (rng.random((300, LABELS)) < 0.4).astype(np.uint8)
    noise = rng.normal(size=(300, 3, LABELS))
    P = sigmoid(2.5 * (Y[:, None] - 0.5) + 1.5 * noise).round(2).clip(0, 1).astype(np.float32)
    return P, Y, np.arange(300) % 3


COMBINERS: dict[str, Callable[[], Combiner]] = {
    "mean": Mean,
    "rank": Rank,
    "greedy": lambda: Greedy(per_label=True),
    "stack": lambda: Stack(strengths=[0.1]),
    "stack of others": lambda: Stack(True, False, strengths=[0.1]),
    "stack of counts": lambda: Stack(False, True, strengths=[0.1]),
    "stack of all": lambda: Stack(True, True, False, strengths=[0.1]),
}


@pytest.mark.parametrize("kind", COMBINERS)
def test_a_combiner_combines_the_same(kind: str) -> None:
    P, Y, fold = scores()
    combiner = COMBINERS[kind]().fit(logits(P), Y, fold)
    wanted = combiner.combine(logits(P))
    used = counted_members(combiner)

    def build(graph: Graph, x: str) -> str:
        members = [
            graph.op("Gather", x, graph.constant(np.array(place), np.int64), axis=1)
            for place in used
        ]
        return add_combiner(graph, members, combiner)

    assert np.abs(ran(build, P, LABELS) - wanted).max() < 1e-5


def test_a_member_without_weight_is_left_out() -> None:
    P, Y, fold = scores()
    combiner = Greedy(bags=0, steps=1).fit(logits(P), Y, fold)
    assert len(counted_members(combiner)) == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_calibration_maps_the_same(method: str) -> None:
    P, Y, fold = scores()
    calibration = Calibration(method)
    S = np.tile(P[:, 0], (5, 1))  # isotonic regression asks for 500 positives
    calibration.cross_fit(S, np.tile(Y, (5, 1)), np.tile(fold, 5))
    calibration.maps_[0] = type(calibration.maps_[0])()  # one label stays as it is
    probe = np.concatenate([P[:, 0], np.eye(LABELS, dtype=np.float32)])
    found = ran(lambda graph, p: add_calibration(graph, p, calibration), probe, LABELS)
    assert np.abs(found - calibration.apply(probe)).max() < 1e-5


def test_half_of_the_weights_bytes_go_and_scores_hardly_move() -> None:
    import onnx

    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(ROWS, 64)).astype(np.float32), rng.normal(size=(64, 100)) / 8
    small = np.zeros(100)
    small[0] = 1e5  # fp16 does not hold it

    def build(graph: Graph, x: str) -> str:
        return graph.op("Gemm", x, graph.constant(weights), graph.constant(small))

    model = onnx.load_from_string(model_of(build, (64,), 100))
    before = len(model.SerializeToString())
    wanted = onnx_run(model.SerializeToString())({"x": X})
    half_weights(model)
    assert len(model.SerializeToString()) < 0.6 * before
    found = onnx_run(model.SerializeToString())({"x": X})
    assert 0 < np.abs(found - wanted)[:, 1:].max() < 1e-2
    assert model.metadata_props[0].value == "text"
