"""XML of Aperio ImageScope, in which MoNuSeg and MoNuSAC come too.

Coordinates run along the edges of pixels of level 0.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._files import expect_inside, read_root
from ._outlines import Outlines
from ._shapes import point_of, shape_row
from ._table import make_table

ROOT = "Annotations"
_KINDS = {"0": "polygon", "1": "area", "2": "circle", "5": "spot"}
_NOT_CELLS = {"3": "arrows", "4": "rulers"}


def read_imagescope(context: Context) -> Table:
    """Read regions; the name of their layer is their class."""
    root = read_root(context.path, "ImageScope", ROOT)
    expect_inside(root, "ImageScope", "Annotation")
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    image = context.image_name()
    for layer in root.iter("Annotation"):
        expect_inside(layer, "ImageScope", "Regions", "Region", "Attributes", "Plots")
        for regions in layer.iter("Regions"):
            expect_inside(regions, "ImageScope", "Region", "RegionAttributeHeaders")
        label = _class_of(layer)
        for region in layer.iter("Region"):
            number = region.get("Id") or "without Id"
            name = f"layer {quoted(layer.get('Id'))}, region {quoted(number)}"
            kind = region.get("Type", "0")
            if kind in _NOT_CELLS or region.get("NegativeROA") == "1":
                context.skipped[_NOT_CELLS.get(kind, "regions to leave out")] += 1
                continue
            if kind not in _KINDS:
                raise ValueError(f"{name} is of type {quoted(kind)}, which is not read.")
            points = [point_of(vertex, "X", "Y", name) for vertex in region.iter("Vertex")]
            if not points:
                context.skipped["without a shape"] += 1
                continue
            known = {"label": label or region.get("Text"), "id": number}
            rows.append(shape_row(image, _KINDS[kind], points, outlines, known, name))
    outlines.finish()
    return make_table(rows)


def _class_of(layer: Element) -> str | None:
    """Class of a layer: its name, or an attribute, whose value or name says it."""
    if layer.get("Name"):
        return layer.get("Name")
    for item in layer.findall("Attributes/Attribute"):
        name = item.get("Name")
        text = item.get("Value") if name == "Description" else name
        if text:
            return text
    return None
