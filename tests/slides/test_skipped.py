"""What a run has left out, in a file beside its result."""

import os

import pytest

from stnclf.slides._skipped import check_on_error, merged, read_skipped, write_skipped


def test_the_list_comes_back_and_goes(tmp_path):
    out, regions = str(tmp_path / "a.csv"), [("a, b.svs", 1, 20, 300, 4), ("ü.svs", 5, 6, 7, 8)]
    assert read_skipped(out) == []
    write_skipped(out, regions)
    assert read_skipped(out) == regions
    with open(f"{out}.skipped.csv", encoding="utf-8") as file:
        assert file.readline() == "image,x,y,width,height\n"
    write_skipped(out, [])
    write_skipped(None, regions)
    assert os.listdir(tmp_path) == []


def test_rectangles_are_joined():
    four = [(0, 0, 10, 8), (10, 0, 6, 8), (0, 8, 10, 3), (10, 8, 6, 3)]
    assert merged(four) == [(0, 0, 16, 11)]
    assert merged(four[:3]) == [(0, 0, 16, 8), (0, 8, 10, 3)]
    assert merged([(5, 0, 3, 3), (0, 9, 3, 3), (5, 0, 3, 3)]) == [(5, 0, 3, 3), (0, 9, 3, 3)]
    assert merged([]) == []


def test_other_ways_are_refused():
    check_on_error("stop")
    check_on_error("skip")
    for value in ("ignore", None, True):
        with pytest.raises(ValueError, match=r"on_error: got .*, wants 'stop' or 'skip'"):
            check_on_error(value)
