import math

import pytest

from novis.reporting.cells import Column, Number, groups, number, ranked


@pytest.mark.parametrize(
    ("value", "text"),
    [(21.94, "21.9"), (21.96, "22.0"), (0.0, "0.0"), (-0.04, "0.0"), (-3.25, "-3.2"), (None, None)],
)
def test_number_is_printed_with_its_digits(value, text):
    assert Number(value).text == text


def test_signed_number_shows_its_sign_but_zero_has_none():
    assert [Number(v, signed=True).text for v in (0.31, -0.31, 0.01, -0.01)] == ["+0.3", "-0.3", "0.0", "0.0"]


def test_nan_is_missing_and_so_is_its_spread():
    assert number(math.nan).text is None
    assert number(math.nan, 1.0).spread_text is None
    assert number(3.0, math.nan).spread_text is None


def ranks(*values):
    rows = ranked([(number(value),) for value in values], [0])
    return [row[0].rank for row in rows]


def test_best_and_second_are_marked():
    assert ranks(20.9, 23.3, 23.0) == [0, 1, 2]


def test_numbers_that_print_alike_share_a_rank():
    assert ranks(21.41, 21.44, 20.0) == [1, 1, 2]


def test_missing_numbers_have_no_rank():
    assert ranks(math.nan, 20.0, 21.0) == [0, 2, 1]


def test_nothing_is_best_where_all_are_alike():
    assert ranks(20.0, 20.0) == [0, 0]
    assert ranks(20.0) == [0]


def test_text_and_other_columns_are_left_alone():
    rows = ranked([("a", number(1.0), number(2.0)), ("b", number(3.0), number(1.0))], [1])
    assert [row[0] for row in rows] == ["a", "b"]
    assert [row[2].rank for row in rows] == [0, 0]


def test_neighbours_of_one_group_share_a_heading():
    columns = [Column("TE"), Column("dice", "loss"), Column("mask", "loss"), Column("ours", "AP")]
    assert groups(columns) == [("", 1), ("loss", 2), ("AP", 1)]


def test_columns_without_a_group_stay_apart():
    assert groups([Column("T"), Column("S")]) == [("", 1), ("", 1)]
