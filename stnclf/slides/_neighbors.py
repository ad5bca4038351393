"""The other annotated cells in each patch's image."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["cells_beside"]


def cells_beside(points, image, classes, rows, numbers, corners, side):
    """List the annotated cells of each image but the one that it was cut around.

    Parameters
    ----------
    points : float64 ndarray of shape (n_cells, 2)
        ``(x, y)`` of all cells in pixels of the grid of their slide.
    image : int ndarray of shape (n_cells,)
        Number of the slide of each.
    classes : int ndarray of shape (n_cells,)
        Index of the class; -1 where it is not known.
    rows : int ndarray of shape (n,)
        The cell that each image was cut around; -1 where it was cut around none.
    numbers : int ndarray of shape (n,)
        Number of the slide of each image.
    corners : int ndarray of shape (n, 2)
        ``(x, y)`` of the images' top-left pixels in the grid.
    side : int
        Side of the images in pixels.

    Returns
    -------
    float64 ndarray of shape (n, k, 3)
        ``(x, y)`` in pixels of the images, and the class, in the order of the table; padded with
        rows of NaN.
    """
    found: list[np.ndarray] = [np.empty(0, np.int64)] * len(rows)
    for number in np.unique(numbers):
        members = np.flatnonzero(image == number)
        of_slide = np.flatnonzero(numbers == number)
        middles = corners[of_slide] + (side - 1) / 2
        # A pixel reaches half a pixel beyond its middle.
        near = cKDTree(points[members]).query_ball_point(middles, side / 2, p=np.inf)
        for row, places in zip(of_slide, near):
            cells = np.sort(members[places])
            found[row] = cells[cells != rows[row]]
    most = max(map(len, found), default=0)
    result = np.full((len(rows), most, 3), np.nan)
    for row, cells in enumerate(found):
        result[row, : len(cells), :2] = points[cells] - corners[row]
        result[row, : len(cells), 2] = classes[cells]
    return result
