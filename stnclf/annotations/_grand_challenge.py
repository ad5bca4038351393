"""Points in millimetres, as grand-challenge.org has them."""

from __future__ import annotations

import math
from decimal import Decimal

from ._numbers import EXACT, to_decimal, to_float
from ._table import check_table, json_text, make_table, only_image, row_dicts, scalar


def is_points(document):
    """Whether a parsed file is a list of points of grand-challenge.org."""
    return isinstance(document, dict) and document.get("type") == "Multiple points"


def points_table(document, image, mpp):
    """Turn a parsed file, in millimetres, into a table."""
    points, image = document.get("points"), image or scalar(document.get("name"))
    if not isinstance(points, list):
        raise ValueError("'points' is no list.")
    if not isinstance(image, str):
        raise ValueError("does not name its image: pass image=.")
    rows = []
    for i, item in enumerate(points):
        point = item.get("point") if isinstance(item, dict) else None
        if not isinstance(point, list) or len(point) < 2:
            raise ValueError(f"point {i} has no coordinates.")
        x, y = (_micrometres(value, i) for value in point[:2])
        row = {
            "image": image,
            "x": float(EXACT.divide(x, to_decimal(mpp))),
            "y": float(EXACT.divide(y, to_decimal(mpp))),
            "label": scalar(item.get("name")),
            "probability": scalar(item.get("probability")),
        }
        rows.append(row)
    return make_table(rows)


def points_text(table, *, mpp):
    """Give the text of a result in millimetres: position, name and probability of each point."""
    columns = check_table(table)
    image = only_image(columns, "a grand-challenge file")
    lines = []
    for i, row in enumerate(row_dicts(columns)):
        point = [
            EXACT.multiply(EXACT.multiply(to_decimal(row[axis]), to_decimal(mpp)), Decimal("0.001"))
            for axis in "xy"
        ]
        item = {"point": [*point, 0]}
        if row["label"] is not None:
            item["name"] = row["label"]
        if "probability" in row:
            if not 0 <= to_float(row["probability"]) <= 1:
                raise ValueError(f"table['probability'] must lie from 0 to 1, row {i} does not.")
            item["probability"] = row["probability"]
        lines.append(json_text(item))
    head = {"type": "Multiple points", "version": {"major": 1, "minor": 0}}
    head |= {} if image is None else {"name": image}
    body = ",\n".join(lines)
    return f'{json_text(head)[:-1]}, "points": [\n{body}\n]}}\n'


def _micrometres(value, number):
    if not math.isfinite(to_float(value)):
        raise ValueError(f"point {number} has a coordinate that is no number: {value!r}.")
    return EXACT.multiply(to_decimal(value), Decimal(1000))
