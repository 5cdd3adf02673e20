from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.data.readers.course import (
    AMBIGUOUS,
    IMAGE_SUFFIXES,
    MAX_REFERENCE,
    aliases,
    check_labels,
    image_id,
    is_image_name,
    join_by_id,
    read_references,
    spellings,
)
from toolkit.errors import DataError

steady = settings(derandomize=True, deadline=None, database=None, max_examples=150)

IDS = tuple(f"im{number}" for number in (1, 2, 10, 17448))
FILES = tuple(f"{image}.jpg" for image in IDS)
FORMS = ("{}", "im{}", "im{}.jpg")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "label.txt"


def join(path: Path, content: bytes) -> set[str]:
    path.write_bytes(content)
    return join_by_id({"label": path}, IDS, FILES)["label"]


lines = st.tuples(
    st.sampled_from([1, 2, 10, 17448]), st.sampled_from(FORMS), st.sampled_from(["", " ", "\t "])
)
ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\n \r\n"])


@given(content=st.lists(st.tuples(lines, ends)), mark=st.booleans(), ended=st.booleans())
@steady
def test_every_way_to_name_an_image_names_it(
    scratch: Path, content: list[tuple[tuple[int, str, str], str]], mark: bool, ended: bool
) -> None:
    text = "".join(
        f"{blank}{form.format(number)}{blank}{end}" for (number, form, blank), end in content
    )
    text = text if ended else text.rstrip()
    found = join(scratch, (b"\xef\xbb\xbf" if mark else b"") + text.encode())
    assert found == {f"im{number}" for (number, _, _), _ in content}


ADMISSIBLE = {form.format(number) for form in FORMS for number in (1, 2, 10, 17448)}


@given(content=st.binary(max_size=30) | st.text("im.jpg0127 \r\n\f\x85-+,é\0", max_size=30))
@example("im1\fim2")
@example("im1\x85")
@example("1.0")
@example("-1")
@example("01")
@example("IM1.JPG")
@example("im1.jpg.jpg")
@example("1,2")
@steady
def test_any_bytes_are_parsed_rightly_or_refused(scratch: Path, content: bytes | str) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    try:
        found = join(scratch, raw)
    except DataError as error:
        message = str(error)
        assert "label.txt" in message
        assert message.isprintable()
        return
    text = raw.decode("utf-8").removeprefix("\ufeff")
    lines = {line.strip() for line in text.replace("\r", "\n").split("\n")} - {""}
    references = {line.casefold() for line in lines}  # other capitals are found
    assert references <= ADMISSIBLE
    assert found == {f"im{reference.strip('im.jpg')}" for reference in references}


@pytest.mark.parametrize(
    "line", ["-5", "5.0", "1e1", "+1", "im3", "1 2", "1;2", "0", "1\0", "im1.png", "./im1.jpg", "٣"]
)
def test_a_line_that_names_no_image_is_an_error_with_its_place(tmp_path: Path, line: str) -> None:
    content = f"im1\r\n\r\n{line}\r\nim2".encode()
    with pytest.raises(DataError, match=r"name 1 image not there \(label\.txt line 3: "):
        join(tmp_path / "label.txt", content)


def test_only_the_first_few_unknown_images_are_listed_over_all_files(tmp_path: Path) -> None:
    paths = {}
    for label in ("cat", "dog"):
        paths[label] = tmp_path / f"{label}.txt"
        paths[label].write_text("".join(f"im{number}\n" for number in range(100_000, 100_500)))
    with pytest.raises(DataError, match="name 1,000 images") as caught:
        join_by_id(paths, IDS, FILES)
    assert "cat.txt line 1: 'im100000'" in str(caught.value)
    assert "and 997 more" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("im1\n".encode("utf-16"), "is not UTF-8 text"),
        ("im1\n".encode("utf-16-le"), "not there"),
        ("imé".encode("latin-1"), r"is not UTF-8 text \(byte 2\)"),
        (b"\n" + b"1" * 10_000_000, "line 2, is 10000000 characters long"),
        (b"1 " * (MAX_REFERENCE // 2 + 1), f"line 1, is {MAX_REFERENCE + 1} characters long"),
    ],
    ids=["utf-16", "utf-16 without mark", "latin-1", "10 MB", "one line"],
)
def test_files_that_are_no_label_files_are_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        join(tmp_path / "label.txt", content)
    assert len(str(caught.value)) < 600


def test_ten_megabytes_of_blanks_are_a_blank_line(tmp_path: Path) -> None:
    assert join(tmp_path / "label.txt", b" " * 10_000_000 + b"\nim2") == {"im2"}


def test_a_label_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(DataError, match=r"label file .* cannot be read"):
            read_references(path)


names = st.text("im0127-_ .é", min_size=1, max_size=5)
suffixes = st.sampled_from([*sorted(IMAGE_SUFFIXES), ".JPG"])


@given(files=st.lists(st.tuples(names, suffixes).map("".join), unique=True, max_size=8))
@example(["a.jpg", "a.jpg.png"])
@example(["7.jpg", "im7.jpg", "im07.jpg"])
@example(["im1.jpg", " im1.jpg"])
@steady
def test_an_alias_leads_to_the_one_image_that_answers_to_it(files: list[str]) -> None:
    files = [file for file in files if is_image_name(file)]
    whole: dict[str, set[str]] = defaultdict(set)
    number: dict[str, set[str]] = defaultdict(set)
    for file in files:
        image = image_id(file).strip()
        for name in {image, file.strip()} - {""}:
            whole[name].add(file)
        digits = image.lstrip("im-_")
        if digits.isdecimal():
            number[digits].add(file)
            number[str(int(digits))].add(file)
    expected = {
        name: next(iter(owners)) if len(owners) == 1 else AMBIGUOUS
        for name, owners in {**number, **whole}.items()
    }
    known = aliases([image_id(file) for file in files], files, files)
    composed = {name: known[name] for name in known if unicodedata.is_normalized("NFC", name)}
    assert composed == expected
    for name in expected:
        assert known[unicodedata.normalize("NFD", name)] == expected[name]


def test_a_number_that_two_images_share_names_neither() -> None:
    known = aliases(["im7", "photo7", "im8"], ["im7.jpg", "photo7.jpg", "im8.jpg"])
    assert known["7"] == AMBIGUOUS
    assert (known["im7"], known["photo7.jpg"], known["8"]) == ("im7", "photo7", "im8")
    padded = aliases(["im007", "im0"], ["im007.jpg", "im0.jpg"])
    assert (padded["7"], padded["007"], padded["0"]) == ("im007", "im007", "im0")
    assert "07" not in padded


def test_an_ambiguous_line_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("im8\n7\n")
    ids = ["im7", "p7", "im8"]
    with pytest.raises(DataError, match=r"1 line of several images \(cat.txt line 2: '7'\)"):
        join_by_id({"cat": tmp_path / "cat.txt"}, ids, [f"{image}.jpg" for image in ids])


def test_an_id_may_stand_without_its_folder_where_that_fits_one_image() -> None:
    ids = ["a/im1", "a/im2", "b/im2"]
    known = aliases(ids, [f"{image}.jpg" for image in ids])
    assert known["im1"] == known["1"] == known["im1.jpg"] == known["a/im1"] == "a/im1"
    assert known["im2"] == known["2"] == AMBIGUOUS
    assert known["b/im2.jpg"] == "b/im2"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("im1.jpg", "im1"),
        ("im1.JPEG", "im1"),
        ("a.b.png", "a.b"),
        ("a.jpg.png", "a.jpg"),
        ("sub.jpg/x", "sub.jpg/x"),
        ("-rf.jpg", "-rf"),
        (".jpg", ".jpg"),
        ("x", "x"),
        ("..jpg", "..jpg"),
    ],
)
def test_an_id_is_the_file_name_without_an_images_ending(file: str, expected: str) -> None:
    assert image_id(file) == expected
    assert is_image_name(file) == (file != expected)


@given(labels=st.lists(st.text("aAbé ß\n", max_size=3), max_size=5))
@steady
def test_label_names_come_sorted_or_are_refused(labels: list[str]) -> None:
    try:
        found = check_labels(labels)
    except DataError:
        bad = any(not label.strip() or "\n" in label for label in labels)
        assert bad or not labels or len(set(labels)) < len(labels)
    else:
        assert list(found) == sorted(labels)
        folded = [label.strip().casefold() for label in labels]
        assert (len(set(folded)) < len(folded)) == bool(spellings(found))
        assert {name for group in spellings(found) for name in group} == {
            label for label in labels if folded.count(label.strip().casefold()) > 1
        }


def test_letters_and_emoji_that_are_joined_are_labels() -> None:
    joined = ("می\u200cخواهم", "\U0001f469\u200d\U0001f467")
    assert set(check_labels(joined)) == set(joined)


@pytest.mark.parametrize(
    "label", ["", " ", "\u200d", "a\u202eb", "a\nb", "a\0", "\udcff", "x" * 201, "image", "Image"]
)
def test_label_names_that_no_table_can_bear_are_refused(label: str) -> None:
    with pytest.raises(DataError, match="label name") as caught:
        check_labels(["cat", label])
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_five_hundred_labels_and_one() -> None:
    many = [f"label {number}" for number in range(500)]
    assert check_labels(reversed(many)) == tuple(sorted(many))
    assert check_labels(["../../evil"]) == ("../../evil",)  # a name, never a path
    with pytest.raises(DataError, match="no labels were found"):
        check_labels([])
