"""The painted data set: reproducible, true to the paper's prevalences, and readable back."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.data.dataset import Dataset
from toolkit.data.synth import paint, scenes, synthesise
from toolkit.errors import DataError, UsageError
from toolkit.paper.results import IMAGES, LABELS, POSITIVES

N = 52


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def label_counts(kinds: list[tuple[str, ...]]) -> Counter[str]:
    return Counter(label for kind in kinds for label in kind)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    synthesise(folder, N, seed=3)
    return folder


def test_another_process_paints_the_same(painted: Path, tmp_path: Path) -> None:
    """In a script without a main guard, whose process hashes strings with a seed of its own."""
    script = (
        f"from toolkit.data.synth import synthesise\nsynthesise(Path({str(tmp_path)!r}), {N}, 3)"
    )
    command = [sys.executable, "-c", f"from pathlib import Path\n{script}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert content(tmp_path) == content(painted)


def test_another_seed_gives_other_pictures_and_as_many_of_each_label(
    painted: Path, tmp_path: Path
) -> None:
    synthesise(tmp_path, N, seed=4)
    first, second = content(painted), content(tmp_path)
    assert first.keys() == second.keys()
    pictures = [name for name in first if name.startswith("images/")]
    assert not {first[name] for name in pictures} & {second[name] for name in pictures}
    for label in LABELS:
        name = f"annotations/{label}.txt"
        assert first[name].count(b"\n") == second[name].count(b"\n")
    assert first["annotations/people.txt"] != second["annotations/people.txt"]


def test_the_pictures_are_small_jpegs_some_of_them_grey(painted: Path) -> None:
    modes: Counter[str] = Counter()
    for path in (painted / "images").iterdir():
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (128, 128))
            modes[picture.mode] += 1
    assert modes == {"L": round(0.075 * N), "RGB": N - round(0.075 * N)}


def test_the_layout_is_the_courses_and_reads_back(painted: Path) -> None:
    dataset = Dataset.read(painted, "painted")
    assert dataset.ids == tuple(f"im{k}" for k in range(1, N + 1))
    assert dataset.labels == tuple(sorted(LABELS))
    expected = label_counts(scenes(N))
    assert dataset.Y.sum(axis=0).tolist() == [expected[label] for label in dataset.labels]
    assert int((dataset.Y.sum(axis=1) == 0).sum()) == scenes(N).count(())


def test_label_files_hold_one_number_a_line_in_order(painted: Path) -> None:
    for label in LABELS:
        text = (painted / "annotations" / f"{label}.txt").read_text()
        numbers = [int(line) for line in text.splitlines()]
        assert text == "".join(f"{number}\n" for number in sorted(set(numbers)))
        assert all(1 <= number <= N for number in numbers)


def test_twenty_thousand_pictures_have_the_papers_counts() -> None:
    kinds = scenes(IMAGES)
    assert label_counts(kinds) == dict(POSITIVES)
    assert kinds.count(()) / IMAGES == pytest.approx(0.491, abs=0.001)


def pair_counts(kinds: list[tuple[str, ...]]) -> Counter[tuple[str, str]]:
    return Counter(pair for kind in kinds for pair in combinations(kind, 2))


@pytest.mark.parametrize("images", [1000, 2000, 3333])
def test_prevalences_and_company_hold_to_within_a_few_pictures(images: int) -> None:
    kinds, share = scenes(images), images / IMAGES
    counts, pairs = label_counts(kinds), pair_counts(kinds)
    for label in LABELS:
        assert abs(counts[label] - POSITIVES[label] * share) < 3, label
    for pair, count in pair_counts(scenes(IMAGES)).items():
        assert abs(pairs[pair] - count * share) < 4, pair


@settings(max_examples=40)
@given(st.integers(1, 700))
def test_labels_keep_their_company_at_any_size(images: int) -> None:
    kinds = scenes(images)
    assert len(kinds) == images
    for kind in kinds:
        assert list(kind) == sorted(set(kind))
        assert "people" in kind or not {"portrait", "male", "female", "baby"} & set(kind)
    if images >= 60:
        assert 0.4 < kinds.count(()) / images < 0.56
    if images >= 150:
        assert min(label_counts(kinds)[label] for label in LABELS) >= 3


def test_portraits_and_people_without_a_sex_are_not_what_most_are() -> None:
    kinds = scenes(2000)
    portraits = [kind for kind in kinds if "portrait" in kind]
    sexed = [kind for kind in portraits if {"male", "female"} & set(kind)]
    assert 0.9 < len(sexed) / len(portraits) < 1
    neither = [k for k in kinds if "people" in k and not {"male", "female", "portrait"} & set(k)]
    assert 0.05 < len(neither) / sum("people" in kind for kind in kinds) < 0.2


def test_every_kind_of_scene_can_be_painted() -> None:
    for number, kind in enumerate(sorted(set(scenes(IMAGES)))):
        grey = number % 2 == 0
        picture = paint(frozenset(kind), np.random.default_rng([number, 5]), grey)
        assert (picture.mode, picture.size) == ("L" if grey else "RGB", (128, 128))
        assert np.asarray(picture).std() > 2, kind


def mean_light(kind: str) -> float:
    labels = frozenset(kind.split())
    shots = [paint(labels, np.random.default_rng([8, k])) for k in range(8)]
    return float(np.mean([np.asarray(shot).mean() for shot in shots]))


@pytest.mark.parametrize("subject", ["", "tree", "people male"])
def test_night_is_dark(subject: str) -> None:
    assert mean_light(f"{subject} night") < 0.65 * mean_light(subject)


def test_every_label_changes_the_picture_that_is_painted_from_the_same_dice() -> None:
    pictures = {paint(frozenset(kind), np.random.default_rng(1)).tobytes() for kind in alone()}
    assert len(pictures) == len(LABELS) + 1


def alone() -> Iterator[tuple[str, ...]]:
    yield ()
    for label in LABELS:
        yield (label,)


def test_a_picture_is_the_same_whatever_was_painted_before() -> None:
    first = [paint(frozenset(kind), np.random.default_rng(2)).tobytes() for kind in alone()]
    again = [
        paint(frozenset(kind), np.random.default_rng(2)).tobytes() for kind in [*alone()][::-1]
    ]
    assert again[::-1] == first


def test_a_grey_picture_is_the_coloured_one_in_grey() -> None:
    coloured, grey = (paint(frozenset({"dog"}), np.random.default_rng(3), g) for g in (False, True))
    assert coloured.convert("L").tobytes() == grey.tobytes()


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    steps: list[int] = []
    synthesise(tmp_path, 27, on_progress=steps.append)
    assert sum(steps) == 27
    assert min(steps) > 0


def test_a_folder_with_images_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "images" / "im1.jpg"
    kept.parent.mkdir()
    kept.write_bytes(b"mine")
    with pytest.raises(DataError, match="already holds files"):
        synthesise(tmp_path, 5)
    assert content(tmp_path) == {"images/im1.jpg": b"mine"}


def test_a_place_that_cannot_be_a_folder_is_an_error_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        synthesise(tmp_path, 5)


@pytest.mark.parametrize(("images", "seed", "named"), [(0, 0, "images"), (5, -1, "seed")])
def test_numbers_out_of_range_are_wrong_usage(
    tmp_path: Path, images: int, seed: int, named: str
) -> None:
    with pytest.raises(UsageError, match=f"{named}: expected a whole number"):
        synthesise(tmp_path / "new", images, seed)
    assert not (tmp_path / "new").exists()
