"""JSON of the VGG Image Annotator (VIA), version 1 and 2: a project, or its annotations alone.

Coordinates run along the edges of pixels, as on the page's canvas.
"""

from __future__ import annotations

import math
from typing import Any

from .._utils.names import same_name
from .._utils.printable import listed, quoted
from .._utils.typing import Table
from ._context import Context
from ._numbers import to_float
from ._outlines import Outlines
from ._shapes import shape_row
from ._table import make_table, scalar

_PROJECT = "_via_img_metadata"
#: What the attribute that holds the class is usually called; columns={"label": ...} names another.
_USUAL = ("label", "class", "type", "category", "name")


def is_via(document: Any) -> bool:
    """Whether a parsed file is VIA's."""
    if not isinstance(document, dict):
        return False
    if _PROJECT in document:
        return True
    images = list(document.values())
    return bool(images) and all(
        isinstance(image, dict) and {"filename", "regions"} <= image.keys() for image in images
    )


def via_table(document: dict[str, Any], context: Context) -> Table:
    """Turn a parsed file into a table."""
    others = sorted(set(context.columns or {}) - {"label"})
    if others:
        raise ValueError(f"columns= applies to 'label' only here, got {others}.")
    images = document.get(_PROJECT, document)
    if not isinstance(images, dict):
        raise ValueError(f"{_PROJECT!r} is no object.")
    regions: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = []
    for key, image in images.items():
        name = image.get("filename") if isinstance(image, dict) else None
        found = image.get("regions") if isinstance(image, dict) else None
        found = list(found.values()) if isinstance(found, dict) else found  # version 1
        if not isinstance(name, str) or not isinstance(found, list):
            raise ValueError(f"image {quoted(key)} has no 'filename' with 'regions'.")
        for i, region in enumerate(found):
            parts = [
                region.get(part) if isinstance(region, dict) else None
                for part in ("shape_attributes", "region_attributes")
            ]
            if not isinstance(parts[0], dict):
                raise ValueError(f"image {quoted(key)}, region {i} has no 'shape_attributes'.")
            about = parts[1] if isinstance(parts[1], dict) else {}
            regions.append((name, f"image {quoted(key)}, region {i}", parts[0], about))
    attribute = _attribute([about for *_, about in regions], context)
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    for name, what, shape, about in regions:
        kind, points = _shape(shape, what)
        if not points:
            context.skipped["without a shape"] += 1
            continue
        known = {"label": None if attribute is None else _value(about.get(attribute))}
        rows.append(shape_row(name, kind, points, outlines, known, what))
    outlines.finish()
    return make_table(rows)


def _attribute(regions: list[dict[str, Any]], context: Context) -> str | None:
    """Name of the attribute that holds the class."""
    names = list(dict.fromkeys(name for region in regions for name in region))
    wanted = (context.columns or {}).get("label")
    wanted = None if wanted is None else same_name(names, wanted)
    if wanted is not None and wanted not in names:
        raise ValueError(f"has no attribute {quoted(wanted)}; it has {listed(names)}.")
    if wanted is not None or not names:
        return wanted
    usual = [name for name in names if name.lower() in _USUAL]
    found = usual if len(names) > 1 else names
    if len(found) != 1:
        raise ValueError(
            f"has several attributes, {listed(names)}. Say which to take, as in "
            f"columns={{'label': ...}}."
        )
    return found[0]


def _value(value: Any) -> Any:
    """Text of an attribute; of boxes to tick, the one that is."""
    if isinstance(value, dict):
        ticked = [name for name, on in value.items() if on is True]
        return ticked[0] if len(ticked) == 1 else None
    return scalar(value)


def _shape(shape: dict[str, Any], name: str) -> tuple[str, list[list[float]]]:
    """Kind of the row and points of a shape."""

    def read(*keys: str) -> list[float]:
        numbers = [to_float(shape.get(key)) for key in keys]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{name} has no number for one of {list(keys)}.")
        return numbers

    kind = scalar(shape.get("name"))
    if kind == "rect":
        x, y, width, height = read("x", "y", "width", "height")
        return "area", [[x, y], [x + width, y + height]]
    if kind == "point":
        return "spot", [read("cx", "cy")]
    if kind == "circle":
        x, y, radius = read("cx", "cy", "r")
        return "circle", [[x - radius, y - radius], [x + radius, y + radius]]
    if kind == "ellipse":
        x, y, rx, ry = read("cx", "cy", "rx", "ry")
        (angle,) = read("theta") if shape.get("theta") is not None else (0.0,)
        cos, sin = math.cos(angle), math.sin(angle)
        across, down = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
        return "circle", [[x - across, y - down], [x + across, y + down]]
    if kind not in ("polygon", "polyline"):
        raise ValueError(f"{name} is of type {quoted(kind)}, which is not read.")
    lists: list[Any] = [shape.get(f"all_points_{axis}") for axis in "xy"]
    if not all(isinstance(values, list) for values in lists) or len(lists[0]) != len(lists[1]):
        raise ValueError(f"{name} has no two lists of equal length for its points.")
    points = [[to_float(x), to_float(y)] for x, y in zip(*lists)]
    if not all(math.isfinite(value) for point in points for value in point):
        raise ValueError(f"{name} has a point that is not two numbers.")
    return "line" if kind == "polyline" else "polygon", points
