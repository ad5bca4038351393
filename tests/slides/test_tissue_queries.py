"""Tissue asked about rectangles, and slides in whatever form they come."""

import numpy as np
import pytest

from stnclf.slides import Slide
from stnclf.slides._slide import name_of, opened
from stnclf.slides._tissue import Tissue, find_slide_tissue


def tissue_image(height=480, width=800):
    """Pink tissue from x = 320 to 639 and y = 96 to 255, on white."""
    image = np.full((height, width, 3), 250, np.uint8)
    image[96:256, 320:640] = (220, 120, 190)
    return image


def test_touches_is_what_the_mask_says():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 14)) < 0.1
    tissue = Tissue(mask, 5.0)
    boxes = rng.uniform(-20, 90, (300, 2))
    boxes = np.concatenate([boxes, boxes + rng.uniform(0.5, 20, (300, 2))], axis=1)
    fine = np.kron(mask, np.ones((50, 50), bool))  # in tenths of a pixel
    expected = []
    for x0, y0, x1, y1 in np.clip(np.round(boxes, 1), 0, None):
        rows, columns = slice(round(10 * y0), round(10 * y1)), slice(round(10 * x0), round(10 * x1))
        expected.append(fine[rows, columns].any())
    np.testing.assert_array_equal(tissue.touches(np.round(boxes, 1)), expected)
    assert 50 < np.sum(expected) < 250


def test_touches_counts_what_only_shares_an_edge_as_outside():
    tissue = Tissue(np.array([[False, True]]), 10.0)
    boxes = [[0, 0, 10, 10], [0, 0, 10.5, 10], [20, 0, 30, 10], [19.5, 0, 30, 10]]
    assert tissue.touches(boxes).tolist() == [False, True, False, True]


@pytest.mark.parametrize("mpp", [0.25, None])
def test_tissue_is_found_with_and_without_a_resolution(mpp):
    tissue = find_slide_tissue(Slide(tissue_image(), mpp=mpp), True)
    assert tissue.scale == 32
    assert tissue.touches([[330, 100, 340, 110]]).all()
    assert not tissue.touches([[0, 0, 200, 480], [320, 350, 640, 480], [740, 0, 800, 480]]).any()


def test_coarse_slides_have_a_mask_of_their_own_pixels():
    assert find_slide_tissue(Slide(tissue_image(), mpp=10.0), True).scale == 1


def test_everything_counts_where_no_tissue_is_wanted():
    tissue = find_slide_tissue(Slide(tissue_image()), False)
    assert tissue.touches([[0, 0, 1, 1], [799, 479, 800, 480]]).all()


def test_a_slide_of_the_caller_stays_open(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(Slide, "close", lambda self: closed.append(self))
    mine = Slide(tissue_image())
    with opened(mine) as slide:
        assert slide is mine
    assert closed == []
    with opened(tissue_image()) as slide:
        assert slide.size == (800, 480)
    assert closed == [slide]


def test_names(tmp_path):
    (tmp_path / "a.png").touch()
    assert name_of(Slide(tmp_path / "a.png")) == "a.png"
    assert name_of(Slide(tissue_image())) == "array"
