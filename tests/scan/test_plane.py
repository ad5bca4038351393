"""The plane of a scan: tiles, places in pixels of level 0, duplicates, the table."""

from types import SimpleNamespace

import numpy as np
import pytest

from stnclf._utils.progress import Progress
from stnclf.scan._finders import Block, Found
from stnclf.scan._plane import Plane, run, table_of, without_duplicates

#: A slide of 100 x 61 px; the plane has half of its pixels on a side.
SIZE, SCALE = (100, 61), 2.0


class Everywhere:
    """Tissue wherever a rectangle (left, top, right, bottom), in px of level 0, reaches x < end."""

    def __init__(self, end=np.inf):
        self.end, self.asked = end, []

    def touches(self, boxes):
        self.asked.append(boxes)
        return boxes[:, 0] < self.end


class Slide:
    size, name, path = SIZE, "a.svs", None

    def __init__(self):
        self.read = []

    def read_region(self, x, y, width, height, mpp):
        self.read.append((x, y, width, height, mpp))
        return np.zeros((height, width, 3), np.uint8)


def make_finder(points=(), labels=(), proba=(), step=(4.0, 3.0), zoom=1):
    """A finder that answers every block with the same cells, in pixels of the plane."""
    found = Found(
        points=np.array(points, float).reshape(-1, 2),
        proba=np.array(proba, float).reshape(-1, 2),
        label=np.array(labels, int),
    )
    return SimpleNamespace(
        step=np.array(step),
        zoom=zoom,
        box=lambda block: (
            block.left * 4 - 1,
            block.top * 3 - 2,
            block.right * 4,
            block.bottom * 3,
        ),
        find=lambda pixels, box, block, is_wanted: found,
    )


def test_tiles_cover_the_grid_once():
    tiles = Plane(Slide(), 0.5, SCALE, Everywhere()).tiles(make_finder(), 20)
    # 50 x 30.5 px of the plane are 13 columns of 4 px and 11 rows of 3 px; 20 px are 5 and 6.
    seen = np.zeros((11, 13), int)
    for left, top, right, bottom in tiles:
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()
    assert tiles[0] == Block(0, 0, 5, 6)
    assert tiles[-1] == Block(10, 6, 13, 11)
    assert len(tiles) == 3 * 2


def test_a_tile_has_at_least_one_position():
    tiles = Plane(Slide(), 0.5, SCALE, Everywhere()).tiles(make_finder(step=(30.0, 16.0)), 1)
    assert tiles == [Block(0, 0, 1, 1), Block(1, 0, 2, 1), Block(0, 1, 1, 2), Block(1, 1, 2, 2)]


def test_tiles_without_tissue_are_left_out():
    tissue = Everywhere(end=30)
    tiles = Plane(Slide(), 0.5, SCALE, tissue).tiles(make_finder(), 20)
    # One position more on each side, in pixels of level 0.
    np.testing.assert_array_equal(tissue.asked[0][0], [-8, -6, 48, 42])
    # The second column of tiles begins at position 5: (5 - 1) * 4 * 2 = 32.
    assert {tile.left for tile in tiles} == {0}


def test_cells_are_placed_in_pixels_of_level_0():
    slide = Slide()
    finder = make_finder(
        # Before the slide's edge at -0.5, on it, inside, and beyond the right and the lower edge.
        [[-0.51, 3], [-0.5, 3], [7.25, 3.123456], [49.5, 3], [7, 30.0]],
        [0, 0, 1, 0, 0],
        [[0.5, 0.5], [0.5, 0.5], [0.12345678, 0.87654322], [1, 0], [1, 0]],
    )
    cells = Plane(slide, 0.5, SCALE, Everywhere()).find(finder, Block(2, 1, 7, 5))
    # (x + 0.5) * 2 - 0.5; the region is the finder's box, its corner in pixels of level 0.
    np.testing.assert_allclose(cells, [[15.0, 6.75, 1, 0.123457, 0.876543]], rtol=1e-12)
    assert slide.read == [((2 * 4 - 1) * 2, (1 * 3 - 2) * 2, 21, 14, 0.5)]


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_tiles_that_are_done_are_not_done_again(n_jobs):
    slide, progress = Slide(), Progress(None, {}, False)
    plane, finder = (
        Plane(slide, 0.5, SCALE, Everywhere()),
        make_finder([[7, 3]], [1], [[0.25, 0.75]]),
    )
    tiles = plane.tiles(finder, 20)
    progress.add(1, np.zeros((0, 5)), lambda: None)
    run(plane, finder, tiles, progress, n_jobs, verbose=0)
    assert sorted(progress.cells) == list(range(6))
    assert len(slide.read) == 5
    assert len(progress.cells[1]) == 0
    np.testing.assert_array_equal(progress.cells[4], [[14.5, 6.5, 1, 0.25, 0.75]])


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_are_left_out_as_in_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    n, radius = 60, 9.0
    proba = rng.choice([0.2, 0.5, 0.7, 0.9], n)  # with ties
    label = rng.integers(0, 2, n)
    columns = np.where(label[:, None] == [0, 1], proba[:, None], 1 - proba[:, None])
    cells = np.column_stack([rng.integers(0, 60, n), rng.integers(0, 40, n), label, columns])
    kept = []
    for cell in sorted(cells.tolist(), key=lambda c: (-c[3 + int(c[2])], c[1], c[0])):
        # One cell has one class: it does not matter whether the classes differ.
        if all(np.hypot(k[0] - cell[0], k[1] - cell[1]) > radius for k in kept):
            kept.append(cell)
    assert 5 < len(kept) < n
    np.testing.assert_array_equal(without_duplicates(cells, radius), kept)


def test_a_cell_that_was_left_out_suppresses_none():
    # Of three in a row, 6 px apart, the middle one falls to the first and the last one stays.
    cells = np.array([[0, 0, 0, 0.9], [6, 0, 0, 0.8], [12, 0, 0, 0.7]])
    assert without_duplicates(cells, 6)[:, 0].tolist() == [0, 12]
    assert without_duplicates(cells, 5.9)[:, 0].tolist() == [0, 6, 12]
    assert without_duplicates(cells[:0], 6).shape == (0, 4)


def test_the_table_has_the_label_and_a_probability_for_each_class():
    pytest.importorskip("pandas", reason="needs the extra [slides]")
    cells = np.array([[3.5, 7.25, 1, 0.25, 0.75], [1.0, 2.0, 0, 0.625, 0.375]])
    table = table_of(cells, Slide(), np.array(["b", "a"]))
    assert table.columns.tolist() == [
        *("image", "x", "y", "label", "probability", "probability_b", "probability_a")
    ]
    assert table.to_numpy().tolist()[0][1:] == [3.5, 7.25, "a", 0.75, 0.25, 0.75]
    assert table.to_numpy().tolist()[1][1:] == [1.0, 2.0, "b", 0.625, 0.625, 0.375]
    empty = table_of(cells[:0], Slide(), np.array(["b", "a"]))
    assert (len(empty), empty.columns.tolist()) == (0, table.columns.tolist())
