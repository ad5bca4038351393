"""Points in millimetres, as grand-challenge.org has them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._numbers import EXACT, to_decimal, to_float
from ._table import (
    NeedsResolution,
    check_table,
    json_text,
    make_table,
    only_image,
    row_dicts,
    scalar,
)

#: What viewers call points that nobody has named.
_numbered = re.compile(r"(point|annotation|dot)?[ _-]*#?\d+", re.IGNORECASE).fullmatch


def is_points(document: Any) -> bool:
    """Whether a parsed file is a list of points of grand-challenge.org."""
    return isinstance(document, dict) and document.get("type") == "Multiple points"


def points_table(document: dict[str, Any], context: Context) -> Table:
    """Turn a parsed file, in millimetres, into a table.

    Points of MONKEY and TIGER have numbers for names, or none. Then the name of the list is
    their class; else it is that of the image.
    """
    points, title = document.get("points"), document.get("name")
    if not isinstance(points, list):
        raise ValueError("'points' is no list.")
    title = (title.strip() if isinstance(title, str) else None) or None
    names = [_name(point) for point in points]
    label, about = None, document.get("image")
    is_class = title is not None and not _is_file(title)
    if isinstance(about, str):  # as `points_text` writes it: names are classes
        title = about
    elif points and (
        all(name is None or _is_numbered(name) for name in names)
        or (is_class and _are_counted(names))
    ):
        names = [None] * len(points)
        if is_class:
            title, label = None, title
    image = context.image_name(title)
    mpp = context.mpp
    if mpp is None:
        facts = context.facts(image)
        if facts is None or facts.mpp is None or facts.mpp[0] != facts.mpp[1]:
            raise NeedsResolution("the image", "points are in millimetres")
        mpp = facts.mpp[0]
    rows = []
    for i, (item, name) in enumerate(zip(points, names)):
        point = item.get("point") if isinstance(item, dict) else None
        if not isinstance(point, list) or len(point) < 2:
            raise ValueError(f"point {i} has no coordinates.")
        x, y = (_micrometres(value, i) for value in point[:2])
        row = {
            "image": image,
            "x": float(EXACT.divide(x, to_decimal(mpp))),
            "y": float(EXACT.divide(y, to_decimal(mpp))),
            "label": label if name is None else name,
            "probability": scalar(item.get("probability")),
        }
        rows.append(row)
    return make_table(rows)


def points_text(table: Table, *, mpp: float) -> str:
    """Text of a result in millimetres: position, name and probability of each point."""
    columns = check_table(table)
    image = only_image(columns, "a grand-challenge file")
    lines = []
    for i, row in enumerate(row_dicts(columns)):
        point = [
            EXACT.multiply(EXACT.multiply(to_decimal(row[axis]), to_decimal(mpp)), Decimal("0.001"))
            for axis in "xy"
        ]
        item: dict[str, Any] = {"point": [*point, 0]}
        if row["label"] is not None:
            item["name"] = row["label"]
        if "probability" in row:
            if not 0 <= to_float(row["probability"]) <= 1:
                raise ValueError(f"table['probability'] must lie from 0 to 1, row {i} does not.")
            item["probability"] = row["probability"]
        lines.append(json_text(item))
    head: dict[str, Any] = {"type": "Multiple points", "version": {"major": 1, "minor": 0}}
    head |= {} if image is None else {"name": image}
    if image is not None and (not _is_file(image) or all(map(_is_numbered, columns["label"]))):
        head["image"] = image  # else its name could be read as the class, or numbers not as classes
    body = ",\n".join(lines)
    return f'{json_text(head)[:-1]}, "points": [\n{body}\n]}}\n'


def _name(point: Any) -> Any:
    name = scalar(point.get("name")) if isinstance(point, dict) else None
    return None if name == "" else name


def _is_file(name: str) -> bool:
    return re.search(r"[/\\]|\.\w+$", name) is not None


def _is_numbered(name: Any) -> bool:
    """Whether a name is only a number, as in "Point 1"; a lone "007" may be a class."""
    match = _numbered(name) if isinstance(name, str) else None
    return match is not None and match[1] is not None


def _are_counted(names: list[Any]) -> bool:
    """Whether names are bare numbers that count the points, from 0 or 1."""
    texts = [str(name) for name in names]
    return len(texts) > 1 and texts in (
        [str(i + start) for i in range(len(texts))] for start in (0, 1)
    )


def _micrometres(value: Any, number: int) -> Decimal:
    if not math.isfinite(to_float(value)):
        raise ValueError(f"point {number} has a coordinate that is no number: {quoted(value)}.")
    return EXACT.multiply(to_decimal(value), Decimal(1000))
