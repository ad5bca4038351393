"""The plane that a scan works on: pixels at one resolution, tiles, and what was found on them."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from scipy.spatial import cKDTree
from tqdm import tqdm

from .._utils.names import as_text, probability_column
from .._utils.optional import import_pandas
from .._utils.threads import Workers
from .._utils.values import is_missing
from ..annotations._table import LISTS, json_text
from ..slides import SlideReadError
from ..slides._skipped import merged
from ..slides._slide import name_of
from ._finders import DIGITS, Block

__all__ = [
    "Plane",
    "csv_of",
    "numbers_of",
    "probable",
    "run",
    "table_of",
    "table_of_run",
    "without_duplicates",
]

#: Pixels of the plane: what cannot be read is left out in parts of about this side.
_SMALLEST = 64


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
        """Mark the rectangles (n, 4), edges in pixels of the plane, that hold tissue."""
        return self.tissue.touches(np.asarray(boxes) * self.scale)

    def on_level_0(self, finder, block):
        """Return x, y, width, height of the positions of a block, in pixels of level 0."""
        edges = np.array(block) * np.tile(finder.step, 2) * self.scale
        limits = np.tile(self.slide.size, 2)
        low, high = np.floor(edges[:2]), np.minimum(np.ceil(edges[2:]), limits[:2])
        return (*low.astype(int).tolist(), *(high - low).astype(int).tolist())

    def find(self, finder, block):
        """Find the cells of a block: an array (n, 3 + n_classes or more), see `table_of`."""
        box = finder.box(block)
        left, top, right, bottom = box
        corner = left * self.scale, top * self.scale
        pixels = self.slide.read_region(*corner, right - left, bottom - top, self.mpp)
        with torch.no_grad():  # a setting of each thread
            found = finder.find(pixels, box, block, self.is_wanted)
        points = (found.points + 0.5) * self.scale - 0.5
        inside = ((points > -0.5) & (points < np.array(self.slide.size) - 0.5)).all(axis=1)
        cells = [points.round(2), found.label[:, None], found.proba.round(DIGITS)]
        return np.concatenate(cells, axis=1)[inside]


def run(plane, finder, tiles, progress, n_jobs, verbose, on_error="stop"):
    """Work through the tiles that are not done.

    Returns
    -------
    list of tuple of int
        ``(x, y, width, height)`` in pixels of level 0, of what was skipped with `on_error`
        "skip". Tiles of which a part was skipped are not noted as done.
    """
    bar = tqdm(total=len(tiles), initial=len(progress.cells), unit="tile", disable=not verbose)
    skipped = []

    def work(number):
        try:
            cells = plane.find(finder, tiles[number])
        except SlideReadError as error:
            if on_error == "stop" or not error.regions:
                raise
            parts, boxes = _find_around(plane, finder, tiles[number])
            skipped.extend(boxes)
            progress.cells[number] = np.concatenate(parts) if parts else np.empty((0, 0))
            return
        progress.add(number, cells, bar.update)

    waiting = [number for number in range(len(tiles)) if number not in progress.cells]
    with bar, Workers(n_jobs, least=n_jobs) as workers:
        workers.map(work, waiting)
    return merged(skipped)


def _find_around(plane, finder, block):
    """Find the cells of those parts of a block that can be read: cells, and the other parts."""
    cells, boxes, waiting = [], [], [block]
    while waiting:
        block = waiting.pop()
        try:
            cells.append(plane.find(finder, block))
            continue
        except SlideReadError as error:
            if not error.regions:
                raise
        left, top, right, bottom = block
        columns, rows = right - left, bottom - top
        wide, high = columns * finder.step[0], rows * finder.step[1]
        if max(wide, high) <= _SMALLEST or columns == rows == 1:
            boxes.append(plane.on_level_0(finder, block))
        elif rows == 1 or (columns > 1 and wide >= high):
            middle = left + columns // 2
            waiting += [Block(left, top, middle, bottom), Block(middle, top, right, bottom)]
        else:
            middle = top + rows // 2
            waiting += [Block(left, top, right, middle), Block(left, middle, right, bottom)]
    return cells, boxes


def _probability(cells):
    """Probability of the label of each cell."""
    return cells[np.arange(len(cells)), 3 + cells[:, 2].astype(int)]


def probable(cells, least):
    """Leave out cells whose label has less than its own least probability (n_classes,)."""
    return cells[_probability(cells) >= least[cells[:, 2].astype(int)]]


def without_duplicates(cells, radius):
    """Suppress non-maximum detections, of any class, within a radius; sort by probability."""
    order = np.lexsort((cells[:, 0], cells[:, 1], -_probability(cells)))
    cells = cells[order]
    is_kept = np.ones(len(cells), dtype=bool)
    pairs = cKDTree(cells[:, :2]).query_pairs(radius, output_type="ndarray")
    # The first of each pair is the better one, and what is better than it comes before.
    for better, worse in pairs[np.lexsort(pairs.T[::-1])].tolist():
        is_kept[worse] &= not is_kept[better]
    return cells[is_kept]


def table_of(cells, slide, classes):
    """Make the table of cells: x, y, index of the label, a probability for each class.

    Those of an ensemble have a standard deviation for each class behind these.
    """
    names = classes.tolist()
    table = {
        "image": [name_of(slide)] * len(cells),
        "x": cells[:, 0],
        "y": cells[:, 1],
        "label": [names[k] for k in cells[:, 2].astype(int)],
        "probability": _probability(cells),
    }
    for name, column in zip(names, cells[:, 3:].T):
        table[probability_column(name)] = column
    first = 3 + len(names)
    if cells.shape[1] > first:  # of an ensemble
        table["disagreement"] = cells[np.arange(len(cells)), first + cells[:, 2].astype(int)]
    return import_pandas().DataFrame(table)


def csv_of(table):
    """Write a table of cells as CSV: labels as text, and lists as `read_annotations` reads them."""
    table = table.copy()
    for name in ("label", "annotated"):
        if name in table:
            table[name] = [None if is_missing(v) else as_text(v) for v in table[name]]
    for name in LISTS:
        if name in table:
            table[name] = [json_text(v) if isinstance(v, (list, tuple)) else v for v in table[name]]
    return table.to_csv(index=False, lineterminator="\n").encode()


def table_of_run(out, classes):
    """Read the table of a run that is complete as the run itself returned it.

    Parameters
    ----------
    out : str
        The file of `table_of`; who changes it makes it another run's, which is noticed before.
    classes : ndarray of shape (n_classes,)
        Labels of the model, of which the file has the text alone.

    Returns
    -------
    DataFrame
    """
    text, known = _texts(out), {as_text(name): name for name in classes.tolist()}
    found = {}
    for name in text:
        values = text[name].tolist()
        if name == "label":
            found[name] = [known[label] for label in values]
        else:
            found[name] = values if name == "image" else _numbers(values)
    return import_pandas().DataFrame(found)


def numbers_of(out, first, n_columns):
    """Read numbers of the table of a run that is complete.

    Parameters
    ----------
    out : str
        The file.
    first, n_columns : int
        Column of the first of them, and how many there are.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_columns)
        NaN where a cell of the table is empty.
    """
    columns = _texts(out).iloc[:, first : first + n_columns]
    return np.stack([_numbers(columns[name]) for name in columns], axis=1)


def _texts(out):
    """Read a table of which nothing is guessed: every cell is a text."""
    return import_pandas().read_csv(out, dtype=str, keep_default_na=False, encoding="utf-8")


def _numbers(texts):
    return np.array([text or "nan" for text in texts], dtype=np.float64)
