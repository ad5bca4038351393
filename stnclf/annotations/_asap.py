"""XML of ASAP, the viewer of the CAMELYON challenges.

Coordinates run along the edges of pixels of level 0, as on the viewer's canvas.
"""

from __future__ import annotations

import re
from typing import Any

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._files import expect_inside, read_root
from ._outlines import Outlines
from ._shapes import point_of, shape_row
from ._table import make_table

ROOT = "ASAP_Annotations"
#: What lies in it; some files have it for a root, as those of ImageScope do.
LIST = "Annotations"
#: Whether XML with that root shows by its beginning that it is ASAP's.
is_list = re.compile(rb"<Coordinates?\b|\bPartOfGroup=").search
_KINDS = {"Dot": "spot", "PointSet": "spots", "Rectangle": "area", "Polygon": "polygon"}
_KINDS |= {"Spline": "polygon"}


def read_asap(context: Context) -> Table:
    """Read annotations; the group of each is its class."""
    root = read_root(context.path, "ASAP", ROOT, LIST)
    if root.tag == ROOT:
        expect_inside(root, "ASAP", LIST, "AnnotationGroups", "Annotation")
    for parent in root.iter(LIST):
        expect_inside(parent, "ASAP", "Annotation")
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    image = context.image_name()
    for i, item in enumerate(root.iter("Annotation")):
        kind = item.get("Type", "")
        if kind == "Measurement":
            context.skipped["measurements"] += 1
            continue
        if kind not in _KINDS:
            raise ValueError(f"annotation {i} is of type {quoted(kind)}, which is not read.")
        group = item.get("PartOfGroup")
        known = {"label": None if group == "None" else group, "name": item.get("Name")}
        found = sorted(item.iter("Coordinate"), key=lambda point: _order(point.get("Order"), i))
        points = [point_of(point, "X", "Y", f"annotation {i}") for point in found]
        if not points:
            context.skipped["without a shape"] += 1
        elif _KINDS[kind] == "spots":
            rows += [shape_row(image, "spot", [point], outlines, known, "") for point in points]
        else:
            name = f"annotation {i}"
            rows.append(shape_row(image, _KINDS[kind], points, outlines, known, name))
    outlines.finish()
    return make_table(rows)


def _order(text: str | None, number: int) -> float:
    try:
        return float(text or 0)
    except ValueError:
        raise ValueError(f"annotation {number} has {quoted(text)} for Order.") from None
