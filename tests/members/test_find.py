"""Which members are meant: by name, by pattern, in hand; refused by name, passed over otherwise."""

from pathlib import Path

import pytest

import toolkit as tk
from tests.members.test_member import keep
from toolkit.errors import ArtifactError, LeftOutWarning, MemberError, UsageError
from toolkit.members.find import find_members, home_of
from toolkit.members.member import Member

NAMES = ("a2", "a10", "b")


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    for name in NAMES:
        keep(tmp_path, name)
    return tmp_path


def names(found: list[Member]) -> list[str]:
    return [member.name for member in found]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("all", NAMES),
        ("*", NAMES),
        ("b,a*", NAMES),
        (["b", "a2,b"], ("a2", "b")),
        ("a?", ("a2",)),
    ],
)
def test_names_and_patterns_give_each_member_once_in_natural_order(
    artifacts: Path, wanted: str | list[str | Member], meant: tuple[str, ...]
) -> None:
    assert names(find_members(artifacts, wanted)[0]) == list(meant)


@pytest.mark.parametrize("wanted", ["c*", "a2,c*", "c"])
def test_what_meets_no_member_is_named(artifacts: Path, wanted: str) -> None:
    with pytest.raises(UsageError, match=r"no member named c\*?; there are: a2, a10, b"):
        find_members(artifacts, wanted)


@pytest.mark.parametrize("wanted", [[], "", [""], " , "])
def test_no_name_at_all_is_no_choice(artifacts: Path, wanted: str | list[str | Member]) -> None:
    with pytest.raises(UsageError, match=r"members: expected names.*found none; '\*' is every one"):
        find_members(artifacts, wanted)


def test_a_damaged_member_is_left_out_with_its_name_unless_it_was_named(artifacts: Path) -> None:
    scores = artifacts / "members" / "a10" / "predictions.parquet"
    scores.write_bytes(scores.read_bytes()[:-9])
    damaged = dict[str, str]()
    with pytest.warns(LeftOutWarning, match="left out, member a10.*is damaged"):
        found, left_out = find_members(artifacts, "*", damaged=damaged)
    assert (names(found), left_out) == (["a2", "b"], [])
    assert list(damaged) == ["a10"]
    with pytest.raises(ArtifactError, match="member a10"):
        find_members(artifacts, "a*,a10")
    with pytest.warns(UserWarning, match="left out, member a10"):
        listing = tk.list_members(artifacts=artifacts, sort="name")
    assert names(listing) == ["a2", "b"]
    assert list(listing.damaged) == ["a10"]


def test_members_in_hand_stand_beside_names(artifacts: Path) -> None:
    b = find_members(artifacts, "b")[0][0]
    found, _ = find_members(artifacts, [b, "a2", "b"])
    assert names(found) == ["a2", "b"]
    assert found[1] is b
    assert names(find_members(artifacts, b)[0]) == ["b"]
    assert home_of(found) == artifacts
    assert home_of(["a2"]) is None
    elsewhere = keep(artifacts / "elsewhere", "c")
    with pytest.raises(UsageError, match="one artifacts folder"):
        home_of([b, elsewhere])


def test_what_does_not_belong_is_left_out_unless_it_was_named(artifacts: Path) -> None:
    def check(member: Member) -> None:
        if member.name == "a10":
            raise MemberError("a10 is of another data set")

    found, left_out = find_members(artifacts, "*", check=check)
    assert (names(found), left_out) == (["a2", "b"], ["a10"])
    for wanted in ("*,a10", find_members(artifacts, "a10")[0]):
        with pytest.raises(MemberError, match="another data set"):
            find_members(artifacts, wanted, check=check)


def test_a_pattern_finds_some_kinds_and_a_name_any(artifacts: Path) -> None:
    assert find_members(artifacts, "*", kinds=("ensemble",)) == ([], [])
    assert names(find_members(artifacts, "*,b", kinds=("ensemble",))[0]) == ["b"]


def test_an_unknown_name_lists_those_there(artifacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no member named c; there are: a2, a10, b"):
        find_members(artifacts, "c,b")
    with pytest.raises(UsageError, match="none yet"):
        find_members(tmp_path / "new", "c")
