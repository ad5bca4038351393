"""The other annotated cells in each patch's image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ._cell_table import check_cells, on_level_0, refuse_other_names

__all__ = ["Cells", "cells_beside", "cells_of"]


class Cells(NamedTuple):
    """Annotated cells of some slides.

    Attributes
    ----------
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in pixels of level 0.
    image : int ndarray of shape (n,)
        Number of the slide.
    labels : ndarray of shape (n,)
        Labels; those of cells that have none mean nothing.
    known : bool ndarray of shape (n,)
        Which have one.
    """

    points: np.ndarray
    image: np.ndarray
    labels: np.ndarray
    known: np.ndarray

    def beside(self, classes, scales, numbers, meant, corners, side):
        """List these cells in images; see `cells_beside` for arguments that are not here.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Sorted labels.
        scales : float64 ndarray of shape (n_slides,)
            Pixels of level 0 for one of the grid.
        numbers, meant, corners, side
            As for `cells_beside`.
        """
        index = np.full(len(self.points), -1)
        labels = self.labels[self.known]
        places = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        index[self.known] = np.where(classes[places] == labels, places, -1)
        points = (self.points + 0.5) / scales[self.image, None] - 0.5
        return cells_beside(points, self.image, index, numbers, meant, corners, side)


def cells_of(table, names, slides):
    """Take the cells of some slides out of a table; some of them may be without a label.

    Parameters
    ----------
    table : DataFrame or mapping of columns
        ``image``, ``x``, ``y`` and ``label``.
    names : ndarray of shape (n_slides,), str
        Names of the slides.
    slides : list of Slide
        The slides.

    Returns
    -------
    Cells

    Raises
    ------
    ValueError
        If it is no such table.
    """
    groups, points, labels, known, _, from_bounds = check_cells(table, "neighbors", unknown=True)
    refuse_other_names(groups, names, "neighbors")
    image = np.minimum(np.searchsorted(names, groups), len(names) - 1)
    here = names[image] == groups
    for number, slide in enumerate(slides):
        rows = here & (image == number)
        points[rows] = on_level_0(points[rows], from_bounds[rows], slide.path)
    return Cells(points[here], image[here], labels[here], known[here])


def cells_beside(points, image, classes, numbers, meant, corners, side):
    """List the annotated cells of each image but the one that it was cut around.

    Parameters
    ----------
    points : float64 ndarray of shape (n_cells, 2)
        ``(x, y)`` of all cells in pixels of the grid of their slide.
    image : int ndarray of shape (n_cells,)
        Number of the slide of each.
    classes : int ndarray of shape (n_cells,)
        Index of the class; -1 where it is not known.
    numbers : int ndarray of shape (n,)
        Number of the slide of each image.
    meant : float64 ndarray of shape (n, 2)
        ``(x, y)`` of the cell that it was cut around, in pixels of the grid; NaN where there is
        none. What lies within half a pixel of it is the cell itself.
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
    found: list[np.ndarray] = [np.empty(0, np.int64)] * len(numbers)
    for number in np.unique(numbers):
        members = np.flatnonzero(image == number)
        of_slide = np.flatnonzero(numbers == number)
        middles = corners[of_slide] + (side - 1) / 2
        # A pixel reaches half a pixel beyond its middle.
        near = cKDTree(points[members]).query_ball_point(middles, side / 2, p=np.inf)
        for row, places in zip(of_slide, near):
            cells = members[np.sort(np.asarray(places, dtype=np.int64))]
            is_other = ~(np.hypot(*(points[cells] - meant[row]).T) <= 0.5)
            found[row] = cells[is_other]
    most = max(map(len, found), default=0)
    result = np.full((len(numbers), most, 3), np.nan)
    for row, cells in enumerate(found):
        result[row, : len(cells), :2] = points[cells] - corners[row]
        result[row, : len(cells), 2] = classes[cells]
    return result
