"""bf16 features against fp32 ones, by how the weights of convolutions are rounded.

    python bench/rounding.py FOLDER_OF_IMAGES [--backbones efficientnet_lite0 ...] [--out FILE]

For each scheme: the smallest, lowest thousandth and median cosine over the images, and images a
second of the bare engine, all schemes in turn, several rounds, medians. ``nearest`` is OpenVINO's
own; ``mean`` lets the bias take what rounding does to a channel's mean; ``path`` is
toolkit's. ``+ 2`` keeps the first two convolutions in fp32. Where nncf is installed, its int8
quantization with bias correction is measured too, calibrated on the painted pictures that the
rounding meets, and on photographs of the folder that are not measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.engines.openvino import OpenVINOEngine
from toolkit.features.engines.rounding import (
    PICTURES,
    Rounded,
    convolutions,
    fold,
    inputs_met,
    keep_exact,
    photographs,
    round_layer,
    to_bf16,
)
from toolkit.features.resolve import resolve
from toolkit.images.feed import decode_group
from toolkit.images.sources import Image
from toolkit.runtime.processor import cores
from toolkit.storage.files import digest_bytes

BATCH = OpenVINOEngine.batch
Scheme = Callable[[np.ndarray, np.ndarray | None, np.ndarray], Rounded]


def nearest(weights: np.ndarray, bias: np.ndarray | None, _: np.ndarray) -> Rounded:
    return to_bf16(weights), None if bias is None else to_bf16(bias)


def mean(weights: np.ndarray, bias: np.ndarray | None, inputs: np.ndarray) -> Rounded:
    rounded = to_bf16(weights)
    if bias is None:
        return rounded, None
    fed = inputs.mean(axis=0).reshape(weights.shape[0], weights.shape[2])
    shift = np.einsum("goik,gi->go", rounded - weights, fed)
    return rounded, to_bf16((bias - shift).astype(np.float32))


SCHEMES: dict[str, tuple[Scheme, int]] = {
    "nearest": (nearest, 0),
    "nearest + 1": (nearest, 1),
    "nearest + 2": (nearest, 2),
    "nearest + 6": (nearest, 6),
    "mean + 2": (mean, 2),
    "path": (round_layer, 0),
    "path + 2": (round_layer, 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_lite0"])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    document = {}
    for name in options.backbones:
        with tempfile.TemporaryDirectory(prefix="bench-rounding-") as work:
            document[name] = measure(name, options, Path(work))
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(name: str, options: argparse.Namespace, work: Path) -> dict[str, Any]:
    backbone, load = resolve(BackboneSpec(name), work)
    pixels = decoded(options.folder, options.images, backbone)
    engines = work / "engines"
    OpenVINOEngine(backbone, load, ("original",), "fp32", engines)
    exact_file = next(engines.glob("*/model.xml"))
    exact = compiled(exact_file, pixels, "f32")
    files = {
        scheme: rounded(exact_file, work / f"{at}.xml", pixels, *SCHEMES[scheme])
        for at, scheme in enumerate(SCHEMES)
    }
    runs = {"fp32": exact} | {each: compiled(file, pixels, "bf16") for each, file in files.items()}
    if importlib.util.find_spec("nncf"):
        shown = photographs(300, pixels.shape[1])
        others = decoded(options.folder, 320, backbone, start=1)
        for title, pictures, spared in (
            ("nncf int8, painted", shown, 0),
            ("nncf int8, photographs", others, 0),
            ("nncf int8, photographs + 2", others, 2),
            ("nncf int8, photographs + 6", others, 6),
        ):
            file = quantized(exact_file, work / f"{len(runs)}.xml", pictures, spared)
            runs[title] = compiled(file, pixels, "f32")
    rates: dict[str, list[float]] = {each: [] for each in runs}
    features: dict[str, np.ndarray] = {}
    few = pixels[: min(len(pixels), 64 * BATCH)]
    for each, network in runs.items():
        features[each] = embed(network, pixels)
    for _ in range(options.rounds):
        for each, network in runs.items():
            started = time.perf_counter()
            embed(network, few)
            rates[each].append(len(few) / (time.perf_counter() - started))
    fp32 = statistics.median(rates["fp32"])
    return {
        each: cosines(features[each], features["fp32"])
        | {
            "images_per_second": round(statistics.median(rates[each]), 1),
            "over_fp32": round(statistics.median(rates[each]) / fp32, 2),
        }
        for each in runs
    }


def decoded(folder: Path, count: int, backbone: Backbone, start: int = 0) -> np.ndarray:
    paths = sorted(folder.glob("*.jpg"))
    paths = paths[start :: max(2, len(paths) // count)][: count // BATCH * BATCH]
    images = [Image(p.stem, str(p), digest_bytes(p.read_bytes())) for p in paths]
    return decode_group(images, backbone.preprocess)[1]


def rounded(file: Path, out: Path, pixels: np.ndarray, scheme: Scheme, exact: int) -> Path:
    model = ov.Core().read_model(file)
    model.reshape([BATCH, *pixels.shape[1:]])
    fold(model)
    layers = convolutions(model)
    met = inputs_met(model, layers, photographs(PICTURES, pixels.shape[1]))
    for layer, inputs in list(zip(layers, met, strict=True))[exact:]:
        layer.put(*scheme(layer.weights, layer.bias, inputs))
    ov.save_model(model, out, compress_to_fp16=False)
    keep_exact(out, [layer.name for layer in layers[:exact]])
    return out


def quantized(file: Path, out: Path, pictures: np.ndarray, exact: int) -> Path:
    import nncf  # type: ignore[import-not-found]

    model = ov.Core().read_model(file)
    model.reshape([BATCH, *pictures.shape[1:]])
    spared = [layer.name for layer in convolutions(model)[:exact]]
    batches = [pictures[at : at + BATCH] for at in range(0, len(pictures) - BATCH + 1, BATCH)]
    made = nncf.quantize(
        model,
        nncf.Dataset(batches),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
        fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(names=spared) if spared else None,
    )
    ov.save_model(made, out, compress_to_fp16=False)
    return out


def compiled(file: Path, pixels: np.ndarray, precision: str) -> Any:
    core = ov.Core()
    model = core.read_model(file)
    model.reshape([BATCH, *pixels.shape[1:]])
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": cores()}
    return core.compile_model(model, "CPU", settings | {"INFERENCE_NUM_THREADS": cores()})


def embed(network: Any, pixels: np.ndarray) -> np.ndarray:
    out = np.empty((len(pixels), network.output(0).shape[1]), np.float32)
    queue = ov.AsyncInferQueue(network, 2 * cores())

    def finished(request: Any, start: int) -> None:
        out[start : start + BATCH] = request.get_output_tensor(0).data

    queue.set_callback(finished)
    for start in range(0, len(pixels), BATCH):
        queue.start_async({0: pixels[start : start + BATCH]}, start, share_inputs=True)
    queue.wait_all()
    return out


def cosines(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return {
        "smallest": round(float(cosine.min()), 6),
        "quantile_0.001": round(float(np.quantile(cosine, 0.001)), 6),
        "median": round(float(np.median(cosine)), 6),
        "below_0.999": int((cosine < 0.999).sum()),
        "below_0.998": int((cosine < 0.998).sum()),
    }


if __name__ == "__main__":
    main()
