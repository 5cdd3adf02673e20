from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.data.readers.base import Options
from toolkit.data.readers.table import TABLE
from toolkit.errors import DataError

steady = settings(derandomize=True, deadline=None, database=None, max_examples=150)

NUMBERS = (1, 2, 10)


def simple(content: bytes) -> bool:
    """Tell whether a table has a column image and otherwise named columns of 0 and 1 alone."""
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    rows = [[cell.strip() for cell in line.split(",")] for line in text.split("\n")]
    head, *body = [row for row in rows if any(row)]
    names = [name.casefold() for name in head]
    if "image" not in names or "" in names:
        return False
    place = names.index("image")
    return all(cell in "01" and cell for row in body for cell in row[:place] + row[place + 1 :])


def read_csv(path: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    found = TABLE.read(path, Options())
    return found.files, found.labels, found.Y


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images/im1.jpg, im2.jpg and im10.jpg, for a table beside images/."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "images").mkdir()
    for number in NUMBERS:
        (folder / "images" / f"im{number}.jpg").touch()
    return folder


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def as_dict(path: Path) -> dict[str, dict[str, int]]:
    files, labels, Y = read_csv(path)
    assert Y.shape == (len(files), len(labels))
    assert Y.dtype == np.int8
    assert list(labels) == sorted(labels)
    return {
        file: dict(zip(labels, row, strict=True))
        for file, row in zip(files, Y.tolist(), strict=True)
    }


forms = st.sampled_from(
    ["{}", "im{}", "im{}.jpg", "images/im{}.jpg", "./images/im{}.jpg", "images/im{}"]
)
label_names = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=4
)


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@given(
    labels=st.lists(label_names, min_size=1, max_size=5, unique_by=folded),
    order=st.permutations(NUMBERS),
    form=forms,
    seed=st.integers(0, 999),
    dialect=st.sampled_from(["excel", "unix"]),
    place=st.integers(0, 5),
    mark=st.sampled_from(["", "\ufeff"]),
)
@steady
def test_labels_are_joined_by_name_whatever_the_order(
    shelf: Path,
    labels: list[str],
    order: list[int],
    form: str,
    seed: int,
    dialect: str,
    place: int,
    mark: str,
) -> None:
    if {"image", "path", "origin", "fold"} & set(map(folded, labels)):
        return
    truth = np.random.RandomState(seed).randint(0, 2, (11, len(labels)))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, dialect)
    place = min(place, len(labels))
    writer.writerow([*labels[:place], " Image ", *labels[place:]])
    for number in order:
        row = truth[number].tolist()
        writer.writerow([*row[:place], form.format(number), *row[place:]])
    found = as_dict(table(shelf, mark + buffer.getvalue()))
    assert list(found) == [f"images/im{number}.jpg" for number in NUMBERS]
    for number in NUMBERS:
        expected = dict(zip(labels, truth[number].tolist(), strict=True))
        assert found[f"images/im{number}.jpg"] == expected


@given(content=st.binary(max_size=40) | st.text('image,cat\n\r"01 2;', max_size=60).map(str.encode))
@example(b"image,cat\n1,1\n2,0")
@example(b"image,cat\r1,1\r2,0")
@example(b'image,"c\nat"\n1,1')
@example(b"\n\n ,\nimage,cat\n\n1,1\n,\n")
@steady
def test_any_bytes_are_parsed_rightly_or_refused(shelf: Path, content: bytes) -> None:
    try:
        found = as_dict(table(shelf, content))
    except DataError as error:
        message = str(error)
        assert "labels.csv" in message or message.startswith(
            ("label", "no labels", "Error", "line")
        )
        return
    # where a quote is missing, splitting at commas is another way to read the same
    if not re.search(rb'["; \t]', content) and simple(content):
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        rows = [[cell.strip() for cell in line.split(",")] for line in text.split("\n")]
        head, *body = [row for row in rows if any(row)]
        place = [name.casefold() for name in head].index("image")
        expected = {}
        for row in body:
            values = {
                name: int(cell) for name, cell in zip(head, row, strict=True) if name != head[place]
            }
            expected[row[place].strip("imagesjp./")] = values
        assert {file.strip("imagesjp./"): values for file, values in found.items()} == expected


@pytest.mark.parametrize("value", ["2", "-2", "0.5", "maybe", "٠", "01", "x" * 999])
def test_a_value_that_is_not_0_or_1_is_an_error_with_its_line(shelf: Path, value: str) -> None:
    path = table(shelf, f'image,cat,dog\n"im1",0,1\n\nim2,{value},0\n')
    with pytest.raises(DataError, match=r"labels\.csv, line 4: '.*' stands where 0 or 1") as caught:
        read_csv(path)
    assert len(str(caught.value)) < 300


def test_lines_are_counted_as_an_editor_counts_them(shelf: Path) -> None:
    path = table(shelf, 'image,cat\n"im1\n",1\nim2,1,0\n')
    with pytest.raises(DataError, match="line 4, has 3 cells where the header has 2"):
        read_csv(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty: expected a line of names"),
        ("photo,cat\nim1,1", r"its header is \['photo', 'cat'\]"),
        ("image,IMAGE,cat\nim1,im1,1", "two columns named 'image'"),
        ("image,cat,cat\nim1,1,1", "two columns of one name"),
        ("image\nim1", "no column is of labels"),
        ("image,cat,dog\nim1,1,-1\nim2,1,1", "found -1 and no 0"),
        ("image,labels\nim1,[cat]\nim2,x", "line 2: expected a list of labels"),
        ("image,cat", "lists no images"),
        ("image,cat\n\n,\n", "lists no images"),
        ("image,cat\nim1,1\nim1,1", "line 3: image 'im1' is listed twice"),
        ("image,cat\nim1,1\n1,0", "names images in several rows"),
        ("image,cat\nim1.jpg,1\nimages/./im1.jpg,0", "names images in several rows"),
        ("image,cat\nim1", "line 2, has 1 cell where the header has 2"),
        ('image,cat\n"im1,1', "cannot be read as a CSV file"),
        ("image,cat\nim1,1\nim3,1\nim4,1", "names 2 images not there"),
        ("image,cat\n" + "x" * 200_000 + ",1", "cannot be read as a CSV file: field larger"),
        ("image,cat\n" + "x" * 5000 + ",1", "names 1 image not there"),
        ("image,cat\n" + "x" * 10_000_000, "cannot be read as a CSV file"),
        ("image,cat\nim1\0,1", "no text in UTF-8"),
        ("image,cat\nim1,1\n".encode("utf-16"), "no text in UTF-8"),
        ("image,cat\nimé,1\n".encode("latin-1"), r"not UTF-8 text \(byte 12\)"),
        (b"PK\x03\x04\0\0", "give a folder or a CSV file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(shelf: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        read_csv(table(shelf, text))
    assert len(str(caught.value).replace(str(shelf.parent), "")) < 500


OUTSIDE = ["../secret.jpg", "images/../../secret.jpg", "images/..", "..", ".", "images", "", "\t"]
OUTSIDE += ["images/", "images/im1.jpg/../im1.jpg", "/etc/passwd", "~/x.jpg", "file:///x", "C:\\x"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_out_of_the_tables_folder(shelf: Path, name: str) -> None:
    (shelf.parent / "secret.jpg").touch()
    absolute = str(shelf / "images" / "im1.jpg")
    with pytest.raises(DataError, match="names 1 image not there"):
        read_csv(table(shelf, f'image,cat\n"{name}",1\n'))
    assert read_csv(table(shelf, f'image,cat\n"{absolute}",1\n'))[0] == ["images/im1.jpg"]


def test_a_label_may_be_named_like_a_path(shelf: Path) -> None:
    found = as_dict(table(shelf, "image,../../evil,/etc/x\nim1,1,0\n"))
    assert found == {"images/im1.jpg": {"../../evil": 1, "/etc/x": 0}}


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Return a folder whose images share stems and numbers."""
    (tmp_path / "images").mkdir()
    (tmp_path / "sub").mkdir()
    for name in (
        "a.jpg",
        "a.png",
        "images/b.jpg",
        "b.jpg",
        "images/im7.jpg",
        "im7.gif",
        "sub/c.jpg",
    ):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "b.jpg", "images/b.jpg", "sub/c.jpg", "im7.jpg"]
)
def test_a_named_file_is_never_taken_for_its_twin(twins: Path, name: str) -> None:
    files, _, _ = read_csv(table(twins, f"image,cat\n{name},1\n"))
    assert files == [name if name != "im7.jpg" else "images/im7.jpg"]


@pytest.mark.parametrize("name", ["a", "b", "im7", "7"])
def test_a_name_that_fits_several_files_is_refused(twins: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"1 name of several images .*'{name}'"):
        read_csv(table(twins, f"image,cat\n{name},1\n"))


def test_the_ids_that_an_import_gives_are_names_too(twins: Path) -> None:
    files, _, _ = read_csv(table(twins, "image,cat\nimages/b,1\nimages/im7,1\n"))
    assert files == ["images/b.jpg", "images/im7.jpg"]


def test_five_hundred_labels(shelf: Path) -> None:
    labels = [f"l{number}" for number in range(500)]
    Y = np.random.RandomState(0).randint(0, 2, (3, 500))
    rows = [f"im{n}," + ",".join(map(str, row)) for n, row in zip(NUMBERS, Y.tolist(), strict=True)]
    _, found, read = read_csv(table(shelf, "\n".join([f"image,{','.join(labels)}", *rows])))
    assert found == tuple(sorted(labels))
    np.testing.assert_array_equal(read, Y[:, [labels.index(label) for label in found]])


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one table, found none"):
        read_csv(tmp_path)
    with pytest.raises(DataError, match="cannot be read as a CSV file"):
        read_csv(tmp_path / "absent.csv")


def test_accents_composed_otherwise_are_the_same_name(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    (tmp_path / f"{composed}.png").touch()
    assert as_dict(table(tmp_path, f"image,cat\n{apart}.png,1\n")) == {
        f"{composed}.png": {"cat": 1}
    }
    (tmp_path / f"{apart}.png").touch()  # a file of exactly that name goes first
    found = as_dict(table(tmp_path, f"image,cat\n{apart}.png,1\n{composed},0\n"))
    assert found == {f"{apart}.png": {"cat": 1}, f"{composed}.png": {"cat": 0}}


def test_the_end_of_a_path_names_an_image_where_it_fits_one(tmp_path: Path) -> None:
    for place in ("images/a", "images/b", "more/images/b"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x.png").touch()
    found = as_dict(table(tmp_path, "image,cat\na/x.png,1\n"))
    assert found == {"images/a/x.png": {"cat": 1}}
    assert as_dict(table(tmp_path, "image,cat\nimages/b/x,1\n")) == {"images/b/x.png": {"cat": 1}}
    with pytest.raises(DataError, match="of several images"):
        read_csv(table(tmp_path, "image,cat\nb/x.png,1\n"))


def test_images_that_no_row_names_are_said(tmp_path: Path) -> None:
    for place in ("photos/a.png", "photos/b.png", "photos/c.png", "masks/a.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    file = table(tmp_path, "image,cat\nphotos/a.png,1\n")
    said = "2 images not listed, left out: photos/b.png, photos/c.png"  # masks are another thing
    assert said in TABLE.read(file, Options()).remarks
    file = table(tmp_path, "image,cat\nphotos/a.png,1\nphotos/b.png,0\nphotos/c.png,0\n")
    assert not TABLE.read(file, Options()).remarks


def test_a_column_of_yes_and_no_does_not_name_images_where_another_may(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").touch()
    found = table(tmp_path, "file,path,cat\n1,a.png,1\n0,b.png,0\n")
    assert as_dict(found) == {"a.png": {"cat": 1, "file": 1}, "b.png": {"cat": 0, "file": 0}}
    with pytest.raises(DataError, match="label name 'image' cannot be used"):
        read_csv(table(tmp_path, "image,path,cat\n1,a.png,1\n0,b.png,0\n"))


def test_a_column_of_folds_is_no_label_and_a_split_alone_has_none(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").touch()
    found = table(tmp_path, "image,fold,cat\na.png,1,1\nb.png,0,0\n")
    assert as_dict(found) == {"a.png": {"cat": 1}, "b.png": {"cat": 0}}
    assert TABLE.read(found, Options()).metadata == {"fold": ["1", "0"]}
    assert not any("warning" in each for each in TABLE.read(found, Options()).remarks)
    with pytest.raises(DataError, match="found none besides images and a split"):
        read_csv(table(tmp_path, "image,split\na.png,train\nb.png,test\n"))
