"""The services of docs/serve.md run as they are written, and answer a real client."""

import io
import json
import random
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import toolkit as tk

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
HOSTILE = 60


def block(title: str) -> str:
    found = re.findall(
        rf"```python\n# (?:service.py with )?{title}\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    assert len(found) == 1
    return str(found[0])


def hostile(good: bytes) -> Iterator[bytes]:
    """Bodies that are no images: cut, flipped, empty, other formats, and a bomb."""
    rng = random.Random(0)
    yield from (b"", b"\x00", b"GIF89a", b"{}", b"<svg/>", good[:40], b"\xff\xd8\xff" * 99)
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    yield bomb.getvalue()
    for _ in range(HOSTILE):
        yield rng.randbytes(rng.randrange(1, 3000))


def post(address: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(address, body, {"Content-Type": "image/jpeg"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextmanager
def service(folder: Path, *command: str) -> Iterator[None]:
    """Run a service until it is no longer needed."""
    log = (folder / "log.txt").open("w")
    with (
        log,
        subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def wait_for(port: int, folder: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail((folder / "log.txt").read_text()[-2000:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(address: str, exported: Path, fitted: Path) -> None:
    """Every image is answered with its own scores, whatever comes between; the rest with 4xx."""
    files = [fitted.parent / "course" / "images" / f"im{n}.jpg" for n in range(1, 25)]
    bodies = [file.read_bytes() for file in files]
    bad = list(hostile(bodies[0]))
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda body: post(address, body), [*bodies, *bad]))
    assert [status for status, _ in answers[: len(bodies)]] == [200] * len(bodies)
    assert all(400 <= status < 500 for status, _ in answers[len(bodies) :])
    wanted = tk.load_model(exported / "onnx").predict([str(file) for file in files])
    for (_, answer), (_, row) in zip(answers, wanted.iterrows(), strict=False):
        found = json.loads(answer)
        assert list(found) == ["day", "red"]
        assert found["day"] == pytest.approx(row["day"], abs=1e-4)


def test_the_service_of_the_page_answers(exported: Path, fitted: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs fastapi")
    pytest.importorskip("uvicorn", reason="needs uvicorn")
    (tmp_path / "model").symlink_to(exported / "onnx")
    (tmp_path / "service.py").write_text(block("FastAPI"))
    port = free_port()
    with service(tmp_path, "-m", "uvicorn", "service:app", "--port", str(port)):
        wait_for(port, tmp_path, 120)
        address = f"http://127.0.0.1:{port}/predict"
        check(address, exported, fitted)
        assert post(address, bytes(20_000_001))[0] == 413


def test_the_deployment_of_the_page_answers(exported: Path, fitted: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.serve", reason="needs ray[serve]")
    code = block("Ray Serve").replace('FOLDER = "model"', f"FOLDER = {str(exported / 'onnx')!r}")
    port = free_port()
    start = f"""
import time
import ray
ray.init(num_cpus=2, include_dashboard=False)
serve.start(http_options={{"port": {port}}})
serve.run(app)
open("ready", "w").close()
time.sleep(600)
"""
    (tmp_path / "service.py").write_text(code + start)
    with service(tmp_path, "service.py"):
        end = time.monotonic() + 180
        while not (tmp_path / "ready").exists() and time.monotonic() < end:
            time.sleep(0.5)
        wait_for(port, tmp_path, 1)
        check(f"http://127.0.0.1:{port}/", exported, fitted)
