"""Shapes of viewers, whose coordinates run along the edges of pixels."""

import pytest

from stnclf.annotations._outlines import Outlines
from stnclf.annotations._shapes import number_of, shape_row


def test_a_shape_is_a_row():
    outlines, points = Outlines(-0.5), [[1.0, 2.0], [5.0, 2.0], [5.0, 10.0]]
    rows = [
        shape_row("a.svs", kind, points, outlines, {"label": "m"}, "it")
        for kind in ("spot", "area", "line", "polygon")
    ]
    outlines.finish()
    assert [(r["x"], r["y"], r["width"], r["height"]) for r in rows] == [
        (0.5, 1.5, None, None),
        (2.5, 5.5, 4, 8),
        (2.5, 5.5, 4, 8),
        (pytest.approx(11 / 3 - 0.5), pytest.approx(14 / 3 - 0.5), 4, 8),
    ]
    assert all(row["image"] == "a.svs" and row["label"] == "m" for row in rows)


def test_numbers_in_text():
    assert [number_of(t, "it") for t in ("1", " -2.5 ", ".5", "1e3", "7.")] == [
        1,
        -2.5,
        0.5,
        1e3,
        7,
    ]
    for text in (None, "", "x", "nan", "inf", "1_0", "1,5", "1e999", "0x1"):
        with pytest.raises(ValueError, match=r"it has .* for a coordinate, which is no number"):
            number_of(text, "it")
