"""Where there is tissue on a slide, from a small image of it."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from ._readers import ImageReader

__all__ = [
    "Tissue",
    "draw_tissue",
    "find_slide_tissue",
    "find_tissue",
    "has_glass",
    "known_mpp",
    "metric_mpp",
    "otsu_threshold",
]

#: Between these, in levels of 255, the threshold is what Otsu says. Glass under a tinted lamp
#: stays below the first, all but the palest stained tissue above the second.
_LIMITS = 15, 20

#: On a slide without stain less than this share has colour, a label of paper for example. A small
#: piece of stained tissue may be less, but has no grey beside it: by so much darker than the glass,
#: and lighter than a pen.
_FEW, _GREY = 0.05, (40, 175)

#: Colours of glass, and of the line around tissue.
_GLASS, _LINE = (70, 110, 200), (10, 25, 80)


def find_tissue(image):
    """Distinguish tissue from glass, see `stnclf.slides.Slide.tissue_mask`.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        A slide, some micrometres per pixel.

    Returns
    -------
    bool ndarray of shape (height, width)
    """
    highest = image.max(axis=2)
    colour, darkness = (
        gaussian_filter(values.astype(np.float32), 1, mode="nearest")
        for values in (highest - image.min(axis=2), 255 - highest)
    )
    found = _above_threshold(colour)
    if _is_grey(colour, darkness):
        found |= _above_threshold(darkness)
    return binary_dilation(found, np.ones((3, 3)))


def _above_threshold(values):
    return values > np.clip(otsu_threshold(values), *_LIMITS)


def _is_grey(colour, darkness):
    """Say whether a slide has no stain: no colour, or little beside more that is grey."""
    coloured = colour > _LIMITS[0]
    if coloured.mean() >= _FEW:
        return False
    low, high = np.percentile(darkness, 5) + _GREY[0], _GREY[1]
    grey = (darkness > low) & (darkness < high) & ~coloured
    return not coloured.any() or grey.sum() > coloured.sum()


def otsu_threshold(values):
    """Level from 0 to 255 that parts values into the two groups that differ most.

    Parameters
    ----------
    values : ndarray
        Numbers from 0 to 255.

    Returns
    -------
    int
        Values rounded to it or below are the lower group; 255 where there are no two groups.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.slides._tissue import otsu_threshold
    >>> otsu_threshold(np.array([3, 4, 5, 90, 95]))
    5
    """
    counts = np.bincount(np.rint(values).astype(np.int64).ravel(), minlength=256)
    lower, levels = counts.cumsum(), (counts * np.arange(256)).cumsum()
    upper = lower[-1] - lower
    both = (lower > 0) & (upper > 0)
    if not both.any():
        return 255
    gap = np.zeros(256)
    gap[both] = levels[both] / lower[both] - (levels[-1] - levels[both]) / upper[both]
    return int(np.argmax(lower.astype(float) * upper * gap**2))


#: Pixels for each cell of the mask, on a slide whose resolution is not known.
_CELL = 32


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

    def left_out(self, size, mpp=None):
        """Say how much of a slide has no tissue.

        Parameters
        ----------
        size : tuple of int
            ``(width, height)`` of the slide in level-0 pixels.
        mpp : float, default=None
            Micrometres per pixel, where they are known.

        Returns
        -------
        dict
            ``share`` of the slide, from 0 to 1, and ``mm2``, or None where `mpp` is.
        """
        # The last cells of the mask may reach beyond the slide.
        wide, high = (
            np.clip(length - np.arange(n) * self.scale, 0, self.scale)
            for length, n in zip(size, self.mask.shape[::-1])
        )
        share = float(high @ ~self.mask @ wide / (size[0] * size[1]))
        area = None if mpp is None else share * size[0] * size[1] * (mpp / 1000) ** 2
        return {"share": share, "mm2": area}

    def touches(self, boxes):
        """Mark the rectangles (n, 4), edges in level-0 pixels, that hold tissue."""
        cells = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) / self.scale
        low, high = np.floor(cells[:, :2]).astype(int), np.ceil(cells[:, 2:]).astype(int)
        limits = self.mask.shape[::-1]
        (x0, y0), (x1, y1) = np.clip(low, 0, limits).T, np.clip(high, 0, limits).T
        total = self._sums[y1, x1] - self._sums[y0, x1] - self._sums[y1, x0] + self._sums[y0, x0]
        return total > 0


def known_mpp(slide):
    """Micrometres per pixel of a slide, or None where nobody knows."""
    try:
        return slide.mpp
    except ValueError:
        return None


def metric_mpp(slide):
    """Micrometres per pixel to write lengths and areas in, or None where nobody knows.

    Where a file does not say it, 1 stands for any unit, as photographs are given: no micrometre.
    """
    mpp = known_mpp(slide)
    is_any_unit = mpp == 1 and slide.path is not None and slide._opener.reader().mpp is None
    return None if is_any_unit else mpp


def has_glass(slide):
    """Whether glass may lie around the tissue: not on a photograph, which has no resolution."""
    reader = slide._opener.reader()
    photograph = isinstance(reader, ImageReader) and reader.mpp is None
    return known_mpp(slide) is not None and not photograph


def draw_tissue(slide, tissue, max_size=1024):
    """Draw a slide with what is taken for glass in blue, and a line around what is not.

    Parameters
    ----------
    slide : Slide
        The slide.
    tissue : Tissue
        Its mask.
    max_size : int, default=1024
        Largest width and height in pixels.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
    """
    image, scale = slide.thumbnail(max_size)
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * scale / tissue.scale).astype(int), limit - 1)
        for n, limit in zip(image.shape[:2], tissue.mask.shape)
    )
    inside = tissue.mask[np.ix_(rows, columns)]
    drawn = np.where(inside[..., None], image, image * 0.45 + np.array(_GLASS) * 0.55)
    around = binary_dilation(inside, np.ones((3, 3)), iterations=2) & ~inside
    drawn[around] = _LINE
    return np.rint(drawn).astype(np.uint8)


def find_slide_tissue(slide, wanted, read_around=None):
    """Find the tissue of a slide, or take all of it.

    Parameters
    ----------
    slide : Slide
        The slide.
    wanted : bool or "auto"
        Whether tissue is looked for; "auto" does so where the resolution of the slide is known,
        but for a plain image that does not say it: what a user says of a photograph may be any
        unit, and nothing on it need be glass.
    read_around : callable, default=None
        `stnclf.slides._read_errors.read_around`, to take what cannot be read for tissue; None
        raises.

    Returns
    -------
    Tissue

    Raises
    ------
    ValueError
        If `wanted` is none of these.
    """
    is_auto = isinstance(wanted, str) and wanted == "auto"
    if not is_auto and not isinstance(wanted, (bool, np.bool_)):
        raise ValueError(f"tissue: got {wanted!r}, wants 'auto', True or False.")
    if is_auto:
        wanted = has_glass(slide)
    if not wanted:
        return Tissue(np.ones((1, 1), dtype=bool), float(max(slide.size)))
    try:
        scale = slide.scale(max(8.0, slide.mpp))  # not finer than the slide itself
    except ValueError:
        scale = max(1.0, max(slide.size) / math.ceil(max(slide.size) / _CELL))
    image, scale = slide._overview(scale, read_around)
    if read_around is None:
        return Tissue(find_tissue(image), scale)
    image, holes = image
    return Tissue(find_tissue(image) | holes, scale)
