"""Corners of patches on the grid, and the tiles that hold each pixel once."""

import numpy as np

from stnclf.slides._grid import context_margin, grid_corners, tiles_of


def test_corners_keep_cells_within_reach():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1000, (2000, 2))
    for side in (30, 31):
        for most in (0.5, 1.0, 7.3):
            offsets = rng.uniform(-most, most, points.shape)
            found = points - grid_corners(points, offsets, side, most) - (side - 1) / 2
            assert np.abs(found).max() <= most + 1e-9
            assert np.abs(found - offsets).max() <= 1.0
        found = points - grid_corners(points, np.zeros_like(points), side, 0) - (side - 1) / 2
        assert np.abs(found).max() <= 0.5


def test_tiles_hold_each_patch_once():
    corners = np.array([[-5, 1000], [508, 508], [518, 488], [700, 900], [620, 900]])
    tiles = tiles_of(corners, 10, np.array([1, 0, 0, 0, 0]))
    assert [(tile.image, tile.box, tile.rows) for tile in tiles] == [
        (0, (508, 508, 512, 512), [1]),
        (0, (512, 488, 528, 512), [1, 2]),
        (0, (508, 512, 512, 518), [1]),
        (0, (512, 512, 710, 910), [1, 3, 4]),
        (1, (-5, 1000, 0, 1010), [0]),
        (1, (0, 1000, 5, 1010), [0]),
    ]


def test_tiles_may_be_of_any_size():
    tiles = tiles_of(np.array([[3, 0], [40, 20]]), 10, np.zeros(2, int), 25)
    assert [(tile.box, tile.rows) for tile in tiles] == [
        ((3, 0, 13, 10), [0]),
        ((40, 20, 50, 25), [1]),
        ((40, 25, 50, 30), [1]),
    ]


def test_the_margin_grows_with_what_training_draws():
    assert context_margin(128, 64, 0) == 73  # the patch of 128 px in an image of 274
    assert context_margin(128, 64, 8) == 81
    assert context_margin(128, 128, 0) == 28
