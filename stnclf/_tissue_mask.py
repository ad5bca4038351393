"""Where there is tissue on a slide, from a small image of it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

__all__ = ["find_tissue", "otsu_threshold"]

#: Between these, in levels of 255, the threshold is what Otsu says. Glass under a tinted lamp
#: stays below the first, all but the palest stained tissue above the second.
_LIMITS = 15, 20


def find_tissue(image):
    """Tell tissue from glass, see `stnclf.slides.Slide.tissue_mask`.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        A slide, some micrometres per pixel.

    Returns
    -------
    bool ndarray of shape (height, width)
    """
    colour = image.max(axis=2) - image.min(axis=2)
    if not colour.any():
        colour = 255 - image[:, :, 0]
    colour = gaussian_filter(colour.astype(np.float32), 1, mode="nearest")
    return binary_dilation(colour > np.clip(otsu_threshold(colour), *_LIMITS), np.ones((3, 3)))


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
    >>> from stnclf._tissue_mask import otsu_threshold
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
