"""Centroids and boxes of many outlines are those of each by itself."""

import numpy as np
import pytest

from stnclf.annotations import _outlines
from stnclf.annotations._numbers import moments
from stnclf.annotations._outlines import Outlines
from tests.annotations.test_numbers import CROSSED


def outline(rng, n):
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    ring = rng.uniform(0, 1e5, 2) + rng.uniform(2, 9, (n, 1)) * np.c_[np.cos(angle), np.sin(angle)]
    return (ring if rng.random() < 0.5 else ring[::-1]).tolist()


def test_many_outlines_are_computed_as_each(monkeypatch):
    monkeypatch.setattr(_outlines, "_ENOUGH", 50)  # several times in between
    rng = np.random.default_rng(0)
    outlines, rows, rings = Outlines(-0.5), [], []
    for i in range(200):
        rings.append(outline(rng, int(rng.integers(3, 30))))
        rows.append({})
        outlines.add(rows[-1], [[rings[-1]]], f"outline {i}")
    outlines.finish()
    for row, ring in zip(rows, rings):
        np.testing.assert_allclose([row["x"], row["y"]], moments(ring)[1] - 0.5, atol=1e-8)
        low, high = np.min(ring, axis=0), np.max(ring, axis=0)
        np.testing.assert_allclose([row["width"], row["height"]], high - low, atol=1e-9)


def test_holes_and_parts_are_weighed():
    square, hole = [[0, 0], [4, 0], [4, 4], [0, 4]], [[2, 0], [4, 0], [4, 4], [2, 4]]
    away = [[10, 1], [12, 1], [12, 3], [10, 3]]
    first, second, flat = {}, {}, {}
    outlines = Outlines()
    outlines.add(first, [[square, hole]], "a")
    outlines.add(second, [[square], [away]], "b")
    outlines.add(flat, [[[[1, 2], [5, 2], [3, 2, 9]]]], "c")
    outlines.finish()
    assert (first["x"], first["y"], first["width"], first["height"]) == (1, 2, 4, 4)
    assert second["x"] == pytest.approx((16 * 2 + 4 * 11) / 20)
    assert (second["y"], second["width"], second["height"]) == (2, 12, 4)
    assert (flat["x"], flat["y"], flat["width"], flat["height"]) == (3, 2, 4, 0)


@pytest.mark.parametrize("point", [[1], [1, "2"], [1, True], [1, None], [1, 10**400], 3, "ab"])
def test_points_that_are_no_numbers_are_named_at_once(point):
    with pytest.raises(ValueError, match="shape 7 has a point that is not two numbers"):
        Outlines().add({}, [[[[1, 2], point]]], "shape 7")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named_in_the_end(value):
    outlines = Outlines()
    outlines.add({}, [[[[1, 2], [3, 4]]]], "shape 6")
    outlines.add({}, [[[[1, 2], [3, 4]], [[value, 2]]]], "shape 7")
    outlines.add({}, [[[[1, 2]]]], "shape 8")
    with pytest.raises(ValueError, match="shape 7 has a point"):
        outlines.finish()


def test_an_outline_that_crosses_itself_has_its_position_in_its_box():
    far, whole = [[5, 0], [15, 0], [15, 10], [5, 10]], [[5, 0], [25, 0], [25, 10], [5, 10]]
    beside = [[10, 0], [30, 0], [30, 9.999], [10, 9.999]]
    alone, parts, hole = {}, {}, {}
    outlines = Outlines(-0.5)
    outlines.add(alone, [[CROSSED]], "a")
    outlines.add(parts, [[CROSSED], [far]], "b")
    outlines.add(hole, [[whole, beside]], "c")
    outlines.finish()
    assert (alone["x"], alone["y"]) == (1009.5, pytest.approx(1009.525))
    assert (alone["width"], alone["height"]) == (20, 20.05)
    assert 9.5 <= parts["x"] <= 1009.5
    # A hole of nearly the same area and another position.
    assert (hole["x"], hole["y"]) == (14.5, 4.5)
