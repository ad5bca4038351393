"""The plane that a scan works on: pixels at one resolution, tiles, and what was found on them."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from scipy.spatial import cKDTree
from tqdm import tqdm

from .._utils.optional import import_pandas
from .._utils.threads import Workers
from ..slides._slide import name_of
from ._finders import Block

__all__ = ["Plane", "run", "table_of", "without_duplicates"]


class Plane:
    """The pixels of a slide at the resolution of training, and which of them are looked at."""

    def __init__(self, slide, mpp, scale, tissue):
        self.slide, self.mpp, self.scale, self.tissue = slide, mpp, scale, tissue

    def tiles(self, finder, tile_size):
        """Part a finder's grid into blocks; those without tissue are left out."""
        step = finder.step
        n_columns, n_rows = np.ceil(np.array(self.slide.size) / self.scale / step).astype(int)
        columns, rows = np.maximum(1, tile_size * finder.zoom // step).astype(int).tolist()
        blocks = [
            Block(left, top, min(left + columns, n_columns), min(top + rows, n_rows))
            for top in range(0, n_rows, rows)
            for left in range(0, n_columns, columns)
        ]
        # One position more on each side, for this is rounded.
        boxes = np.array([block.grown(1, 1) for block in blocks]) * np.tile(step, 2)
        return list(itertools.compress(blocks, self.is_wanted(boxes)))

    def is_wanted(self, boxes):
        """Tell of rectangles (n, 4), their edges in pixels of the plane, if there is tissue."""
        return self.tissue.touches(np.asarray(boxes) * self.scale)

    def find(self, finder, block):
        """Find the cells of a block: an array (n, 3 + n_classes), see `table_of`."""
        box = finder.box(block)
        left, top, right, bottom = box
        corner = left * self.scale, top * self.scale
        pixels = self.slide.read_region(*corner, right - left, bottom - top, self.mpp)
        with torch.no_grad():  # a setting of each thread
            found = finder.find(pixels, box, block, self.is_wanted)
        points = (found.points + 0.5) * self.scale - 0.5
        inside = ((points > -0.5) & (points < np.array(self.slide.size) - 0.5)).all(axis=1)
        # More digits than these would only be noise.
        cells = [points.round(2), found.label[:, None], found.proba.round(6)]
        return np.concatenate(cells, axis=1)[inside]


def run(plane, finder, tiles, progress, n_jobs, verbose):
    """Work through the tiles that are not done."""
    bar = tqdm(total=len(tiles), initial=len(progress.cells), unit="tile", disable=not verbose)

    def work(number):
        progress.add(number, plane.find(finder, tiles[number]), bar.update)

    waiting = [number for number in range(len(tiles)) if number not in progress.cells]
    with bar, Workers(n_jobs, least=n_jobs) as workers:
        workers.map(work, waiting)


def _probability(cells):
    """Probability of the label of each cell."""
    return cells[np.arange(len(cells)), 3 + cells[:, 2].astype(int)]


def without_duplicates(cells, radius):
    """Leave of cells of one class within a radius the best; the best of all come first."""
    order = np.lexsort((cells[:, 0], cells[:, 1], -_probability(cells)))
    cells = cells[order]
    is_kept = np.ones(len(cells), dtype=bool)
    for label in np.unique(cells[:, 2]):
        (rows,) = np.nonzero(cells[:, 2] == label)
        pairs = cKDTree(cells[rows, :2]).query_pairs(radius, output_type="ndarray")
        # The first of each pair is the better one, and what is better than it comes before.
        for better, worse in rows[pairs[np.lexsort(pairs.T[::-1])]].tolist():
            is_kept[worse] &= not is_kept[better]
    return cells[is_kept]


def table_of(cells, slide, classes):
    """Make the table of cells: x, y, index of the label, a probability for each class."""
    names = classes.tolist()
    table = {
        "image": [name_of(slide)] * len(cells),
        "x": cells[:, 0],
        "y": cells[:, 1],
        "label": [names[k] for k in cells[:, 2].astype(int)],
        "probability": _probability(cells),
    }
    for name, column in zip(names, cells[:, 3:].T):
        table[f"probability_{name}"] = column
    return import_pandas().DataFrame(table)
