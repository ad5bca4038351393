"""The picture of ``hotspots --map``: a slide with its fields, and each field from near by."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from .._utils.plot_style import COLOURS, MARKERS, draw_scalebar
from .._utils.printable import counted
from .._utils.typing import Table
from ..scan._hotspots import rows_of
from ..slides import Slide
from ..slides._tissue import known_mpp, metric_mpp
from ._hotspots import HotspotDisplay

__all__ = ["field_map"]

#: How many fields are shown from near by, and how wide each is in pixels.
_CLOSE, _WIDE = 3, 640

#: How wide the mark around a cell is, so that it does not hide the nucleus.
_CELL_UM, _CELL_PX = 14.0, 56.0


def field_map(detections: Table, slide: Slide, fields: Table, *, label: Any) -> Any:
    """Draw detections, their density and the chosen fields.

    Parameters
    ----------
    detections : DataFrame
        Cells, as `stnclf.scan.scan` gives them.
    slide : Slide
        The slide.
    fields : DataFrame
        As `stnclf.scan.hotspots` gives them.
    label : label or None
        The class that counts.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = slide.size
    close = list(fields.itertuples())[:_CLOSE]
    wide = 9.0
    tall = min(max(wide * 0.8 * height / width, 2.5), 9.0)
    below = 0.0 if not close else wide / len(close) * close[0].height / close[0].width + 0.6
    below = min(below, 5.5)
    figure = Figure(figsize=(wide, tall + 0.8 + below), layout="constrained")
    FigureCanvasAgg(figure)
    rows: Any = figure.subfigures(2, 1, height_ratios=[tall + 0.8, below]) if close else [figure]
    overview = np.atleast_1d(rows)[0]
    HotspotDisplay.from_detections(
        detections,
        slide,
        fields=fields,
        label=label,
        ax=overview.subplots(),
        scalebar=True,
    )
    if close:
        axes = np.atleast_1d(rows[1].subplots(1, len(close)))
        # As wide as there is room for, and as high.
        inches = min(wide / len(close), (below - 0.6) * close[0].width / close[0].height)
        for number, (ax, field) in enumerate(zip(axes, close), start=1):
            _draw_field(ax, number, field, detections, slide, label, 72 * inches)
    return figure


def _draw_field(
    ax: Any, number: int, field: Any, detections: Table, slide: Slide, label: Any, points: float
) -> None:
    """Draw a field as it is, `points` wide, with a ring around each detection in it."""
    scale = max(1.0, field.width / _WIDE)
    left, top = field.x + 0.5 - field.width / 2, field.y + 0.5 - field.height / 2
    wide, tall = round(field.width / scale), round(field.height / scale)
    mpp = known_mpp(slide)
    size_px = max(1, wide), max(1, tall)
    if mpp is not None:
        pixels = slide.read_region(left, top, *size_px, mpp * scale)
    else:  # photographs are small enough to be read as they are
        whole = max(1, round(field.width)), max(1, round(field.height))
        pixels = slide.read_region(left, top, *whole)
        pixels = np.asarray(Image.fromarray(pixels).resize(size_px, Image.Resampling.BOX))
    mpp = metric_mpp(slide)
    unit, mm = ("px", 1.0) if mpp is None else ("mm", mpp / 1000)
    size = field.width * mm, field.height * mm
    ax.imshow(pixels, extent=(0, size[0], size[1], 0), interpolation="bilinear")
    rows = rows_of(detections, slide, label)
    x, y = (np.asarray(detections[axis], dtype=float)[rows] + 0.5 for axis in "xy")
    names = np.array([str(name) for name in detections["label"]], dtype=object)[rows]
    inside = (x >= left) & (x < left + field.width) & (y >= top) & (y < top + field.height)
    around = points * (_CELL_PX if mpp is None else _CELL_UM / mpp) / field.width
    many = max(1, int(inside.sum()))
    # Of many cells small marks, which are seen where the field is large.
    area = max(float(np.clip(12000 / many, 12, 160)), min(around, points / 6) ** 2)
    for k, name in enumerate(sorted(set(names.tolist()))):
        here = inside & (names == name)
        place = (x[here] - left) * mm, (y[here] - top) * mm
        style = {"s": area, "marker": MARKERS[k % len(MARKERS)]}
        # White below, so that it is seen on dark nuclei as on glass.
        ax.scatter(*place, facecolors="none", edgecolors="white", linewidths=2.6, **style)
        colour = COLOURS[k % len(COLOURS)]
        ax.scatter(*place, facecolors="none", edgecolors=colour, linewidths=1.3, **style)
    ax.set(xlim=(0, size[0]), ylim=(size[1], 0), xticks=[], yticks=[])
    words = f"{number}: {counted(round(field.count), 'cell')}"
    if unit == "mm" and hasattr(field, "per_mm2"):
        interval = f"95 %: {_digits(field.per_mm2_low)} to {_digits(field.per_mm2_high)}"
        words = f"{words}, {_digits(field.per_mm2)} per mm$^2$\n{interval}"
    ax.set_title(words, fontsize="small")
    draw_scalebar(ax, *size, unit)


def _digits(value: float) -> str:
    """Write three digits, and of 1000 and more all before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
