from __future__ import annotations

import dataclasses
import json

import pytest

from toolkit.errors import DataError, UsageError
from toolkit.paper import results as paper


def test_pos_weight_is_the_printed_vector_to_its_last_digit() -> None:
    found = paper.pos_weight(list(paper.POSITIVES.values()), paper.IMAGES)
    assert tuple(f"{weight:.10g}" for weight in found) == paper.PRINTED_POS_WEIGHT
    assert len(paper.LABELS) == 14
    assert sum(paper.POSITIVES.values()) == 20_224


@pytest.mark.parametrize("positives", [[5, 0], [5, 11]])
def test_pos_weight_refuses_counts_that_have_no_ratio(positives: list[int]) -> None:
    with pytest.raises(DataError, match="leave such labels out"):
        paper.pos_weight(positives, 10)


def test_every_row_is_there_under_its_own_key_and_its_printed_number() -> None:
    rows = list(paper.RESULTS.values())
    assert [sum(row.table == table for row in rows) for table in (1, 2, 3)] == [7, 5, 9]
    assert [row.row for row in rows if row.table == 3] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert all(key == row.key for key, row in paper.RESULTS.items())
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.source.startswith(("Table ", "Section "))
        assert row.test_rows == 2000
        assert row.protocol == paper.PROTOCOL
        json.dumps(dataclasses.asdict(row))


def test_tables_say_what_is_printed() -> None:
    # accuracy in percent, precision, recall: the digits of the page, down the columns
    printed = {
        1: "50.94 .07 .51 92.71 .03 .00 92.75 .04 .00 69.11 .07 .31 84.35 .07 .12 85.75 .07 .11 "
        "34.64 .07 .71",
        2: "82.2 .07 .14 80.4 .07 .16 78.3 .07 .19 76.2 .08 .24 74.0 .07 .26",
        3: "57.08 .07 .48 92.71 .03 .00 54.81 .07 .45 58.16 .07 .42 92.73 .02 .00 77.60 .08 .20 "
        "77.80 .07 .19 68.04 .07 .30 77.61 .07 .21",
    }
    for table, digits in printed.items():
        found = []
        for row in paper.RESULTS.values():
            if row.table == table:
                assert row.accuracy is not None
                found.append(f"{100 * row.accuracy:.{row.accuracy_decimals}f}")
                found += [f"{rate:.2f}"[1:] for rate in (row.macro_precision, row.macro_recall)]
        assert " ".join(found) == digits
    assert {row.threshold_scale for row in paper.RESULTS.values() if row.table == 2} == {"logit"}
    assert paper.result("table1/7").optimizer == "Adam"
    assert paper.result("table1/1").optimizer is None
    assert paper.result("table2/3").learning_rate == 0.002
    assert paper.result("table3/8a").augmentation == "RandomRotation(25)"


def test_what_is_not_printed_is_none() -> None:
    squeezenet = paper.result("prose/squeezenet")
    assert (squeezenet.accuracy, squeezenet.macro_precision, squeezenet.epochs) == (None,) * 3
    assert paper.result("prose/basic-cnn").macro_recall is None
    people = paper.result("prose/vgg-people")
    assert people.accuracy is None
    assert (people.label_precision, people.label_recall) == ({"people": 0.30}, {"people": 0.11})


def test_an_unknown_key_lists_them_all() -> None:
    with pytest.raises(UsageError) as caught:
        paper.result("table3/8")
    assert all(key in str(caught.value) for key in paper.RESULTS)


def test_half_units_are_half_of_the_last_printed_digit() -> None:
    assert paper.result("table1/2").half_units == pytest.approx((0.00005, 0.005))
    assert paper.result("table2/1").half_units == pytest.approx((0.0005, 0.005))
    assert paper.result("prose/basic-cnn").half_units == pytest.approx((0.005, 0.005))
