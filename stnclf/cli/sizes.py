"""Which sizes patches want: what annotations and slides say, and a recommendation made of it."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Sizes", "Slides", "look_at", "measure", "patches_line", "recommend", "sides_by_class"]

#: Window of a cell in micrometres where no boxes say how large cells are: the paper's.
_WINDOW_UM = 16.0
#: How much wider than a cell its window is.
_ROOM = 1.25
#: Pixels of a window: one of twice as many is cut at half the resolution.
_ENOUGH = 48
#: Cells of an image up to which all distances are computed, which needs no SciPy.
_FEW = 1000


@dataclass(frozen=True)
class Slides:
    """What the slides of a table of annotations say.

    Attributes
    ----------
    sizes : dict of str to tuple of int
        ``(width, height)`` of level 0 of each image that was found.
    missing : list of str
        Images without a file.
    mpp : float or None
        Micrometres per pixel of level 0, if they are known and the same on all slides.
    outside : int
        Cells outside their image.
    """

    sizes: Mapping[str, tuple[int, int]]
    missing: list[str]
    mpp: float | None
    outside: int


@dataclass(frozen=True)
class Sizes:
    """Sizes of patches.

    Attributes
    ----------
    size, cell_size : int
        Sides of patch and window in pixels of the patches.
    mpp : float or None
        Micrometres per pixel of the patches; None is that of level 0, which nobody knows.
    max_offset : int
        Largest distance of a cell from the middle.
    shrink : float
        Pixels of level 0 in one of the patches, along a side.
    """

    size: int
    cell_size: int
    mpp: float | None
    max_offset: int
    shrink: float = 1


def look_at(table, root, slide_mpp=None):
    """Look at the slides of a table.

    Parameters
    ----------
    table : DataFrame
        Annotations, see `stnclf.annotations.read_annotations`.
    root : Path
        The folder of the slides, or the one slide.
    slide_mpp : float, default=None
        Micrometres per pixel of level 0, where files do not say it.

    Returns
    -------
    Slides
    """
    from ..slides._readers import open_reader

    sizes, mpps, missing, n_outside = {}, set(), [], 0
    for name, cells in table.groupby("image", sort=True):
        path = root if root.is_file() else _below(root, name)
        if path is None:
            missing.append(name)
            continue
        reader = open_reader(os.fspath(path))
        sizes[name] = tuple(reader.size)
        mpps.add(slide_mpp or reader.mpp)
        points = cells[["x", "y"]].to_numpy(float)
        inside = (points >= -0.5) & (points <= np.array(reader.size) - 0.5)
        n_outside += int((~inside.all(axis=1)).sum())
    mpp = slide_mpp if not mpps else _common(mpps)
    return Slides(sizes, missing, mpp, n_outside)


def _below(root, name):
    """Return the path of an image, as `stnclf patches` looks for it; None where there is none."""
    from ..annotations import resolve_image

    try:
        path = resolve_image(root, name)
    except ValueError:
        return None
    return path if path.is_file() else None


def _common(mpps):
    """Return the resolution of all slides, which may differ by 2 %: scanners differ so much."""
    if None in mpps or max(mpps) > 1.02 * min(mpps):
        return None
    return float(np.median(list(mpps)))


def measure(table):
    """Measure cells and how close they lie.

    Parameters
    ----------
    table : DataFrame
        Annotations.

    Returns
    -------
    boxes : ndarray of shape (n,)
        Longer sides of the boxes in pixels of level 0; empty if there are none.
    neighbours : ndarray of shape (m,)
        Distance from each cell to the nearest other one of its image, in the same pixels.
    """
    boxes = np.empty(0)
    if "width" in table and "height" in table:
        boxes = table[["width", "height"]].to_numpy(float).max(axis=1)
        boxes = boxes[np.isfinite(boxes) & (boxes > 0)]
    found = [_nearest(cells[["x", "y"]].to_numpy(float)) for _, cells in table.groupby("image")]
    return boxes, np.concatenate(found) if found else np.empty(0)


def _nearest(points):
    if len(points) < 2:
        return np.empty(0)
    if len(points) > _FEW:
        from scipy.spatial import cKDTree

        return cKDTree(points).query(points, k=2)[0][:, 1]
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(apart, math.inf)
    return apart.min(axis=1)


def recommend(table, mpp=None, at=None, cell_width=None):
    """Recommend sizes for patches.

    The window is a quarter wider than the cells: the median box of the class with the largest
    ones. Where boxes are all of one size, as tools draw them around points, or where there are
    none, it is 16 um, the paper's. The patch is twice as wide. Where a window would have 96 pixels
    or more, patches are cut at half the resolution, a third, and so on.

    Parameters
    ----------
    table : DataFrame
        Annotations.
    mpp : float, default=None
        Micrometres per pixel of level 0.
    at : float, default=None
        Micrometres per pixel of the patches, where somebody has chosen them.
    cell_width : float, default=None
        Pixels of level 0 across the largest cells, where somebody has measured them.

    Returns
    -------
    Sizes

    Raises
    ------
    ValueError
        If there are neither boxes nor a resolution.

    Examples
    --------
    >>> import pandas as pd
    >>> from stnclf.cli.sizes import recommend
    >>> cells = pd.DataFrame({"image": ["a.svs"], "x": [40.0], "y": [20.0], "label": ["cell"]})
    >>> recommend(cells, mpp=0.25)
    Sizes(size=128, cell_size=64, mpp=0.25, max_offset=16, shrink=1)
    """
    boxes, neighbours = measure(table)
    drawn = len(boxes) > 0 and np.ptp(boxes) <= 1
    if cell_width is not None:
        window = _ROOM * cell_width
    elif len(boxes) and not (drawn and mpp):
        window = _ROOM * _largest(table)
    elif mpp:
        window = _WINDOW_UM / mpp
    else:
        raise ValueError(
            "there are neither boxes around the cells nor a resolution of the slides; pass "
            "--slide-mpp, micrometres per pixel (often 0.25 at 40x, 0.5 at 20x), or --cell-width, "
            "the pixels across the largest cells, as a viewer of images shows them."
        )
    shrink = max(1, int(window / _ENOUGH)) if at is None or mpp is None else at / mpp
    cell_size = max(8, 8 * math.ceil(window / shrink / 8 - 1e-6))
    size = 2 * cell_size
    offset = size // 8
    if len(neighbours):  # the cell that is meant stays the one nearest to the middle
        offset = min(offset, int(np.median(neighbours) / shrink / 2))
    return Sizes(size, cell_size, None if mpp is None else mpp * shrink, offset, shrink)


def _largest(table):
    """Longer side of the boxes of the class that has the largest ones, its median."""
    return max(sides_by_class(table).values())


def sides_by_class(table):
    """Measure the boxes of each class.

    Parameters
    ----------
    table : DataFrame
        Annotations.

    Returns
    -------
    dict of str to float
        Median of the longer sides in pixels of level 0, the largest class first; empty without
        boxes. Cells without a class are "".
    """
    if "width" not in table or "height" not in table:
        return {}
    sides = table[["width", "height"]].max(axis=1).to_numpy(float)
    labels = table["label"].fillna("").astype(str).to_numpy()
    wide = sides > 0
    found = {
        label: float(np.median(sides[wide & (labels == label)])) for label in set(labels[wide])
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def patches_line(sizes, annotations, root=None, *, slide_mpp=None, columns=None, outside=False):
    """Write the command that cuts patches of these sizes.

    Parameters
    ----------
    sizes : Sizes
        What is recommended.
    annotations : path-like
        The file.
    root : path-like, default=None
        The folder of the slides.
    slide_mpp : float, default=None
        What the user said about the slides.
    columns : dict, default=None
        What the user said about the columns of the file.
    outside : bool, default=False
        Whether some cells lie outside their image.

    Returns
    -------
    str
    """
    words = ["stnclf", "patches", annotations, "SLIDES" if root is None else root]
    words += ["--out", "patches", "--size", sizes.size, "--cell-size", sizes.cell_size]
    if sizes.mpp is not None:
        words += ["--mpp", f"{sizes.mpp:.4g}"]
    elif sizes.shrink > 1:  # any unit does, as long as it is the same everywhere
        words += ["--slide-mpp", 1, "--mpp", sizes.shrink]
    if slide_mpp is not None:
        words += ["--slide-mpp", f"{slide_mpp:g}"]
    words += ["--max-offset", sizes.max_offset]
    for name, column in (columns or {}).items():
        words += ["--column", f"{name}={column}"]
    words += ["--outside", "skip"] if outside else []
    return shlex.join(map(str, words))
