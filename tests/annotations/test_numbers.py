"""Numbers of annotations: exact spans, boxes, middles and centroids."""

from decimal import localcontext

import numpy as np
import pytest

from stnclf.annotations._numbers import is_box, middle, moments, span


@pytest.mark.parametrize("seed", range(5))
def test_spans_are_exact(seed):
    rng = np.random.default_rng(seed)
    for _ in range(500):
        center = float(rng.normal() * 10.0 ** rng.integers(-12, 12))
        size = float(rng.uniform() * 10.0 ** rng.integers(-3, 4))
        assert middle(*span(center, size, "0.5"), "0.5") == (center, size)


def test_spans_do_not_depend_on_the_precision_that_somebody_set():
    with localcontext() as context:
        context.prec = 3
        assert middle(*span(12345.678, 0.1, "0.5"), "0.5") == (12345.678, 0.1)


def test_boxes_are_told_from_other_outlines():
    box = [(1, 2), (5, 2), (5, 9), (1, 9)]
    assert is_box(box)
    assert is_box([*box, box[0]])
    assert is_box(box[::-1])
    assert not is_box(box[:3])
    assert not is_box([(1, 2), (5, 2), (5, 9), (2, 9)])
    assert not is_box([(3, 0), (6, 3), (3, 6), (0, 3)])
    assert not is_box([*box, (3, 9), (1, 9)])


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_centroids_are_those_of_a_filled_outline(offset):
    # A letter L, filled point by point.
    outline = np.array([(0, 0), (2, 0), (2, 4), (8, 4), (8, 6), (0, 6)], dtype=float)
    xs, ys = np.meshgrid(np.arange(0.005, 8, 0.01), np.arange(0.005, 6, 0.01))
    filled = (xs < 2) | (ys > 4)
    expected = (xs[filled].mean() + offset, ys[filled].mean() + offset)
    for points in (outline, outline[::-1], np.roll(outline, 2, axis=0), [*outline, outline[0]]):
        area, center = moments((np.array(points) + offset).tolist())
        assert abs(area) == pytest.approx(24)
        np.testing.assert_allclose(center, expected, rtol=0, atol=1e-8)


def test_an_outline_without_area_has_the_middle_of_its_box():
    area, center = moments([(0, 0), (4, 8), (0, 0)])
    assert area == 0
    assert center.tolist() == [2, 4]


#: Crosses itself, so that two areas nearly cancel.
CROSSED = [[1000, 1000], [1020, 1020], [1020, 1000], [1000, 1020.05], [1000, 1000]]


def test_an_outline_that_crosses_itself_has_its_position_in_its_box():
    for ring in (CROSSED, CROSSED[::-1], [point[::-1] for point in CROSSED]):
        center = moments(ring)[1]
        np.testing.assert_allclose(sorted(center), [1010, 1010.025])


def test_thin_outlines_keep_their_centroid():
    a, b = np.array([100.0, 200.0]), np.array([900.0, 700.0])
    across = np.array([-5.0, 8.0]) * 1e-4
    wedge = [a, b + across, b - across]
    np.testing.assert_allclose(moments(wedge)[1], (a + 2 * b) / 3)
