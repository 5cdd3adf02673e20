"""toolkit embed --verify and toolkit cache, on a damaged store and a sound one."""

import os
from pathlib import Path

from tests.cli.conftest import NETWORK, Drive

SMALL = ("--backbone", NETWORK, "--weights", "none")


def test_damage_is_found_named_removed_and_mended(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    assert toolkit("cache", "list", "--json").document["stores"] == []
    path = Path(toolkit("embed", *SMALL, "--json").document["path"])

    listing = toolkit("cache", "list", "--json").document
    assert [(s["name"], s["rows"], s["used_by"]) for s in listing["stores"]] == [
        (path.name, 60, {"small": 60})
    ]
    assert "small (60)" in toolkit("cache", "list").out
    assert toolkit("cache", "verify").code == 0
    sound = toolkit("embed", *SMALL, "--verify", "--sample", 20, "--json")
    assert sound.code == 0
    assert (sound.document["sampled"], sound.document["agrees"]) == (20, True)

    rows = path / "rows.bin"
    damaged = bytearray(rows.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    rows.write_bytes(damaged)
    found = toolkit("cache", "verify", "--json")
    assert found.code == 1
    assert len(found.document["stores"][0]["damaged"]) == 1
    assert "--damaged" in found.err
    assert toolkit("embed", *SMALL, "--verify", "--sample", 60).code == 1

    assert toolkit("cache", "prune", "--damaged", "--dry-run").code == 0
    assert toolkit("cache", "verify").code == 1
    gone = toolkit("cache", "prune", "--damaged", "--json").document
    assert gone["damaged"] == {path.name: 1}
    again = toolkit("embed", *SMALL, "--json").document
    assert (again["computed"], again["reused"]) == (1, 59)
    assert toolkit("cache", "verify").code == 0
    assert toolkit("embed", *SMALL, "--verify", "--sample", 60).code == 0


def test_a_row_of_another_image_is_found(toolkit: Drive, course: Path) -> None:
    """Checksums cannot see two images whose rows were exchanged; embedding again does."""
    toolkit("data", "import", course, "--name", "small")
    from toolkit.data.dataset_store import load_dataset
    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.cache import EmbeddingCache
    from toolkit.features.key import CacheKey, store_folder
    from toolkit.features.resolve import resolve
    from toolkit.runtime.device import choose_precision

    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    dataset = load_dataset(artifacts, "small")
    toolkit("embed", *SMALL)
    backbone, _ = resolve(BackboneSpec(NETWORK, "none"), artifacts)
    key = CacheKey(backbone, precision=choose_precision("auto", "cpu"))
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    rows = cache.read(cache.find(dataset.digests))
    for file in ("rows.bin", "index.bin"):
        (cache.folder / file).unlink()
    wrong = EmbeddingCache(cache.folder, key)
    wrong.append([digest.tobytes() for digest in dataset.digests], rows[::-1].copy())
    assert toolkit("cache", "verify").code == 0
    found = toolkit("embed", *SMALL, "--verify", "--sample", 60)
    assert found.code == 1
    assert "below" in found.out


def test_only_what_nobody_uses_is_pruned(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    toolkit("embed", *SMALL)
    assert toolkit("cache", "prune").code == 2
    nothing = toolkit("cache", "prune", "--unused", "--json").document
    assert (nothing["stores"], nothing["unused"]) == ([], {})
    for number in range(1, 11):
        (course / "images" / f"im{number}.jpg").unlink()
    for file in (course / "annotations").glob("*.txt"):
        kept = [n for n in file.read_text("utf-8-sig").split() if int(n) > 10]
        file.write_text("\n".join(kept))
    toolkit("data", "import", course, "--name", "small")
    fewer = toolkit("cache", "prune", "--unused", "--json").document
    assert list(fewer["unused"].values()) == [10]
    assert toolkit("embed", *SMALL, "--json").document["computed"] == 0
