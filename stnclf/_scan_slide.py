"""What scanning and counting want of a slide: to be open, its name, where there is tissue."""

from __future__ import annotations

import contextlib
import math
import os

import numpy as np

from ._tissue_mask import find_tissue
from ._utils.checks import check_pixels
from .slides import Slide

__all__ = ["Tissue", "find_slide_tissue", "name_of", "opened"]

#: Pixels for each cell of the mask, on a slide whose resolution is not known.
_CELL = 32


@contextlib.contextmanager
def opened(slide):
    """Give a Slide of a Slide, path or array; what is opened here is closed in the end."""
    if isinstance(slide, Slide):
        yield slide
        return
    if isinstance(slide, np.ndarray):
        check_pixels("slide", slide)
    elif not isinstance(slide, (str, os.PathLike)):
        raise TypeError(
            f"slide: got {type(slide).__name__}, wants a Slide, a path or a uint8 array of shape "
            "(height, width, 3)."
        )
    with Slide(slide) as slide:
        yield slide


def name_of(slide):
    """Name of the file, for the column ``image`` of tables; "array" where there is none."""
    return "array" if slide.path is None else os.path.basename(slide.path)


class Tissue:
    """A mask of a slide that is asked about rectangles.

    Parameters
    ----------
    mask : bool ndarray of shape (height, width)
        True where there is tissue.
    scale : float
        Level-0 pixels for each cell; see `stnclf.slides.Slide.tissue_mask`.
    """

    def __init__(self, mask, scale):
        self.mask, self.scale = mask, scale
        self._sums = np.zeros(np.add(mask.shape, 1), dtype=np.int64)
        self._sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def touches(self, boxes):
        """Tell of rectangles (n, 4), their edges in level-0 pixels, whether there is tissue."""
        cells = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) / self.scale
        low, high = np.floor(cells[:, :2]).astype(int), np.ceil(cells[:, 2:]).astype(int)
        limits = self.mask.shape[::-1]
        (x0, y0), (x1, y1) = np.clip(low, 0, limits).T, np.clip(high, 0, limits).T
        total = self._sums[y1, x1] - self._sums[y0, x1] - self._sums[y1, x0] + self._sums[y0, x0]
        return total > 0


def find_slide_tissue(slide, wanted):
    """Find the tissue of a slide, or take all of it.

    Parameters
    ----------
    slide : Slide
        The slide.
    wanted : bool
        Whether tissue is looked for.

    Returns
    -------
    Tissue

    Raises
    ------
    ValueError
        If `wanted` is neither True nor False.
    """
    if not isinstance(wanted, (bool, np.bool_)):
        raise ValueError(f"tissue: got {wanted!r}, wants True or False.")
    if not wanted:
        return Tissue(np.ones((1, 1), dtype=bool), float(max(slide.size)))
    try:
        mpp = slide.mpp
    except ValueError:
        image, scale = slide.thumbnail(math.ceil(max(slide.size) / _CELL))
        return Tissue(find_tissue(image), scale)
    # Not finer than the slide itself.
    return Tissue(*slide.tissue_mask(max(8.0, mpp)))
