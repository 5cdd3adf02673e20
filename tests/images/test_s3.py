"""Private buckets, by s3fs against moto's server on this machine: just test-s3 installs both."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import toolkit as tk
from tests.data.packed import Packed
from toolkit.errors import DataError
from toolkit.images import addresses
from toolkit.images.addresses import addresses_of
from toolkit.images.places import read_place

s3fs = pytest.importorskip("s3fs", reason="needs s3fs and moto[server]: just test-s3")
pytest.importorskip("moto.server", reason="needs s3fs and moto[server]: just test-s3")
pytestmark = pytest.mark.filterwarnings("ignore")

PACKED = Packed()
QUIET: dict[str, Any] = {"progress": False}
SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Faults:
    """What stands between the server and who asks: by the end of the path, answers that fail.

    Attributes:
        left: ``"slow"`` for 503 SlowDown, ``"cut"`` to hang up half-way through an answer.
        met: how many of them were given.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.left: dict[str, list[str]] = {}
        self.met = Counter[str]()
        self.lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        name = environ["PATH_INFO"].rpartition("/")[2]
        with self.lock:
            asked = self.left.get(name) if environ["REQUEST_METHOD"] == "GET" else None
            fault = asked.pop(0) if asked else ""
            self.met[fault] += 1
        if fault == "slow":
            start_response("503 Slow Down", [("Content-Length", str(len(SLOW_DOWN)))])
            return [SLOW_DOWN]
        found = self.app(environ, start_response)
        return self.half(b"".join(found)) if fault == "cut" else found

    @staticmethod
    def half(data: bytes) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        raise ConnectionResetError("cut on purpose")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    running = make_server("127.0.0.1", 0, faults, threaded=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running, faults
    running.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def keys(server: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Fill a bucket that one user may read, and another that nobody may; return the user's keys."""
    import boto3
    import requests

    home = f"http://127.0.0.1:{server[0].server_port}"
    how = {"endpoint_url": home, "region_name": "us-east-1"}
    how |= {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
    s3, iam = boto3.client("s3", **how), boto3.client("iam", **how)
    place = tmp_path_factory.mktemp("s3")
    PACKED.tars(place / "tars")
    PACKED.hub(place / "hub")
    for bucket in ("photos", "secret"):
        s3.create_bucket(Bucket=bucket)
        for file in (each for each in place.rglob("*") if each.is_file()):
            s3.put_object(
                Bucket=bucket, Key=file.relative_to(place).as_posix(), Body=file.read_bytes()
            )
        for name, data in PACKED.files.items():
            s3.put_object(Bucket=bucket, Key=f"plain/{name}", Body=data)
    iam.create_user(UserName="reader")
    may = ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]
    document = [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": may}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": document})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    requests.post(f"{home}/moto-api/reset-auth", data=b"0", timeout=30)  # from now on it asks
    return made["AccessKeyId"], made["SecretAccessKey"]


@pytest.fixture
def faults(
    server: Any, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Faults]:
    for name in [each for each in os.environ if each.startswith("AWS_") or "proxy" in each.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server[0].server_port}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(addresses, "PAUSE", 0.001)
    signed(monkeypatch, *keys)
    yield server[1]
    server[1].left.clear()
    s3fs.S3FileSystem.clear_instance_cache()


def signed(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("pattern", ["tars/{000..001}.tar", "tars/*.tar", "tars", "hub"])
def test_a_private_bucket_is_read_with_the_keys_of_the_environment(
    pattern: str, faults: Faults, tmp_path: Path
) -> None:
    local = tk.Dataset.read(PACKED.folder(tmp_path / "folder"), "set", **QUIET)
    photos = tk.Dataset.read(f"s3://photos/{pattern}", "set", **QUIET)
    assert (photos.ids, photos.digest) == (local.ids, local.digest)
    assert [read_place(place) for place in photos.paths] == list(PACKED.files.values())


def test_plain_objects(faults: Faults, tmp_path: Path) -> None:
    path = PACKED.addresses(tmp_path / "set", "s3://photos/plain")
    photos = tk.Dataset.read(path, "set", **QUIET)
    assert [read_place(place) for place in photos.paths] == list(PACKED.files.values())


def test_a_missing_key_is_final(faults: Faults) -> None:
    for place in ("s3://photos/plain/im99.jpg", "s3://photos/tars/9.tar/im1.jpg"):
        with pytest.raises(FileNotFoundError, match="nothing is there"):
            read_place(place)
    with pytest.raises(DataError, match=r"s3://photos/tars/9\.tar cannot be read: nothing is"):
        tk.Dataset.read("s3://photos/tars/{000,9}.tar", **QUIET)


def test_what_may_not_be_read_says_why(
    faults: Faults, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, what in (
        ("s3://secret/plain/im1.jpg", r"may not be read \((Access Denied|Forbidden)\)"),
        ("s3://secret/tars/000.tar/im1.jpg", r"may not be read \((Access Denied|Forbidden)\)"),
    ):
        with pytest.raises(PermissionError, match=what) as caught:
            read_place(address)
        assert "s3://secret/" in str(caught.value)
    with pytest.raises(DataError, match=r"s3://secret/\*\.tar cannot be listed: may not be read"):
        tk.Dataset.read("s3://secret/*.tar", **QUIET)
    signed(monkeypatch, keys[0], "wrong")
    with pytest.raises(OSError, match=r"may not be read \(.*(signature|Forbidden)"):
        read_place("s3://photos/plain/im1.jpg")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(OSError, match=r"no credentials were found for it.*FSSPEC_S3_ANON=true"):
        read_place("s3://photos/plain/im1.jpg")


@pytest.mark.parametrize("fault", ["slow", "cut"])
def test_throttling_and_cut_connections_are_tried_again(fault: str, faults: Faults) -> None:
    faults.met.clear()
    faults.left = {"im1.jpg": [fault] * 3}
    assert read_place("s3://photos/plain/im1.jpg") == PACKED[0][1]
    assert faults.met[fault] == 3
    faults.left = {"000.tar": [fault] * 2, "001.tar": [fault]}
    photos = tk.Dataset.read("s3://photos/tars/{000..001}.tar", "set", **QUIET)
    assert len(photos) == 40
    faults.left = {"000.tar": [fault] * 2}
    assert [read_place(place) for place in photos.paths] == list(PACKED.files.values())
    assert faults.met[fault] == 8
    faults.left = {"im1.jpg": [fault] * 99}
    with pytest.raises(OSError, match=r"tried 4 times.*s3://photos/plain/im1\.jpg"):
        read_place("s3://photos/plain/im1.jpg")
    assert faults.met[fault] == 12


def test_options_of_fsspec_go_by_the_environment(
    faults: Faults, keys: tuple[str, str], tmp_path: Path
) -> None:
    """Endpoint and keys as fsspec names them, in a process of its own that embeds nothing."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ours |= {"FSSPEC_S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
    ours |= {"FSSPEC_S3_KEY": keys[0], "FSSPEC_S3_SECRET": keys[1]}
    ours |= {"TOOLKIT_ARTIFACTS": str(tmp_path / "kept")}
    command = [sys.executable, "-m", "toolkit", "data", "import", "s3://photos/tars/*.tar"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=ours)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 40
    keyed = ("FSSPEC_S3_KEY", "FSSPEC_S3_SECRET")
    bare = {name: value for name, value in ours.items() if name not in keyed}
    bare |= {"FSSPEC_S3_ANON": "true", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [*command[:-1], "s3://photos/tars/000.tar"], capture_output=True, text=True, env=bare
    )
    assert "000.tar cannot be read: may not be read (Forbidden)" in done.stderr  # unsigned
    assert addresses_of("s3://photos/hub") == [
        f"s3://photos/hub/data/train-0000{at}-of-00002.parquet" for at in range(2)
    ]
