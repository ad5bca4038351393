"""NDPA, Hamamatsu's annotations: nanometres from the middle of the glass slide.

The slide says where the middle of its image lies on the glass. From there pixels are counted
along their edges.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._files import expect_inside, read_root
from ._outlines import Outlines
from ._shapes import number_of, shape_row
from ._table import NeedsResolution, make_table

ROOT = "annotations"
#: What lies in the root, of the same name, of a file of CVAT, and what to do about it.
_OF_CVAT = ("image", "track", "meta")
_CVAT = " It looks like a file of CVAT: export it there as COCO."
_NOT_CELLS = {"linearmeasure": "rulers", "pointer": "arrows"}


def read_ndpa(context: Context) -> Table:
    """Read annotations; the title of each is its class."""
    root = read_root(context.path, "NDPA", ROOT)
    is_cvat = any(root.find(tag) is not None for tag in _OF_CVAT)
    expect_inside(root, "NDPA", "ndpviewstate", advice=_CVAT if is_cvat else "")
    image = context.image_name()
    views = root.findall("ndpviewstate")
    convert = _conversion(context, image) if views else None
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    for i, view in enumerate(views):
        name = f"annotation {view.get('id', i)}"
        item = view.find("annotation")
        unit = view.findtext("coordformat", "nanometers").strip()
        if unit != "nanometers":
            raise ValueError(f"{name} counts in {quoted(unit)}, wants 'nanometers'.")
        if item is None:
            context.skipped["without a shape"] += 1
            continue
        kind = item.get("type", "")
        if kind in _NOT_CELLS:
            context.skipped[_NOT_CELLS[kind]] += 1
            continue
        points, kind = _points(item, kind, name)
        if not points:
            context.skipped["without a shape"] += 1
            continue
        assert convert is not None
        points = [convert(point) for point in points]
        known = {"label": (view.findtext("title") or "").strip() or None, "id": view.get("id")}
        rows.append(shape_row(image, kind, points, outlines, known, name))
    outlines.finish()
    return make_table(rows)


def _conversion(context: Context, image: str) -> Any:
    """Make a function from nanometres on the glass to pixels, counted along their edges."""
    facts = context.facts(image)
    if facts is None or facts.center is None:
        raise ValueError(
            f"counts from the middle of its slide, and {quoted(image)} is not found or does not "
            "say where that is: pass slides=, the slide or its folder."
        )
    mpp = facts.mpp if context.mpp is None else (context.mpp, context.mpp)
    if mpp is None:
        raise NeedsResolution("the slide", "points are in nanometres")
    center, size = facts.center, facts.size

    def convert(point: list[float]) -> list[float]:
        return [
            (value - middle) / (1000 * scale) + side / 2
            for value, middle, scale, side in zip(point, center, mpp, size)
        ]

    return convert


def _points(item: Element, kind: str, name: str) -> tuple[list[list[float]], str]:
    """Points of an annotation in nanometres, and the kind of its row."""

    def read(parent: Element, *names: str) -> list[float]:
        return [number_of(parent.findtext(tag), name) for tag in names]

    if kind == "pin":
        return [read(item, "x", "y")], "spot"
    if kind == "circle":
        x, y, radius = read(item, "x", "y", "radius")
        return [[x - radius, y - radius], [x + radius, y + radius]], "circle"
    if kind == "rectangle":
        x1, y1, x2, y2 = read(item, "x1", "y1", "x2", "y2")
        return [[x1, y1], [x2, y2]], "area"
    if kind != "freehand":
        raise ValueError(f"{name} is of type {quoted(kind)}, which is not read.")
    points = [read(point, "x", "y") for point in item.iter("point")]
    if item.get("specialtype") == "rectangle":
        return points, "area"
    return points, "line" if item.findtext("closed", "1").strip() == "0" else "polygon"
