"""The same photographs in every container: the same rows, members, findings and pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import toolkit as tk
from tests.cli.conftest import NETWORK, Drive
from tests.data.packed import LABELS, Packed
from toolkit.errors import DataError
from toolkit.images.hashes import hash_images
from toolkit.images.thumbnails import Thumbnails

PACKED = Packed(40)


def far(folder: Path) -> Path | str:
    """Put a folder where addresses lead to, and nothing else in its place."""
    import fsspec

    bucket = f"{folder.parent.name}-{folder.name}".replace(" ", "-")
    for file in [each for each in folder.rglob("*") if each.is_file()]:
        at = f"/{bucket}/{file.relative_to(folder).as_posix()}"
        fsspec.filesystem("memory").pipe_file(at, file.read_bytes())
        file.unlink()
    return f"memory://{bucket}"


WAYS: dict[str, Callable[[Path], Path | str]] = {
    "folder": PACKED.folder,
    "tar": PACKED.tars,
    "arrow": PACKED.arrow,
    "hub": PACKED.hub,
    "parquet": PACKED.parquet,
    "memory": PACKED.addresses,
    "far tar": lambda place: far(PACKED.tars(place)),
    "far hub": lambda place: far(PACKED.hub(place)),
}
FROZEN: dict[str, Any] = {"weights": "none", "progress": False}


@pytest.fixture
def artifacts(toolkit: Drive, tmp_path: Path) -> Path:
    """Return an artifacts folder whose converted networks all tests share."""
    return tmp_path / "artifacts"


def test_embeddings_are_shared_by_content(artifacts: Path, tmp_path: Path) -> None:
    rows: dict[str, np.ndarray] = {}
    read: dict[str, tk.Dataset] = {}
    for name, write in WAYS.items():
        photos = read[name] = tk.Dataset.read(write(tmp_path / name), safe(name), progress=False)
        found = tk.embed(photos, NETWORK, artifacts=artifacts, **FROZEN)
        assert found.facts()["computed"] == (40 if name == "folder" else 0)
        own = [photos.digests[row].tobytes() for row in range(40)]
        rows[name] = found.X[sorted(range(40), key=own.__getitem__)]
        if name == "memory":
            alone = tk.ImageEmbedder(NETWORK, weights="none", artifacts=artifacts)
            np.testing.assert_array_equal(alone.fit_transform(photos.paths), found.X)
    for name in WAYS:
        np.testing.assert_array_equal(rows[name], rows["folder"])
    for name in ("tar", "hub", "memory", "far tar", "far hub"):  # and not from the cache
        photos = read[name]
        other = tmp_path / f"{safe(name)}-artifacts"
        (other / "embeddings").mkdir(parents=True)
        (other / "embeddings" / "engines").symlink_to((artifacts / "embeddings/engines").resolve())
        found = tk.embed(photos, NETWORK, artifacts=other, verify=True, **FROZEN)
        assert found.facts()["computed"] == 40
        own = [photos.digests[row].tobytes() for row in range(40)]
        np.testing.assert_array_equal(
            found.X[sorted(range(40), key=own.__getitem__)], rows["folder"]
        )


def safe(name: str) -> str:
    return name.replace(" ", "-")


def mixed(place: Path) -> Path:
    """Write a table whose images lie in all kinds of places."""
    places = {}
    for name, write in WAYS.items():
        photos = tk.Dataset.read(write(place / name), safe(name), progress=False)
        for path, digest in zip(photos.paths, photos.digests, strict=True):
            places[name, digest.tobytes()] = path
    folder = tk.Dataset.read(place / "folder", progress=False)
    rows = []
    for row in range(40):
        way = list(WAYS)[row % len(WAYS)]
        path = places[way, folder.digests[row].tobytes()]
        rows.append({"image": path.removeprefix(f"{place}/"), "id": row, "label": "|".join(
            label for label, yes in zip(LABELS, folder.Y[row], strict=True) if yes)})  # fmt: skip
    pd.DataFrame(rows).to_csv(place / "mixed.csv", index=False)
    return place / "mixed.csv"


def test_all_verbs_work_wherever_the_images_are(
    toolkit: Drive, artifacts: Path, tmp_path: Path
) -> None:
    path = mixed(tmp_path)
    imported = toolkit("data", "import", path, "--name", "mixed", "--labels", "label", "--json")
    assert imported.code == 0, imported.err
    photos = tk.Dataset.read(path, "mixed", labels="label", progress=False)
    assert sum(file.startswith("memory://") for file in photos.files) == 15
    assert sum(".tar/" in file for file in photos.files) == 10
    how = {"artifacts": artifacts, "split": "paper", **FROZEN}
    linear = tk.ovr(photos, features=[NETWORK], head="linear", folds=3, **how)
    assert len(linear.predictions) == 40
    tuned = tk.finetune(
        photos, NETWORK, size=32, epochs=1, tensorboard=False, aux="colour,any", **how
    )
    assert linear.skipped == tuned.skipped == []
    audit = tk.audit(photos, NETWORK, permutations=99, html=tmp_path / "audit.html", **how)
    assert "cannot be decoded" not in str(audit)
    page = tmp_path / "report.html"
    tk.report(photos, page, resamples=20, artifacts=artifacts, progress=False)
    assert "mixed" in page.read_text()
    pictures = Thumbnails(photos.paths)
    assert all(pictures(row) for row in range(40))
    assert hash_images(photos.paths).problem == ("",) * 40
    for member in (linear, tuned):
        found = tk.predict(photos, member, artifacts=artifacts, progress=False)
        assert (found.images, found.skipped) == (40, [])
        scores = found.to_frame()
        assert list(scores["image"]) == photos.paths
        assert scores[list(LABELS)].notna().all().all()
        folder = tk.predict(tmp_path / "folder" / "images", member, artifacts=artifacts,
                            progress=False).to_frame()  # fmt: skip
        content = {d.tobytes(): row for row, d in enumerate(photos.digests)}
        again = tk.Dataset.read(tmp_path / "folder", progress=False)
        rows = [content[d.tobytes()] for d in again.digests]
        np.testing.assert_allclose(
            scores[list(LABELS)].to_numpy()[rows], folder[list(LABELS)].to_numpy(), atol=1e-6
        )
    shard = toolkit("predict", tmp_path / "tar" / "001.tar", "--model", linear.name, "--json")
    assert shard.code == 0, shard.err
    named = {each["image"] for each in json.loads(shard.out)["predictions"]}
    assert named == {name for name, _ in PACKED.members()[30:] if name.endswith(".jpg")}
    address = "memory://packed/set/im3.jpg"
    one = toolkit("predict", address, tmp_path / "hub/data/train-00000-of-00002.parquet",
                  "--model", linear.name, "--json")  # fmt: skip
    assert one.code == 0, one.err
    names = [each["image"] for each in json.loads(one.out)["predictions"]]
    assert names[0] == address
    assert len(names) == 26
    lost = toolkit("predict", "memory://packed/set/im99.jpg", "--model", linear.name)
    assert lost.code == 3
    assert "nothing is there" in lost.err


def test_an_image_that_changes_in_its_container_is_noticed(artifacts: Path, tmp_path: Path) -> None:
    import fsspec

    photos = tk.Dataset.read(PACKED.addresses(tmp_path / "set", "memory://moved"), progress=False)
    fsspec.filesystem("memory").pipe_file("/moved/im5.jpg", PACKED[1][1])
    with pytest.raises(DataError, match=r"memory://moved/im5.jpg changed after it was import"):
        tk.embed(photos, NETWORK, artifacts=artifacts, **FROZEN)
    tar = tk.Dataset.read(PACKED.tars(tmp_path / "tars"), progress=False)
    PACKED.tars(tmp_path / "again")
    (tmp_path / "again" / "001.tar").replace(tmp_path / "tars" / "000.tar")
    with pytest.raises(DataError, match="15 images of data set tars changed or went missing"):
        tk.embed(tar, NETWORK, artifacts=artifacts, **FROZEN)
