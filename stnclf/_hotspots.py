"""The fields of a slide that hold most cells, and pictures of where cells are."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from ._scan_slide import name_of, opened
from ._utils.checks import check_positive
from ._utils.optional import import_pandas
from ._utils.typing import PathLike, Pixels, Table
from .slides import Slide

__all__ = ["cell_density", "density_colours", "density_map", "hotspots", "rows_of"]

#: Micrometres from one place of a field to the next: a cell of the tissue mask.
_STEP = 8.0

#: Colours of the density from low to high (ColorBrewer's YlOrRd), and of outlines.
_COLOURS = np.array([(255, 237, 160), (254, 178, 76), (240, 59, 32), (128, 0, 38)], dtype=float)
_OUTLINE = (0, 60, 160)


def hotspots(
    detections: Table,
    slide: Slide | PathLike | Pixels,
    *,
    area_mm2: float = 2.37,
    aspect: float = 4 / 3,
    label: Any = None,
    n: int = 1,
) -> Table:
    """Find the fields of a slide that hold most cells.

    Parameters
    ----------
    detections : pandas.DataFrame
        Cells: ``x``, ``y`` and ``label``, as `scan` gives them. If there is a column ``image``
        with several names, the rows of this slide count.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        The slide, whose resolution must be known. Its pixels are not read.
    area_mm2 : float, default=2.37
        Area of a field in square millimetres. 2.37 is that of ten high-power fields.
    aspect : float, default=1.3333333333333333
        Width of a field over its height.
    label : label, default=None
        The class that is counted; None counts all rows.
    n : int, default=1
        How many fields.

    Returns
    -------
    fields : pandas.DataFrame
        The fields by falling count, no two of which overlap: ``image``, ``x`` and ``y`` of the
        middle, ``label`` ("hotspot"), ``type`` ("area"), ``width`` and ``height`` in pixels of
        level 0, ``count``, and ``per_mm2``, the count for a square millimetre. Fields
        without cells are left out, so there may be fewer than `n`.

    Raises
    ------
    FileNotFoundError
        If there is no such slide.
    ImportError
        If pandas is missing.
    TypeError, ValueError
        If an argument is not as described, a cell lies outside the slide, the resolution is not
        known, or the slide is smaller than a field.

    See Also
    --------
    stnclf.annotations.write_annotations : Writes the fields for other programs.

    Notes
    -----
    Fields lie along the axes and inside the slide. All places at a step of 8 um, a cell of the
    tissue mask, are compared, with exact counts at each; each following field is the best of the
    places that are left. In the end a field is moved so that its cells are in its middle, if
    that is possible, which may only add cells.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from stnclf.scan import hotspots
    >>> from stnclf.slides import Slide
    >>> slide = Slide(np.zeros((600, 800, 3), np.uint8), mpp=1.0)
    >>> cells = pd.DataFrame({"x": [90, 110, 700], "y": [200, 220, 500], "label": "mitosis"})
    >>> field = hotspots(cells, slide, area_mm2=0.03).loc[0]
    >>> float(field.x), float(field.y), round(field.width), round(field.height), int(field["count"])
    (100.0, 210.0, 200, 150, 2)
    """
    area_mm2 = check_positive("area_mm2", area_mm2, "square millimetres")
    aspect = check_positive("aspect", aspect, "width over height")
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n: got {n!r}, wants a number of fields of at least 1.")
    pandas = import_pandas()
    with opened(slide) as slide:
        size, mpp = np.array(slide.size), slide.mpp
        points = _points(detections, slide, label)
    extent = 1000 / mpp * np.array([math.sqrt(area_mm2 * aspect), math.sqrt(area_mm2 / aspect)])
    if np.any(extent > size):
        raise ValueError(
            f"area_mm2: a field of {area_mm2:g} mm2 is {extent[0]:.0f} x {extent[1]:.0f} px "
            f"(width x height), the slide is {size[0]} x {size[1]} px."
        )
    corners, counts = _best_places(points, size, extent, _STEP / mpp, n)
    fields = {
        "image": [name_of(slide)] * len(corners),
        "x": corners[:, 0] + extent[0] / 2 - 0.5,
        "y": corners[:, 1] + extent[1] / 2 - 0.5,
        "label": ["hotspot"] * len(corners),
        "type": ["area"] * len(corners),
        "width": extent[0],
        "height": extent[1],
        "count": counts,
        "per_mm2": counts / area_mm2,
    }
    return pandas.DataFrame(fields)


def density_map(
    detections: Table,
    slide: Slide | PathLike | Pixels,
    *,
    label: Any = None,
    sigma_um: float = 200.0,
    max_size: int = 1024,
    fields: Table | None = None,
) -> tuple[Pixels, float]:
    """Draw the density of cells over a small image of the slide.

    Parameters
    ----------
    detections : pandas.DataFrame
        Cells: ``x``, ``y`` and ``label``, as `scan` gives them. If there is a column ``image``
        with several names, the rows of this slide count.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        The slide, whose resolution must be known.
    label : label, default=None
        The class that is drawn; None draws all rows.
    sigma_um : float, default=200.0
        Standard deviation in micrometres of the Gaussian that each cell is spread over.
    max_size : int, default=1024
        Largest width and height of the image in pixels.
    fields : pandas.DataFrame, default=None
        Fields to outline, as `hotspots` gives them.

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
    TypeError, ValueError
        If an argument is not as described, a cell lies outside the slide, the resolution is not
        known, or the slide cannot be read.

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
    sigma_um = check_positive("sigma_um", sigma_um, "micrometres")
    with opened(slide) as slide:
        points = _points(detections, slide, label)
        sigma = sigma_um / slide.mpp
        image, scale = slide.thumbnail(max_size)
    density = cell_density(points, image.shape[:2], scale, sigma)
    colour, cover = density_colours(density)
    grey = image.mean(axis=2, keepdims=True)
    mixed = grey + cover[..., None] * (colour - grey)
    drawn = Image.fromarray(np.rint(mixed).astype(np.uint8))
    if fields is not None:
        _outline(drawn, fields, scale)
    return np.asarray(drawn), scale


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
    density = np.zeros(shape)
    x, y = np.minimum((points + 0.5) / scale, np.array(shape[::-1]) - 1).astype(int).T
    np.add.at(density, (y, x), 1)
    density = gaussian_filter(density, sigma / scale, mode="constant")
    return density / max(density.max(), 1e-12)


def density_colours(density):
    """Colour a density from 0 to 1: RGB (..., 3) from 0 to 255, and how much it covers (...)."""
    levels = np.linspace(0, 1, len(_COLOURS))
    colour = np.stack([np.interp(density, levels, channel) for channel in _COLOURS.T], axis=-1)
    # Where there is little, the slide stays visible.
    return colour, np.minimum(4 * density, 0.7)


def _points(detections, slide, label):
    """Check the cells and give the places (n, 2) of those that count."""
    try:
        columns = [list(detections[name]) for name in ("x", "y", "label")]
        x, y = (np.array(column, dtype=np.float64) for column in columns[:2])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"detections: wants a table with numbers x and y and with label ({error!r})."
        ) from error
    points = np.stack([x, y], axis=1)[rows_of(detections, slide, label)]
    inside = ((points >= -0.5) & (points <= np.array(slide.size) - 0.5)).all(axis=1)
    if not inside.all():
        raise ValueError(
            f"detections: {(~inside).sum()} of {len(points)} cells lie outside the slide of "
            f"{slide.size[0]} x {slide.size[1]} px."
        )
    return points


def rows_of(detections, slide, label=None):
    """Tell of each row of a table whether it is of this slide, and of this class."""
    counts = np.ones(len(list(detections["label"])), dtype=bool)
    if label is not None:
        # The dtype is given for a table without rows.
        counts &= np.array([name == label for name in detections["label"]], dtype=bool)
    if "image" in detections and len(set(detections["image"])) > 1:
        of_slide = np.array([name == name_of(slide) for name in detections["image"]])
        if not of_slide.any():
            raise ValueError(f"detections: none of its images is named {name_of(slide)!r}.")
        counts &= of_slide
    return counts


def _best_places(points, size, extent, step, n):
    """Corners (k, 2) of the best fields, as edges of pixels, and their counts; k <= n."""
    edges = points + 0.5
    # At the step, and at the far border.
    places = [np.append(np.arange(0, room, step), room) for room in size - extent]
    counts = _count_everywhere(edges, places, extent)
    corners = np.empty((0, 2))
    for _ in range(n):
        row, column = np.unravel_index(counts.argmax(), counts.shape)
        if counts[row, column] <= 0:
            break
        corner = np.array([places[0][column], places[1][row]])
        inside = edges[_in_field(edges, corner, extent)]
        middle = (inside.min(axis=0) + inside.max(axis=0)) / 2
        centred = np.clip(middle - extent / 2, 0, size - extent)
        if not (np.abs(corners - centred) < extent).all(axis=1).any():
            corner = centred
        corners = np.concatenate([corners, corner[None]])
        near_x, near_y = (np.abs(p - c) < e for p, c, e in zip(places, corner, extent))
        counts[np.ix_(near_y, near_x)] = -1
    numbers = np.array([_in_field(edges, c, extent).sum() for c in corners], dtype=np.int64)
    order = np.argsort(-numbers, kind="stable")
    return corners[order], numbers[order]


def _in_field(edges, corner, extent):
    return ((edges >= corner) & (edges < corner + extent)).all(axis=1)


def _count_everywhere(edges, places, extent):
    """Count the points in the field at every place: (n_y, n_x), from the places of each point."""
    first, last = [], []
    for axis in (0, 1):
        first.append(np.searchsorted(places[axis], edges[:, axis] - extent[axis], side="right"))
        last.append(np.searchsorted(places[axis], edges[:, axis], side="right"))
    change = np.zeros((len(places[1]) + 1, len(places[0]) + 1), dtype=np.int32)
    for x, y, sign in ((first, first, 1), (last, first, -1), (first, last, -1), (last, last, 1)):
        np.add.at(change, (y[1], x[0]), sign)
    return change.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]


def _outline(image, fields, scale):
    names = ("x", "y", "width", "height")
    try:
        numbers = np.array([list(fields[name]) for name in names], dtype=np.float64)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"fields: wants a table with numbers {', '.join(names)} ({error!r})."
        ) from error
    draw = ImageDraw.Draw(image)
    for x, y, width, height in numbers.T.tolist():
        left, top = (x + 0.5 - width / 2) / scale, (y + 0.5 - height / 2) / scale
        right, bottom = left + width / scale - 1, top + height / scale - 1
        draw.rectangle((left, top, right, bottom), outline=_OUTLINE, width=3)
