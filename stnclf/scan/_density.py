"""The density of cells, drawn over a small image of the slide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .._utils.containers import column_of
from .._utils.errors import argument_error
from .._utils.typing import PathLike, Pixels, Table
from .._utils.values import check_positive
from ..slides import Slide
from ..slides._slide import opened
from ..slides._tissue import known_mpp
from ._hotspots import points_of

__all__ = [
    "adapted_sigma",
    "cell_density",
    "density_colours",
    "density_map",
    "sigma_of",
    "smoothed",
]


#: Colours of the density from low to high (ColorBrewer's YlOrRd), and of outlines.
_COLOURS = np.array([(255, 237, 160), (254, 178, 76), (240, 59, 32), (128, 0, 38)], dtype=float)


_OUTLINE = (0, 60, 160)

#: Standard deviation where nobody says it: a part of the shorter side of a field of 4 : 3. Without
#: fields, 0.2 mm, as for a field of 2.37 mm2, or less on a small slide: a part of its longer side.
#: At least so much of the longer side that it is seen on the whole slide.
_OF_FIELD, _ALONE_MM, _OF_SLIDE, _SEEN = 0.15, 0.2, 0.05, 0.012


def density_map(
    detections: Table,
    slide: Slide | PathLike | Pixels,
    *,
    label: Any = None,
    sigma_um: float | None = None,
    sigma_px: float | None = None,
    max_size: int = 1024,
    fields: Table | None = None,
) -> tuple[Pixels, float]:
    """Draw the density of cells over a small image of the slide.

    Parameters
    ----------
    detections : pandas.DataFrame
        Cells: ``x``, ``y`` and ``label``, as `scan` gives them. If there is a column ``image``
        with several names, the rows of this slide count; if it is empty, all rows do.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        The slide.
    label : label, default=None
        The class that is drawn; None draws all rows.
    sigma_um : float, default=None
        Standard deviation in micrometres of the Gaussian that each cell is spread over, which wants
        a slide whose resolution is known. None adapts it, unless `sigma_px` is given (see Notes).
    sigma_px : float, default=None
        The same in pixels of level 0.
    max_size : int, default=1024
        Largest width and height of the image in pixels.
    fields : pandas.DataFrame, default=None
        Fields to outline, as `hotspots` gives them. Unless `sigma_um` or `sigma_px` is given, their
        size says how much is smoothed.

    Returns
    -------
    image : uint8 ndarray of shape (height, width, 3)
        The thumbnail in grey; from yellow to dark red, the density relative to the highest.
    scale : float
        Level-0 pixels for each pixel of the image.

    Raises
    ------
    FileNotFoundError
        If there is no such slide.
    stnclf.slides.SlideReadError
        If a part of the slide cannot be read; names it. It is an OSError.
    TypeError, ValueError
        If an argument is not as described, a cell lies outside the slide, the file is no slide, or
        `sigma_um` is given and the resolution is not known.

    Notes
    -----
    By default the standard deviation is 0.15 of the shorter side of a field of 4 : 3 that has the
    area of `fields` (their median); without fields, 200 um, but at most 0.05 of the longer side of
    the slide. It is at least 0.012 of that side, lest single cells be lost in a small image.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from stnclf.scan import density_map
    >>> from stnclf.slides import Slide
    >>> slide = Slide(np.full((600, 800, 3), 255, np.uint8), mpp=1.0)
    >>> cells = pd.DataFrame({"x": [90], "y": [200], "label": ["mitosis"]})
    >>> image, scale = density_map(cells, slide, sigma_um=20, max_size=200)
    >>> image.shape, scale, image[50, 22].tolist(), image[100, 150].tolist()
    ((150, 200, 3), 4.0, [166, 76, 103], [255, 255, 255])
    """
    with opened(slide) as slide:
        sigma = sigma_of(slide, sigma_um, sigma_px, fields)
        points = points_of(detections, slide, label)
        image, scale = slide.thumbnail(max_size)
    density = cell_density(points, image.shape[:2], scale, sigma)
    colour, cover = density_colours(density)
    grey = image.mean(axis=2, keepdims=True)
    mixed = grey + cover[..., None] * (colour - grey)
    drawn = Image.fromarray(np.rint(mixed).astype(np.uint8))
    if fields is not None:
        _outline(drawn, fields, scale)
    return np.asarray(drawn), scale


def sigma_of(slide, sigma_um, sigma_px, fields):
    """Return a standard deviation in level-0 pixels, given in micrometres, in pixels, or not."""
    if sigma_um is not None and sigma_px is not None:
        raise argument_error("sigma_px", "is the same as sigma_um in other units: give one.")
    if sigma_um is not None:
        return check_positive("sigma_um", sigma_um, "micrometres") / slide.mpp
    if sigma_px is not None:
        return check_positive("sigma_px", sigma_px, "pixels")
    return adapted_sigma(slide.size, known_mpp(slide), fields)


def adapted_sigma(size, mpp, fields):
    """Return the standard deviation that shows where cells crowd, in level-0 pixels.

    Parameters
    ----------
    size : tuple of int
        ``(width, height)`` of the slide.
    mpp : float or None
        Micrometres per pixel.
    fields : DataFrame or None
        With ``width`` and ``height`` in level-0 pixels.

    Returns
    -------
    float
    """
    areas = np.empty(0) if fields is None else _columns_of(fields)[2:].prod(axis=0)
    areas = areas[np.isfinite(areas) & (areas > 0)]
    if areas.size:
        sigma = _OF_FIELD * math.sqrt(float(np.median(areas)) * 3 / 4)
    else:
        sigma = min(_OF_SLIDE * max(size), math.inf if mpp is None else 1000 * _ALONE_MM / mpp)
    return max(sigma, _SEEN * max(size))


def cell_density(points, shape, scale, sigma):
    """Spread points over an image, relative to where most of them are.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        ``(x, y)`` in level-0 pixels.
    shape : tuple of int
        ``(height, width)`` of the image.
    scale : float
        Level-0 pixels for each pixel of the image.
    sigma : float
        Standard deviation of the Gaussian, in level-0 pixels.

    Returns
    -------
    density : float64 ndarray of shape `shape`
        From 0 to 1.
    """
    density = smoothed(points, shape, scale, sigma)
    return density / max(density.max(), 1e-12)


def smoothed(points, shape, scale, sigma):
    """Spread points over an image as `cell_density` does: cells for each pixel of the image."""
    density = np.zeros(shape)
    x, y = np.minimum((points + 0.5) / scale, np.array(shape[::-1]) - 1).astype(int).T
    np.add.at(density, (y, x), 1)
    return gaussian_filter(density, sigma / scale, mode="constant")


def density_colours(density):
    """Colour a density from 0 to 1: RGB (..., 3) from 0 to 255, and how much it covers (...)."""
    levels = np.linspace(0, 1, len(_COLOURS))
    colour = np.stack([np.interp(density, levels, channel) for channel in _COLOURS.T], axis=-1)
    # Where there is little, the slide stays visible.
    return colour, np.minimum(4 * density, 0.7)


def _columns_of(fields):
    """Position and size of fields: (4, n)."""
    names = ("x", "y", "width", "height")
    try:
        return np.array([column_of(fields, name) for name in names], dtype=np.float64)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise argument_error(
            "fields", f"wants a table with numbers {', '.join(names)} ({error!r})."
        ) from error


def _outline(image, fields, scale):
    draw = ImageDraw.Draw(image)
    for x, y, width, height in _columns_of(fields).T.tolist():
        left, top = (x + 0.5 - width / 2) / scale, (y + 0.5 - height / 2) / scale
        right, bottom = left + width / scale - 1, top + height / scale - 1
        draw.rectangle((left, top, right, bottom), outline=_OUTLINE, width=3)
