"""Errors about arguments carry the argument's name, through pickles too."""

from __future__ import annotations

import pickle

import pytest

from stnclf._utils.errors import ArgumentError, argument_error, check_utf8


@pytest.mark.parametrize("kind", [ValueError, TypeError, FileNotFoundError])
def test_an_error_is_both_kinds_and_says_its_argument(kind):
    error = argument_error("stride", "got 0, wants 1 or more.", kind)
    again = pickle.loads(pickle.dumps(error))  # as it comes back from a worker
    for found in (error, again):
        assert isinstance(found, kind)
        assert isinstance(found, ArgumentError)
        assert str(found) == "stride: got 0, wants 1 or more."
        assert (found.argument, found.problem) == ("stride", "got 0, wants 1 or more.")


def test_a_part_of_an_argument_is_named():
    error = argument_error("annotations", "has no label.", where="row 3")
    assert str(error) == "annotations, row 3: has no label."
    assert (error.argument, error.problem) == ("annotations", "row 3: has no label.")


def test_names_that_no_table_can_hold_are_refused():
    check_utf8("slides", "ü 日本.svs")
    with pytest.raises(ValueError, match=r"^slides: got the file name 'a\\udcff\.svs', wants"):
        check_utf8("slides", "a\udcff.svs")
