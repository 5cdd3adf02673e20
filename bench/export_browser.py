"""An exported model in a browser: onnxruntime-web in Chromium against ONNX Runtime here.

    python -m bench.export_browser MODEL PHOTO --web DIST --out docs/results/export-browser.json

MODEL is a folder written with format onnx; DIST the folder ``dist`` of the package onnxruntime-web.
The page is given the photograph twice: as the pixels that ``predict.py`` makes of it, in a PNG, and
as it is, for the browser's canvas to decode, scale and crop.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import importlib.util
import io
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image
from playwright.sync_api import sync_playwright

PAGE = """<!doctype html><script src="dist/ort.wasm.min.js"></script><script>
async function scored(place, side, crop, names) {
  const photo = new Image();
  photo.src = place;
  await photo.decode();
  const scale = side / Math.min(photo.width, photo.height);
  const width = Math.floor(photo.width * scale), height = Math.floor(photo.height * scale);
  const context = new OffscreenCanvas(crop, crop).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, -Math.round((width - crop) / 2), -Math.round((height - crop) / 2),
                    width, height);
  const rgba = context.getImageData(0, 0, crop, crop).data, rgb = new Uint8Array(crop * crop * 3);
  for (let at = 0; at < crop * crop; at++)
    for (let band = 0; band < 3; band++) rgb[3 * at + band] = rgba[4 * at + band];
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/dist/";
  window.session ??= await ort.InferenceSession.create("model.onnx");
  const tensor = new ort.Tensor("uint8", rgb, [1, crop, crop, 3]), start = performance.now();
  const given = Object.fromEntries(names.map(name => [name, tensor]));
  const found = (await session.run(given)).prediction;
  return { scores: Array.from(found.data), ms: performance.now() - start };
}
</script>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--web", type=Path, required=True)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    facts = measured(asked.model.absolute(), asked.photo, asked.web.absolute(), asked.chromium)
    text = json.dumps(facts, indent=1) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


def measured(model: Path, photo: Path, web: Path, chromium: str) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(str(model / "model.onnx"))
    inputs = json.loads(session.get_modelmeta().custom_metadata_map["preprocess"])
    assert len(inputs) == 1, "expected a model of one input"
    pixels = script(model).picture(str(photo), inputs[0])
    wanted = session.run(["prediction"], {inputs[0]["name"]: pixels[None]})[0][0]
    fields = inputs[0]["transformers"]
    side = fields["size"].get("shortest_edge") or fields["size"]["height"]
    crop, names = fields["crop_size"]["height"], [inputs[0]["name"]]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "dist").symlink_to(web)
        (place / "model.onnx").symlink_to(model / "model.onnx")
        (place / "index.html").write_text(PAGE)
        (place / "photo").write_bytes(photo.read_bytes())
        handler = functools.partial(Quiet, directory=scratch)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page()
                page.set_default_timeout(240_000)
                page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
                call = "given => scored(...given)"
                started = time.perf_counter()
                same = page.evaluate(call, [png(pixels), crop, crop, names])
                seconds = time.perf_counter() - started
                own = page.evaluate(call, ["photo", side, crop, names])
                version, web_version = browser.version, page.evaluate("ort.env.versions.web")
                browser.close()
            server.shutdown()
    return {
        "made_by": "python -m bench.export_browser MODEL PHOTO --web DIST",
        "model": model.name,
        "chromium": version,
        "onnxruntime_web": web_version,
        "onnxruntime": onnxruntime.__version__,
        "labels": len(wanted),
        "difference_same_pixels": float(np.abs(np.array(same["scores"]) - wanted).max()),
        "difference_own_canvas": float(np.abs(np.array(own["scores"]) - wanted).max()),
        "seconds_to_load_and_score": round(seconds, 1),
        "ms_of_the_second_run": round(own["ms"], 1),
    }


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def script(model: Path) -> Any:
    """Return the exported folder's predict.py as a module."""
    described = importlib.util.spec_from_file_location("exported_predict", model / "predict.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def png(pixels: np.ndarray) -> str:
    """Return pixels as the address of a PNG, which loses nothing."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()
