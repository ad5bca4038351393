"""Places on one slide: off cells and boxes, dark in red, the darkest ones first."""

import numpy as np

from stnclf.slides import Slide
from stnclf.slides._places import boxes_of, places_on


def slide_with(dark, side=300, mpp=None):
    """A pale slide with dark discs of 12 px."""
    pixels = np.full((side, side + 60, 3), (230, 180, 210), dtype=np.uint8)
    yy, xx = np.mgrid[:side, : side + 60]
    for x, y in dark:
        pixels[(xx - x) ** 2 + (yy - y) ** 2 <= 36] = (90, 60, 140)
    return Slide(pixels, mpp)


def test_dark_places_are_the_dark_ones():
    dark = [(60, 80), (200, 150), (320, 40), (100, 250)]
    found, anywhere = places_on(
        slide_with(dark), np.array([[200.0, 150.0]]), 6, 20, 16, np.random.default_rng(0)
    )
    off = np.linalg.norm(found[:, None] - np.array(dark), axis=2)
    # Three are left, each with one place near its middle.
    assert sorted(off.argmin(axis=1).tolist()) == [0, 2, 3]
    assert off.min(axis=1).max() < 6
    assert len(anywhere) == 6
    assert np.linalg.norm(anywhere - (200, 150), axis=1).min() >= 20


def test_glass_has_no_places_where_the_resolution_is_known():
    glass = Slide(np.full((200, 300, 3), 250, dtype=np.uint8), 0.5)
    for found in places_on(glass, np.empty((0, 2)), 4, 10, 16, np.random.default_rng(0)):
        assert len(found) == 0


def test_boxes_are_taken_where_there_are_some():
    table = {"image": ["a", "b", "a", "a"], "x": [1, 2, 3, 4], "y": [5, 6, 7, 8]}
    slides = [slide_with([]), slide_with([])]
    names, most = np.array(["a", "b"]), np.array([100.0, 100.0])
    assert [len(found) for found in boxes_of(table, names, slides, most)] == [0, 0]
    table |= {"width": [10, 20, np.nan, 500], "height": [30, 40, np.nan, 20]}
    first, second = boxes_of(table, names, slides, most)
    assert first.tolist() == [[1, 5, 10, 30]]  # of the others one has no size, one is no cell
    assert second.tolist() == [[2, 6, 20, 40]]


def test_windows_see_nothing_of_a_box():
    boxes = np.array([[150.0, 150.0, 100.0, 40.0]])
    found = places_on(
        slide_with([]), np.empty((0, 2)), 400, 0, 20, np.random.default_rng(0), boxes=boxes
    )[1]
    assert len(found) == 400
    off = np.abs(found - (150, 150)) - (50 + 10, 20 + 10)
    assert off.max(axis=1).min() >= -1
