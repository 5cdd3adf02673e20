"""The whole path through the command line, on small pictures and a small random network."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import NETWORK, Drive, copied
from toolkit.members.member import load_member
from toolkit.paper.results import RESULTS

SMALL = ("--features", NETWORK, "--weights", "none", "--set", "Cs=[0.001, 0.1]", "--folds", 3)


def test_from_a_folder_to_a_table(toolkit: Drive, course: Path, tmp_path: Path) -> None:
    info = toolkit("data", "import", course, "--name", "small", "--json")
    assert info.code == 0
    assert info.document["images"] == 60
    assert set(info.document["labels"]) == {"day", "red"}

    embedded = toolkit("embed", "--backbone", NETWORK, "--weights", "none", "--json").document
    assert (embedded["computed"], embedded["reused"], embedded["skipped"]) == (60, 0, [])
    again = toolkit("embed", "--backbone", NETWORK, "--weights", "none", "--json").document
    assert (again["computed"], again["reused"], again["engine"]) == (0, 60, "none")

    fitted = toolkit("ovr", *SMALL, "--name", "first", "--json")
    assert fitted.code == 0, fitted.err
    assert fitted.document["origin"] == "out-of-fold"
    assert fitted.document["images"] == 54
    # brightness and redness are easy even for random features
    assert fitted.document["metrics"]["map"] > 0.8

    document = toolkit("compare", "--json").document
    rows = {row["name"]: row for row in document["rows"]}
    assert document["dataset"] == "small"
    # the paper's rows lead only where the labels are the paper's
    assert not any(row["kind"] == "paper" for row in document["rows"])
    asked = toolkit("compare", "--paper", "--json").document["rows"]
    assert sum(row["kind"] == "paper" for row in asked) == len(RESULTS)
    assert rows["always no"]["metrics"]["macro_recall"] == 0
    assert set(rows["first"]["per_label"]["day"]) == {
        "ap", "auroc", "precision", "recall", "f1", "support",
    }  # fmt: skip
    # six test images: no label has five positives, and that is said
    assert rows["first"]["ci"]["map"] is None
    assert "fewer than 5 positives: " in rows["first"]["ci_note"]
    low, high = rows["first"]["ci"]["accuracy"]
    assert low <= rows["first"]["metrics"]["accuracy"] <= high
    table = toolkit("compare").out
    assert "first (random weights)" in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_member_made_again_is_the_same_and_not_made_twice(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    assert toolkit("ovr", *SMALL, "--name", "m").code == 0
    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    first = load_member(artifacts, "m")
    again = toolkit("ovr", *SMALL, "--name", "m")
    assert again.code == 0
    assert "up to date" in again.err
    assert load_member(artifacts, "m").provenance() == first.provenance()
    other = toolkit("ovr", *SMALL, "--class-weight", "balanced", "--name", "m")
    assert other.code == 2
    assert "--overwrite" in other.err
    assert toolkit("ovr", *SMALL, "--name", "m", "--overwrite").code == 0
    second = load_member(artifacts, "m")
    assert second.scored.digest == first.scored.digest
    assert second.provenance()["made"] >= first.provenance()["made"]


def test_test_labels_do_not_reach_a_member(toolkit: Drive, course: Path, tmp_path: Path) -> None:
    """Turning every label of the test images round changes no score."""
    from toolkit.data.dataset_store import load_dataset
    from toolkit.data.split_store import get_split

    toolkit("data", "import", course, "--name", "one")
    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    dataset = load_dataset(artifacts, "one")
    test = {dataset.ids[row] for row in get_split(dataset, "paper", artifacts).test}
    for file in (course / "annotations").glob("*.txt"):
        have = {f"im{line}" for line in file.read_text("utf-8-sig").split()}
        file.write_text("\n".join(sorted((have - test) | (test - have))))
    toolkit("data", "import", course, "--name", "two")
    for name in ("one", "two"):
        assert toolkit("ovr", *SMALL, "--data", name, "--name", name).code == 0
    one, two = (load_member(artifacts, name).scored for name in ("one", "two"))
    assert one.ids == two.ids
    np.testing.assert_array_equal(one.scores, two.scores)
    # and a member is not compared on labels that it was not made with
    refused = toolkit("compare", "--data", "two", "--members", "one")
    assert refused.code == 1
    assert "another data set" in refused.err


def test_images_that_cannot_be_decoded_are_told_and_left_out(toolkit: Drive, course: Path) -> None:
    (course / "images" / "im7.jpg").write_bytes(b"not a picture")
    imported = toolkit("data", "import", course, "--name", "small")
    assert imported.code == 0
    assert "im7" in imported.err
    embedded = toolkit("embed", "--backbone", NETWORK, "--weights", "none", "--json")
    assert embedded.code == 3
    assert [each["image"] for each in embedded.document["skipped"]] == ["im7"]
    fitted = toolkit("ovr", *SMALL, "--name", "m", "--json")
    assert fitted.code == 3
    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    ids = load_member(artifacts, "m").scored.ids
    assert len(ids) == 59
    assert "im7" not in ids


def test_a_changed_image_is_not_embedded_under_its_old_name(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    (course / "images" / "im3.jpg").write_bytes((course / "images" / "im4.jpg").read_bytes())
    refused = toolkit("embed", "--backbone", NETWORK, "--weights", "none")
    assert refused.code == 1
    assert "im3.jpg" in refused.err
    assert "import" in refused.err


def test_a_recipe_runs_its_steps(toolkit: Drive, fitted: Path, tmp_path: Path) -> None:
    copied(fitted, tmp_path / "artifacts")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[[step]]\ncommand = "ensemble"\nmembers = ["nobody", "weak"]\n'
        '[[step]]\ncommand = "ensemble"\nmembers = ["weak", "strong"]\nmethod = "mean"\n'
        'folds = 3\nresamples = 20\nname = "from-recipe"\n'
    )
    done = toolkit("reproduce", recipe, "--json")
    assert done.code == 1  # the first step fails and is told; the second is done all the same
    assert [step["exit_code"] for step in done.document["steps"]] == [2, 0]
    assert "from-recipe" in toolkit("members").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["embed", "--backbone", "densnet121"], 2, "did you mean densenet121"),
        (["embed", "--views", "mirror"], 2, "views: expected"),
        (["embed", "--precision", "fp8"], 2, "precision: expected"),
        (["embed", "--weights", "nowhere.pth"], 1, "no weights file"),
        (["ovr", "--head", "forest"], 2, "head: expected linear"),
        (["ovr", "--set", "depth=3"], 2, "it takes Cs"),
        (["ovr", "--name", "../out"], 2, "cannot be used"),
        (["compare", "--members", "nobody"], 2, "no member named"),
        (["compare", "--sort", "luck"], 2, "sort: expected"),
        (["compare", "--part", "training"], 2, "part: expected test or development"),
        (["data", "info", "--data", "nothing"], 2, "no data set named"),
        (["data", "import", "nowhere", "--name", "x"], 1, "neither a folder nor a file of labels"),
        (["data", "fetch", "imagenet"], 2, "mirflickr25k"),
        (["reproduce", "no.toml"], 2, "no recipe"),
        (["embed", "--no-such-option"], 2, "o such option"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(
    toolkit: Drive, course: Path, arguments: list[str], code: int, words: str
) -> None:
    toolkit("data", "import", course, "--name", "small")
    outcome = toolkit(*arguments)
    assert outcome.code == code
    assert outcome.out == ""
    assert words in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == 1
