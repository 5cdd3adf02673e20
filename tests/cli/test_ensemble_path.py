"""Ensemble, predict and export through the command line, on small pictures."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from tests.cli.conftest import NETWORK, Drive, copied
from toolkit.data.dataset_store import load_dataset
from toolkit.ensembles.thresholds import fit_thresholds
from toolkit.errors import DataError, UsageError
from toolkit.images.pixel_store import PixelKey, decode_pixels
from toolkit.images.sources import Images
from toolkit.inference.scorers import in_artifacts, open_scorer
from toolkit.members.member import Member, load_member
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD

SMALL = ("--features", NETWORK, "--weights", "none", "--folds", 3)
TREES = ("--head", "lightgbm", "--set", "n_estimators=5")


def artifacts() -> Path:
    return Path(os.environ["TOOLKIT_ARTIFACTS"])


@pytest.fixture
def made(toolkit: Drive, fitted: Path) -> Drive:
    """Two linear heads on a random network."""
    copied(fitted, artifacts(), "both")
    return toolkit


def read(file: Path) -> dict[str, np.ndarray]:
    lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
    return {Path(cells[0]).stem: np.array([float(cell) for cell in cells[1:]]) for cells in lines}


def images_held_out(member: Member) -> list[str]:
    own = member.scored
    return [i for i, o in zip(own.ids, own.origin, strict=True) if o == HELD_OUT]


class Whole:
    """A batch of a data set's images, all of them cached."""

    device = "cpu"

    def __init__(self, name: str) -> None:
        dataset = load_dataset(artifacts(), name)
        self.images = Images(dataset.ids, dataset.paths, dataset.digests)

    def features(self, keys: Any) -> np.ndarray:
        from toolkit.features.matrix import gather

        return gather(self.images.digests, keys, artifacts()).X

    def pixels(self, key: PixelKey) -> np.ndarray:
        return decode_pixels(self.images, key)[0]


def test_from_members_to_predictions_and_a_folder_of_its_own(
    made: Drive, fitted: Path, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = made("ensemble", "--method", "stack", "--folds", 3, "--name", "e", "--json").document
    assert (document["origin"], document["images"]) == ("out-of-fold", 54)
    assert document["members"] == ["strong", "weak"]
    assert document["metrics"]["map"] > 0.7
    assert set(document["evidence"]["differences"]["map"]) == {
        "ensemble", "member", "difference", "low", "high", "p",
    }  # fmt: skip
    ensemble = load_member(artifacts(), "e")
    assert ensemble.kind == "ensemble"
    assert set(ensemble.scored.origin.tolist()) == {OUT_OF_FOLD, HELD_OUT}

    page = made("ensemble", "--method", "stack", "--folds", 3, "--name", "e")
    assert "up to date" in page.err
    assert "methods tried" in page.out
    assert max(map(len, page.out.splitlines())) <= 100

    again = made("ensemble", "--method", "mean", "--folds", 3, "--name", "e")
    assert again.code == 2
    assert "overwrite" in again.err

    rows = {row["name"]: row for row in made("compare", "--json").document["rows"]}
    assert rows["e"]["kind"] == "ensemble"
    saved = document["thresholds"]["per_label"]
    assert rows["e"]["tuned"]["thresholds"] == saved
    assert rows["strong"]["tuned"]["objective"] == "f1"
    assert rows["always no"]["tuned"] is None
    assert "macro-F1" in made("compare").out

    # an image of the development set: what the fitted models give, to 1e-5; of the test part: what
    # was saved with the ensemble
    images = course / "images"
    out = tmp_path / "scores.csv"
    done = made("predict", images, "--model", "e", "--out", out, "--json").document
    assert (done["images"], done["skipped"]) == (60, [])
    found = read(out)
    direct = open_scorer(in_artifacts(artifacts()), "e").score(Whole("small"))
    dataset = load_dataset(artifacts(), "small")
    for row, image in enumerate(dataset.ids):
        np.testing.assert_allclose(found[image], direct[row], atol=1e-5)
    held = images_held_out(ensemble)
    assert len(held) == 6
    for image in held:
        np.testing.assert_allclose(found[image], ensemble.scored.for_ids([image])[0], atol=1e-5)

    # decisions at the tuned thresholds
    tsv = tmp_path / "course.tsv"
    assert made("predict", images, "--model", "e", "--out", tsv, "--course-tsv").code == 0
    lines = [line.split("\t") for line in tsv.read_text().splitlines()]
    assert lines[0] == ["image", "day", "red"]
    assert [line[0] for line in lines[1:]] == [str(number) for number in range(1, 61)]
    cuts = np.array([saved["day"], saved["red"]], np.float32)
    for number, *cells in lines[1:]:
        assert [int(cell) for cell in cells] == (
            found[f"im{number}"].astype(np.float32) >= cuts
        ).tolist()

    # and on a machine that has the exported folder only
    bundle = tmp_path / "bundle"
    exported = made("export", "e", bundle, "--json").document
    assert exported["members"] == ["e", "strong", "weak"]
    stamp = (bundle / "bundle.json").stat().st_mtime_ns
    assert made("export", "e", bundle).code == 0  # the same again: nothing is written
    assert (bundle / "bundle.json").stat().st_mtime_ns == stamp
    assert made("export", "strong", bundle).code == 2  # another model is in its way
    assert made("export", "e", bundle, "--overwrite").code == 0
    files = [file.name for file in bundle.rglob("*") if file.is_file()]
    assert not [name for name in files if re.search(r"\.(pkl|pickle|pt|pth|joblib)$", name)]
    card = (bundle / "MODEL_CARD.md").read_text()
    for heading in ("## Data", "## Metrics", "## Intended use", "## Limits"):
        assert heading in card
    assert f"{rows['e']['metrics']['map']:.3f}" in card
    everything = "".join(f.read_text() for f in bundle.rglob("*") if f.suffix in (".json", ".toml"))
    assert str(tmp_path) not in everything + card
    assert str(fitted) not in everything + card
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path / "elsewhere"))
    there = tmp_path / "there.csv"
    assert made("predict", images, "--model", bundle, "--out", there).code == 0
    for image, scores in read(there).items():
        np.testing.assert_allclose(scores, found[image], atol=1e-5)
    binary = tmp_path / "binary.csv"
    assert made("predict", images, "--model", bundle, "--out", binary, "--binary").code == 0
    assert [line.split(",")[1:] for line in binary.read_text().splitlines()] == [
        line[1:] for line in lines
    ]

    damaged = next(bundle.rglob("combiner.safetensors"))
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    refused = made("predict", images, "--model", bundle, "--out", there)
    assert refused.code == 1
    assert "not what was written" in refused.err


def test_python_scores_as_the_shell_does(
    toolkit: Drive, fitted: Path, course: Path, tmp_path: Path
) -> None:
    copied(fitted, artifacts())
    files = [course / "images" / f"im{number}.jpg" for number in (7, 3, 11)]
    out, broken = tmp_path / "out.csv", tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    assert toolkit("predict", *files, "--model", "both", "--out", out).code == 0
    shell = np.array(list(read(out).values()))
    member = tk.load_member("both")
    with Image.open(files[2]) as picture:
        given = [files[0], broken, np.asarray(Image.open(files[1])), picture]
        with pytest.warns(UserWarning, match="1 image could not be scored"):
            frame = member.predict(given)
    assert frame["image"].tolist() == [str(files[0]), str(broken), "2", "3"]
    scores = frame[["day", "red"]].to_numpy()
    assert np.isnan(scores[1]).all()
    np.testing.assert_allclose(scores[[0, 2, 3]], shell, atol=1e-6)

    exported = member.export(tmp_path / "model")
    assert exported.facts()["members"] == ["both", "strong", "weak"]
    model = tk.load_model(tmp_path / "model")
    there = model.predict(files)
    np.testing.assert_array_equal(there[["day", "red"]].to_numpy(), scores[[0, 2, 3]])
    tuned = tk.ensemble_facts(member)["thresholds"]["per_label"]
    assert (model.labels, model.thresholds) == (("day", "red"), tuned)
    decided = model.predict(files, binary=True)
    for label, threshold in tuned.items():
        yes = there[label] >= np.float32(threshold)
        assert decided[label].tolist() == yes.astype(int).tolist()

    kept = tk.predict([*files, broken], "both", out=tmp_path / "out.parquet")
    assert kept.facts()["images"] == 3
    assert [each["image"] for each in kept.skipped] == [str(broken)]
    np.testing.assert_array_equal(
        kept.to_frame()[["day", "red"]].to_numpy(), there[["day", "red"]].to_numpy()
    )
    shown = toolkit("predict", *files, broken, "--model", "both")
    assert (shown.code, shown.out) == (3, out.read_text())
    document = toolkit("predict", *files, "--model", "both", "--json").document
    assert [each["image"] for each in document["predictions"]] == [str(file) for file in files]
    with pytest.raises(UsageError, match="expected a folder that toolkit export wrote"):
        tk.load_model(tmp_path)
    with pytest.raises(UsageError, match="course_tsv: expected out"):
        tk.predict(files, member, course_tsv=True)
    with pytest.raises(DataError, match="expected an array uint8"):
        member.predict(np.zeros((4, 4, 3)))


def test_a_head_predicts_alone_from_a_local_weights_file(
    toolkit: Drive, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    import torch

    torch.manual_seed(3)
    weights = tmp_path / "weights.pth"
    architecture = NETWORK.removeprefix("timm/")
    torch.save(timm.create_model(architecture).state_dict(), weights)
    toolkit("data", "import", course, "--name", "small")
    features = ("--features", f"{NETWORK}@{weights},timm/test_vit", "--weights", "none")
    chosen = (*features, "--size", 96, "--pooling", "default", "--folds", 3, "--precision", "fp32")
    done = toolkit("ovr", *chosen, *TREES, "--name", "trees")
    assert done.code == 0, done.err
    bundle, out = tmp_path / "bundle", tmp_path / "out.csv"
    assert toolkit("export", "trees", bundle).code == 0
    copied = list((bundle / "weights").iterdir())
    assert [file.read_bytes() for file in copied] == [weights.read_bytes()]
    member = load_member(artifacts(), "trees")
    weights.unlink()
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path / "elsewhere"))
    listing = tmp_path / "list.csv"
    held = images_held_out(member)
    lines = [f"course/images/{image}.jpg" for image in held]
    listing.write_text("\n".join(["image", *lines, "course/images/none.jpg"]))
    done = toolkit("predict", listing, "--model", bundle, "--out", out, "--json")
    assert done.code == 3
    assert [each["image"] for each in done.document["skipped"]] == ["course/images/none.jpg"]
    assert list(read(out)) == held
    for image, scores in read(out).items():
        np.testing.assert_allclose(scores, member.scored.for_ids([image])[0], atol=1e-5)
    torch.save(timm.create_model(architecture).state_dict(), copied[0])
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert f"weights/{copied[0].name}" in manifest["files"]
    assert toolkit("predict", listing, "--model", bundle, "--out", out).code == 1


def test_a_head_sees_two_crops_of_a_picture_side_by_side(made: Drive, course: Path) -> None:
    both = made("ovr", *SMALL, "--set", "Cs=[1.0]", "--crop", "full, center", "--json")
    assert both.code == 0, both.err
    member = load_member(artifacts(), f"linear-{NETWORK.replace('/', '-')}-center+full")
    assert member.source.endswith("(center + full)")
    again = made("ovr", *SMALL, "--set", "Cs=[1.0]", "--crop", "center,full")
    assert "up to date" in again.err
    keys = json.loads((member.folder / "model" / "notes.json").read_text())["keys"]
    assert len({str(key) for key in keys}) == 2
    out = course / "two.csv"
    assert made("predict", course / "images", "--model", member.name, "--out", out).code == 0
    found = read(out)
    for image in images_held_out(member):
        np.testing.assert_allclose(found[image], member.scored.for_ids([image])[0], atol=1e-5)
    refused = made("ovr", *SMALL, "--crop", "center,half")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "crop: expected center or full, found 'half'" in refused.err


def test_a_member_made_again_is_not_mistaken_for_the_old_one(made: Drive, course: Path) -> None:
    assert made("ensemble", "--method", "mean", "--folds", 3, "--name", "e").code == 0
    assert made("ovr", *SMALL, "--set", "Cs=[1.0]", "--name", "weak", "--overwrite").code == 0
    out = course / "out.csv"
    refused = made("predict", course / "images", "--model", "e", "--out", out)
    assert refused.code == 1
    assert "member weak was made again" in refused.err
    assert not out.exists()
    # its inputs are others now
    assert made("ensemble", "--method", "mean", "--folds", 3, "--name", "e").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ensemble", "--members", "nobody,weak"], 2, "no member named nobody"),
        (["ensemble", "--members", "weak", "--folds", 3], 2, "expected two or more"),
        (["ensemble", "--members", "weak,strong", "--folds", 4], 1, "was made on other folds"),
        (["ensemble", "--method", "vote", "--folds", 3], 2, "method: expected mean"),
        (["ensemble", "--calibration", "x", "--folds", 3], 2, "calibration: expected auto"),
        (["ensemble", "--thresholds", "x", "--folds", 3], 2, "thresholds: expected f1"),
        (["ensemble", "--members", "e,weak", "--name", "weak"], 2, "no member named e"),
        (
            ["ensemble", "--folds=3", "--members=strong,weak", "--name=weak"],
            2,
            "a member of itself",
        ),
        (["predict", "x.jpg", "--model", "nobody", "--out", "o.csv"], 2, "no member named"),
        (["predict", "x.jpg", "--model", "weak", "--out", "o.doc"], 2, "ending in .csv"),
        (["predict", "x.doc", "--model", "weak", "--out", "o.csv"], 2, "expected an image"),
        (["export", "nobody", "there"], 2, "no member named"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(
    shelf: Drive, arguments: list[str], code: int, words: str
) -> None:
    outcome = shelf(*arguments)
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.fixture
def shelf(toolkit: Drive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Drive:
    """Two members without models, which is all that most errors need."""
    from tests.ensembles.ensemble_fakes import kept_members

    monkeypatch.chdir(tmp_path)
    kept_members(artifacts(), {"weak": 2.0, "strong": 2.0})
    return toolkit


def test_thresholds_of_a_head_are_those_of_its_development_scores(shelf: Drive) -> None:
    dataset = load_dataset(artifacts(), "d")
    predictions = load_member(artifacts(), "weak").scored
    rows = [
        row
        for row, image in enumerate(dataset.ids)
        if predictions.fold[predictions.row[image]] >= 0
    ]
    at = [predictions.row[dataset.ids[row]] for row in rows]
    want = fit_thresholds(dataset.Y[rows], predictions.scores[at], predictions.fold[at])
    found = {
        row["name"]: row for row in shelf("compare", "--resamples", 0, "--json").document["rows"]
    }
    assert found["weak"]["tuned"]["thresholds"] == dict(
        zip(dataset.labels, want.per_label.tolist(), strict=True)
    )
