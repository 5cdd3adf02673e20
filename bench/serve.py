"""The services of docs/serve.md under load: rates, latency, the engine's ceiling, hostile bodies.

    python bench/serve.py MODEL PHOTOS --out docs/results/serve.json

MODEL is a folder written with format onnx, PHOTOS a folder of JPEGs. It needs fastapi, uvicorn,
ray[serve], onnxruntime, Pillow and numpy, and nothing of the toolkit.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import platform
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PAGE = Path(__file__).parents[1] / "docs" / "serve.md"
HOSTILE = 60
START_RAY = """
import os, time
import ray
there = "RAY_ADDRESS" in os.environ
ray.init(**({{}} if there else {{"num_cpus": 2, "include_dashboard": False}}))
serve.start(http_options={{"port": {port}}})
serve.run(app)
open("ready", "w").close()
time.sleep(3600)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--concurrency", default="1,8,16")
    parser.add_argument("--services", default="FastAPI,Ray Serve")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    model = asked.model.absolute()
    bodies = [file.read_bytes() for file in sorted(asked.photos.glob("*.jpg"))[:64]]
    document: dict[str, Any] = {
        "made_by": "python bench/serve.py MODEL PHOTOS",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "note": "Clients, service and other work shared the cores: rates are lower bounds. "
        "ceiling: prepared pixels through the same graph in batches of 1 and 16, no decoding, no "
        "HTTP, images a second just before and just after the service's rows. hostile: bodies that "
        "are no images, or too large.",
        "rows": [],
    }
    for name in asked.services.split(","):
        before, rows = ceilings(model, bodies), []
        with tempfile.TemporaryDirectory() as scratch, started(name, model, Path(scratch)) as place:
            for body in bodies[:8]:
                post(*place, body)
            for clients in map(int, asked.concurrency.split(",")):
                rows.append({"service": name, **load(place, bodies, asked.requests, clients)})
                print(rows[-1], file=sys.stderr, flush=True)
            refused = hostile(place, bodies[0])
        around = {"before": before, "after": ceilings(model, bodies)}
        print(around, refused, file=sys.stderr, flush=True)
        document["rows"] += [row | {"ceiling": around} for row in rows]
        document["hostile"] = document.get("hostile", {}) | {name: refused}
    if asked.out is not None and asked.out.is_file():  # what another run measured stays
        old, done = json.loads(asked.out.read_text()), set(asked.services.split(","))
        document["rows"] += [row for row in old["rows"] if row["service"] not in done]
        document["hostile"] = old["hostile"] | document["hostile"]
    text = json.dumps(document, indent=1) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


def load(
    place: tuple[int, str], bodies: list[bytes], requests: int, clients: int
) -> dict[str, Any]:
    """Post photographs from several clients at once."""

    def one(at: int) -> tuple[int, float]:
        started = time.perf_counter()
        status, _ = post(*place, bodies[at % len(bodies)])
        return status, time.perf_counter() - started

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(one, range(requests)))
    seconds = time.perf_counter() - began
    waits = np.array([wait for _, wait in answers]) * 1000
    return {
        "concurrency": clients,
        "requests": requests,
        "answered_200": sum(status == 200 for status, _ in answers),
        "requests_per_second": round(requests / seconds, 1),
        "latency_ms": {
            f"p{rank}": round(float(np.percentile(waits, rank)), 1) for rank in (50, 95, 99)
        },
    }


def hostile(place: tuple[int, str], good: bytes) -> dict[str, int]:
    """Post bodies that are no images; count the answers by status. A photograph ends it."""
    rng = random.Random(0)
    bodies = [b"", b"\x00", b"GIF89a", b"{}", b"<svg/>", good[:40], b"\xff\xd8\xff" * 99]
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    bodies += [bomb.getvalue(), bytes(20_000_001)]
    bodies += [rng.randbytes(rng.randrange(1, 3000)) for _ in range(HOSTILE)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: post(*place, body)[0], bodies))
    assert post(*place, good)[0] == 200, "the service no longer answers"
    return {str(status): answers.count(status) for status in sorted(set(answers))}


def ceilings(model: Path, bodies: list[bytes]) -> dict[str, float]:
    return {str(rows): ceiling(model, bodies, rows) for rows in (1, 16)}


def ceiling(model: Path, bodies: list[bytes], rows: int) -> float:
    """Return images a second of the graph on prepared pixels, the best of three passes."""
    import onnxruntime

    sys.path.insert(0, str(model))
    from predict import picture  # type: ignore[import-not-found]

    session = onnxruntime.InferenceSession(str(model / "model.onnx"))
    inputs = json.loads(session.get_modelmeta().custom_metadata_map["preprocess"])
    given = {
        each["name"]: np.stack([picture(io.BytesIO(body), each) for body in bodies[:16]])
        for each in inputs
    }
    passes = []
    for _ in range(3):
        began = time.perf_counter()
        for at in range(0, 16, rows):
            part = {name: pixels[at : at + rows] for name, pixels in given.items()}
            session.run(["prediction"], part)
        passes.append(time.perf_counter() - began)
    return round(16 / min(passes), 1)


def post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", path, body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def started(name: str, model: Path, folder: Path) -> Iterator[tuple[int, str]]:
    """Start a service of the page; give its port and path."""
    found = re.findall(
        rf"```python\n# service.py with {name}\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "model").symlink_to(model)
    code, command, path = found[0], ["service.py"], "/"
    if name == "Ray Serve":
        code = code.replace('FOLDER = "model"', f"FOLDER = {str(model)!r}")
        code += START_RAY.format(port=port)
    else:
        command = ["-m", "uvicorn", "service:app", "--port", str(port), "--no-access-log"]
        path = "/predict"
    (folder / "service.py").write_text(code)
    # Ray lowers its workers' priority by 15, which on a machine that others use is another matter
    priority = os.environ | {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=log, stderr=log, env=priority
        )
        try:
            wait(process, port, folder, name == "Ray Serve")
            yield port, path
        finally:
            process.terminate()
            process.wait(60)


def wait(
    process: subprocess.Popen[bytes], port: int, folder: Path, file: bool, seconds: float = 300
) -> None:
    """Wait until a service listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            listens = probe.connect_ex(("127.0.0.1", port)) == 0
        if listens and (not file or (folder / "ready").exists()):
            return
        time.sleep(0.5)
    raise SystemExit((folder / "log.txt").read_text()[-2000:])


if __name__ == "__main__":
    main()
