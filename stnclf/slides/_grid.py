"""The grid of pixels that patches are cut from: where they lie on it, and the tiles that are read.

A slide at the wanted resolution is a grid of pixels that begins at its top-left corner. Patches
are rectangles of whole pixels of that grid, so that nothing is resampled twice, and the grid is
read in tiles, each once, whichever patches its pixels go to.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

__all__ = ["Tile", "context_margin", "grid_corners", "tiles_of"]


@dataclass(frozen=True)
class Tile:
    """A rectangle of the grid of one image, and the patches that it goes to.

    Parameters
    ----------
    image : int
        Number of the image.
    box : tuple of int
        ``(left, top, right, bottom)`` in pixels of the grid, right and bottom excluded.
    rows : list of int
        The patches.
    """

    image: int
    box: tuple
    rows: list


def context_margin(size, cell_size, max_offset):
    """Pixels around the central patch from which training can turn and move it.

    Parameters
    ----------
    size, cell_size : int
        Sides of patch and cell window in pixels.
    max_offset : float
        Largest distance of the cell from the middle of the image on either axis, in pixels.

    Returns
    -------
    int

    Notes
    -----
    Training moves the cell by up to ``(size - cell_size) / 2`` on each axis of a patch that is
    turned by any angle about the cell (`stnclf.sampling`). The far corner of the patch is then
    at ``sqrt(2) * (size - cell_size / 2)`` from the cell, in any direction. All of this must lie
    between the middles of the first and the last pixel, for the sampler interpolates.

    Examples
    --------
    >>> from stnclf.slides._grid import context_margin
    >>> context_margin(128, 64, 0)
    73
    """
    farthest = max_offset + math.sqrt(2) * (size - cell_size / 2)
    return math.ceil(farthest - (size - 1) / 2)


def grid_corners(points, offsets, side, max_offset):
    """Top-left pixels of patches in which cells lie at given offsets from the middle.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        ``(x, y)`` of the cells in pixels of the grid.
    offsets : ndarray of shape (n, 2)
        Wanted ``(x, y)`` of the cells from the middle of their patches.
    side : int
        Side of the patches.
    max_offset : float
        What no offset may exceed, unless it is below half a pixel.

    Returns
    -------
    int64 ndarray of shape (n, 2)
        The nearest whole pixels. The cells are at ``points - corners`` of the patches.
    """
    centred = points - (side - 1) / 2
    corners = np.floor(centred - offsets + 0.5)
    low, high = np.ceil(centred - max_offset), np.floor(centred + max_offset)
    return np.where(low <= high, np.clip(corners, low, high), np.floor(centred + 0.5)).astype(
        np.int64
    )


def tiles_of(corners, side, image, tile=512):
    """Parts of the grids that patches need, each pixel in one tile only.

    Parameters
    ----------
    corners : int ndarray of shape (n, 2)
        ``(x, y)`` of the patches' top-left pixels.
    side : int
        Side of the patches.
    image : int ndarray of shape (n,)
        Number of the image of each patch.
    tile : int, default=512
        Side of a tile.

    Returns
    -------
    list of Tile
        By image, then row by row. A tile is no larger than what patches take of it.
    """
    members = defaultdict(list)
    firsts, lasts = corners // tile, (corners + side - 1) // tile
    for row, (i, (x0, y0), (x1, y1)) in enumerate(
        zip(image.tolist(), firsts.tolist(), lasts.tolist())
    ):
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                members[i, y, x].append(row)
    tiles = []
    for (i, y, x), rows in sorted(members.items()):
        low = np.maximum(corners[rows].min(axis=0), (x * tile, y * tile))
        high = np.minimum(corners[rows].max(axis=0) + side, ((x + 1) * tile, (y + 1) * tile))
        tiles.append(Tile(i, (*low.tolist(), *high.tolist()), rows))
    return tiles
