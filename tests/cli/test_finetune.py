"""toolkit finetune and the paper's recipes, on small pictures and a tiny network."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Drive
from toolkit.cli.terminal import TerminalProgress
from toolkit.errors import StoppedError, UsageError
from toolkit.members.member import list_members, load_member
from toolkit.members.predictions import HELD_OUT
from toolkit.paper.results import RESULTS
from toolkit.reproduction.library import find_recipe
from toolkit.reproduction.steps import VERBS, known_keys

ROOT = Path(__file__).parents[2]
TINY = ("--backbone", "timm/test_efficientnet", "--weights", "none", "--size", 32, "--epochs", 1)
TINY += ("--no-tensorboard",)  # type: ignore[assignment]


def artifacts() -> Path:
    return Path(os.environ["TOOLKIT_ARTIFACTS"])


def test_a_fine_tuned_member_is_an_ordinary_member(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    once = toolkit("finetune", *TINY, "--json")
    assert once.code == 0, once.err
    assert (once.document["origin"], once.document["images"]) == ("held-out", 6)
    again = toolkit("finetune", *TINY)
    assert again.code == 0
    assert "up to date" in again.err
    other = toolkit("finetune", *TINY, "--loss", "asl")
    assert other.code == 2
    assert "--overwrite" in other.err
    folded = toolkit("finetune", *TINY, "--folds", 2, "--name", "folded", "--json")
    assert (folded.document["origin"], folded.document["images"]) == ("out-of-fold", 54)
    rows = {row["name"]: row for row in toolkit("compare", "--json").document["rows"]}
    assert rows["folded"]["kind"] == "finetuned"
    assert rows["finetuned-timm-test_efficientnet"]["images"] == 6
    _restored_networks_score_as_the_member_does("folded")
    journal = artifacts() / "reports" / "training" / "folded" / "fold-1" / "metrics.jsonl"
    assert journal.is_file()
    assert not list(artifacts().rglob("*.pt"))


def test_a_run_that_is_asked_to_end_saves_and_goes_on(
    toolkit: Drive, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit("data", "import", course, "--name", "small")
    longer = (*TINY, "--epochs", 3)
    assert toolkit("finetune", *longer, "--name", "whole").code == 0
    epochs: list[int] = []

    def add(table: TerminalProgress, run: str, metrics: dict[str, int]) -> None:
        epochs.append(metrics["epoch"])
        if len(epochs) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(TerminalProgress, "epoch", add)
    before = signal.getsignal(signal.SIGTERM)
    stopped = toolkit("finetune", *longer, "--name", "stopped")
    assert stopped.code == 128 + signal.SIGTERM
    assert "goes on from there" in stopped.err
    assert len(list(artifacts().rglob("checkpoint.pt"))) == 1
    assert toolkit("finetune", *longer, "--name", "stopped").code == 0
    assert epochs == [1, 1, 2, 3]  # told again, trained once
    whole, resumed = (load_member(artifacts(), name).scored for name in ("whole", "stopped"))
    np.testing.assert_array_equal(whole.scores, resumed.scores)
    signal.signal(signal.SIGTERM, before)


def _restored_networks_score_as_the_member_does(name: str) -> None:
    from toolkit.data.dataset_store import load_dataset
    from toolkit.finetuning.forward import logits_of
    from toolkit.finetuning.source import Source
    from toolkit.images.pixel_store import PixelKey, PixelStore
    from toolkit.inference.network import saved_networks
    from toolkit.storage.files import read_json

    member = load_member(artifacts(), name)
    notes = read_json(member.folder / "model" / "notes.json", "notes")
    networks = saved_networks(member.folder / "model", notes)
    assert len(networks) == 2
    store = PixelStore(artifacts(), PixelKey.from_facts(notes["trunk"]["pixels"]))
    dataset = load_dataset(artifacts(), "small")
    ids = [i for i, origin in zip(member.scored.ids, member.scored.origin, strict=True)
           if origin == HELD_OUT]  # fmt: skip
    place = {image: row for row, image in enumerate(dataset.ids)}
    digests = dataset.digests[[place[image] for image in ids]]
    source = Source.of_pixels(store, store.find(digests))
    precision = member.recipe()["precision"]
    rows = np.arange(len(ids))
    logits = [logits_of(n, source, rows, views=True, precision=precision) for n in networks]
    scores = np.mean([1 / (1 + np.exp(-each)) for each in logits], axis=0)
    np.testing.assert_allclose(scores, member.scored.for_ids(ids), atol=0.005)


def test_labels_of_test_images_do_not_reach_a_fine_tuned_member(
    toolkit: Drive, course: Path
) -> None:
    from toolkit.data.dataset_store import load_dataset
    from toolkit.data.split_store import get_split

    toolkit("data", "import", course, "--name", "one")
    dataset = load_dataset(artifacts(), "one")
    test = {dataset.ids[row] for row in get_split(dataset, "paper", artifacts()).test}
    for file in (course / "annotations").glob("*.txt"):
        have = {f"im{line}" for line in file.read_text("utf-8-sig").split()}
        file.write_text("\n".join(sorted((have - test) | (test - have))))
    toolkit("data", "import", course, "--name", "two")
    for name in ("one", "two"):
        done = toolkit(
            "finetune", *TINY, "--set", "pos_weight=train", "--data", name, "--name", name
        )
        assert done.code == 0, done.err
    one, two = (load_member(artifacts(), name).scored for name in ("one", "two"))
    np.testing.assert_array_equal(one.scores, two.scores)


def test_weights_chosen_by_validation_images_make_them_in_sample(
    toolkit: Drive, course: Path
) -> None:
    toolkit("data", "import", course, "--name", "small")
    frozen = ("--pretrain", "feature-extract", *TINY[:4], "--epochs", 2)
    made = toolkit("finetune", *frozen, "--set", "keep=best-validation-map", "--json")
    assert made.code == 0, made.err
    assert made.document["origin"] == "in-sample"
    sized = toolkit("finetune", *frozen, "--size", 64)
    assert sized.code == 2
    assert "size goes with" in sized.err


def test_the_paper_s_recipes_walk_to_the_comparison(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    recipes = ["table1/1", "table2/4", "table3/8a", "prose/basic-cnn", "table2/1", "prose/vgg11"]
    recipes += ["prose/vgg-people", "future/one-vs-rest"]
    done = toolkit("reproduce", *recipes, "--smoke", "--data", "small", "--json")
    assert done.code == 0, done.err
    assert {step["exit_code"] for step in done.document["steps"]} == {0}
    rows = {row["key"]: row for row in done.document["reproduced"]}
    assert set(rows) == set(RESULTS)
    for key in ("table1/1", "table2/1", "table2/5", "table3/8a", "prose/basic-cnn"):
        for protocol in ("published", "corrected"):
            assert 0 <= rows[key][protocol]["accuracy"] <= 1, key
            assert "random weights" in rows[key]["made_from"][protocol]
    assert rows["table3/7"]["published"] is None
    assert rows["table1/1"]["paper"]["accuracy"] == RESULTS["table1/1"].accuracy
    assert len(done.document["future"]) == 7
    # neither the row's network nor its epochs
    assert {tuple(row["exact"]) for row in rows.values()} == {()}
    assert list_members(artifacts()) == []  # all of it is in a folder of its own
    again = toolkit("reproduce", *recipes[:1], "--smoke", "--data", "small")
    assert "up to date" in again.err
    assert "T3/8" in again.out
    assert "*†" in again.out
    assert max(map(len, again.out.splitlines())) <= 100
    assert "50.94 0.07/0.51" in again.out
    assert done.err.count("up to date") == 4  # table 2 and the VGGs of the prose share their runs


def test_a_failed_step_stops_no_other_and_is_told_by_the_exit_code(
    toolkit: Drive, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.members import training_job

    def broken(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(training_job, "training_images", broken)
    toolkit("data", "import", course, "--name", "small")
    recipe = tmp_path / "recipe.toml"
    steps = ['command = "finetune"\nloss = "none"', 'command = "finetune"', 'command = "compare"']
    recipe.write_text("".join(f"[[step]]\n{step}\n" for step in steps))
    done = toolkit("reproduce", recipe, "--smoke", "--data", "small", "--json")
    assert [step["exit_code"] for step in done.document["steps"]] == [2, 1, 0]
    assert (done.code, done.document["failed"]) == (1, 2)
    assert "a fault of ours" in done.err


def test_a_stand_in_has_a_name_of_its_own_and_is_told_from_the_row(
    toolkit: Drive, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit("data", "import", course, "--name", "small")
    asked = ("finetune", "--protocol", "published", "--row", "table3/2", "--pretrain", "finetune")
    stand_in = toolkit(*asked, *TINY)
    assert stand_in.code == 0, stand_in.err
    assert list_members(artifacts()) == ["published-table3-2-timm-test_efficientnet"]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[[step]]\ncommand = "finetune"\n')

    def fails(*arguments: object, **options: object) -> None:
        raise UsageError("not this time")

    monkeypatch.setitem(VERBS, "finetune", fails)

    def row() -> tuple[dict[str, Any], str]:
        done = toolkit("reproduce", recipe, "--json")
        rows = {row["key"]: row for row in done.document["reproduced"]}
        return rows["table3/2"], done.err

    shown, _ = row()
    assert shown["exact"] == []
    assert shown["published"] is not None
    assert "test_efficientnet" in shown["made_from"]["published"]
    # one that is damaged is told of, and loses nothing but itself
    name = "published-table3-2-timm-test_efficientnet"
    (artifacts() / "members" / name / "predictions.parquet").write_bytes(b"damaged")
    shown, told = row()
    assert shown["published"] is None
    assert f"left out: member {name}" in told


def test_a_step_that_was_asked_to_end_ends_the_recipe(
    toolkit: Drive, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit("data", "import", course, "--name", "small")

    def stopped(*arguments: object, **options: object) -> None:
        raise StoppedError("stopped here")

    monkeypatch.setitem(VERBS, "finetune", stopped)
    done = toolkit("reproduce", "table3/6")
    assert done.code == 128 + signal.SIGTERM
    assert "step 1 of 2: stopped here" in done.err


def test_an_unfinished_training_is_not_thrown_away_unasked(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    begun = artifacts() / "reports" / "training" / "finetuned-timm-test_efficientnet" / "model"
    begun.mkdir(parents=True)
    (begun / "checkpoint.pt").write_bytes(b"of other options")
    refused = toolkit("finetune", *TINY)
    assert refused.code == 2
    assert "--no-resume" in refused.err
    assert (begun / "checkpoint.pt").is_file()
    assert toolkit("finetune", *TINY, "--no-resume").code == 0


def test_every_row_of_the_paper_has_a_recipe_with_both_protocols() -> None:
    both = [(key, protocol) for key in RESULTS for protocol in ("published", "corrected")]
    steps = find_recipe("paper", known_keys())
    assert [(step["row"], step["protocol"]) for step in steps] == both
    for key in RESULTS:
        alone = find_recipe(key, known_keys())
        assert alone == [step for step in steps if step["row"] == key]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--protocol", "newest"], "protocol: expected published"),
        (["--row", "table1/9", "--protocol", "published"], "no result 'table1/9'"),
        (["--row", "table1/2"], "expected published or corrected"),
        (["--set", "learning=1"], "did you mean learning_rate"),
        (["--optimizer", "lion"], "optimizer: expected"),
        (["--aux", "colours"], "aux: expected one or more of"),
        (["--aux", "any", "--weighting", "even"], "weighting: expected"),
        (["--aux", "any", "--pretrain", "feature-extract"], "a trunk that learns"),
        (["--epochs", "2", "--set", "epochs=1"], "leave one out"),
        (["--weights", "none", "--set", "initial_probe=true"], "leave it out"),
        (["--set", "learning_rate=1e999"], "learning_rate: expected a number"),
        (
            ["--protocol", "published", "--row", "prose/basic-cnn", "--weights", "a.pth"],
            "begins with a random network",
        ),
    ],
)
def test_a_wrong_option_is_one_sentence(
    toolkit: Drive, course: Path, arguments: list[str], words: str
) -> None:
    toolkit("data", "import", course, "--name", "small")
    outcome = toolkit("finetune", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_tasks_beside_the_labels_are_learned_and_dropped(toolkit: Drive, course: Path) -> None:
    from safetensors.numpy import load_file

    toolkit("data", "import", course, "--name", "small")
    every = "any,colour,single-channel,cardinality,rotation,teacher:timm/test_resnet"
    tiny = (*TINY, "--precision", "fp32")
    made = toolkit("finetune", *tiny, "--aux", every)
    assert made.code == 0, made.err
    plain = toolkit("finetune", *tiny)
    assert plain.code == 0, plain.err
    names = [f"finetuned-timm-test_efficientnet{more}" for more in ("-aux", "")]
    members = [load_member(artifacts(), name) for name in names]
    assert members[0].recipe()["aux"] == every.split(",")
    assert "aux" not in members[1].recipe()
    one, other = (load_file(each.folder / "model" / "model.safetensors") for each in members)
    assert one.keys() == other.keys()
    assert members[0].provenance()["history"]["model"][0]["rotation_weight"] > 0
    again = toolkit("finetune", *tiny, "--aux", every)
    assert "up to date" in again.err
    fixed = toolkit("finetune", *tiny, "--aux", every, "--weighting", "fixed")
    assert fixed.code == 2
    assert "--overwrite" in fixed.err
