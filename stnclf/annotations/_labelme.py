"""JSON of LabelMe: one file for each image.

Coordinates run along the edges of pixels, as on the program's canvas. The points of a mask alone
are pixels, its first and its last.
"""

from __future__ import annotations

import math
from typing import Any

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._numbers import to_float
from ._outlines import Outlines
from ._shapes import shape_row
from ._table import make_table, scalar

_KINDS = {
    "polygon": "polygon",
    "oriented_rectangle": "polygon",
    "rectangle": "area",
    "mask": "area",
    "circle": "circle",
    "point": "spot",
    "points": "spots",
    "line": "line",
    "linestrip": "line",
}


def is_labelme(document: Any) -> bool:
    """Whether a parsed file is LabelMe's."""
    return isinstance(document, dict) and {"shapes", "imagePath"} <= document.keys()


def labelme_table(document: dict[str, Any], context: Context) -> Table:
    """Turn a parsed file into a table."""
    shapes, stated = document.get("shapes"), document.get("imagePath")
    if not isinstance(shapes, list):
        raise ValueError("'shapes' is no list.")
    image = context.image_name(_below(stated) if isinstance(stated, str) else None)
    size = {f"image_{side.lower()}": scalar(document.get(f"image{side}")) for side in _SIDES}
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    for i, shape in enumerate(shapes):
        shape = shape if isinstance(shape, dict) else {}
        name, kind = f"shape {i}", scalar(shape.get("shape_type", "polygon"))
        if kind not in _KINDS:
            raise ValueError(f"{name} is of type {quoted(kind)}, which is not read.")
        points = _points(shape.get("points"), name)
        if not points:
            context.skipped["without a shape"] += 1
            continue
        if kind == "circle":
            if len(points) != 2:
                raise ValueError(f"{name} is a circle of {len(points)} points, wants 2.")
            (x, y), edge = points
            radius = math.dist((x, y), edge)
            points = [[x - radius, y - radius], [x + radius, y + radius]]
        if kind == "mask":
            points.append([last + 1 for last in map(max, zip(*points))])  # where that pixel ends
        known = {"label": scalar(shape.get("label")), **size}
        kind = _KINDS[kind]
        if kind == "spots":
            rows += [shape_row(image, "spot", [p], outlines, known, name) for p in points]
        else:
            rows.append(shape_row(image, kind, points, outlines, known, name))
    outlines.finish()
    return make_table(rows)


_SIDES = ("Width", "Height")


def _below(path: str) -> str:
    """Path of an image without the steps up that lead from the file to it."""
    parts = path.replace("\\", "/").split("/")
    while len(parts) > 1 and parts[0] in (".", ".."):
        parts = parts[1:]
    return "/".join(parts)


def _points(points: Any, name: str) -> list[list[float]]:
    found = []
    for point in points if isinstance(points, list) else [None]:
        numbers = [to_float(v) for v in point[:2]] if isinstance(point, list) else []
        if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{name} has a point that is not two numbers.")
        found.append(numbers)
    return found
