"""JSON of HoVer-Net and CellViT: nuclei with centroid, contour and type.

Both count pixels: a whole number is the middle of one. HoVer-Net's numbers are those of the image
at the magnification at which it worked; CellViT's belong to level 0.
"""

from __future__ import annotations

import math
from typing import Any

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._numbers import to_float
from ._slide_facts import SlideFacts
from ._table import make_table, scalar


def is_nuclei(document: Any) -> bool:
    """Whether a parsed file holds nuclei of HoVer-Net ("nuc") or CellViT ("cells")."""
    if not isinstance(document, dict):
        return False
    if "nuc" in document:
        return True
    cells = document.get("cells")
    return isinstance(cells, list) and all("centroid" in c for c in cells[:1] if _is_dict(c))


def nuclei_table(document: dict[str, Any], context: Context) -> Table:
    """Turn a parsed file into a table; the name of a type is its class, else its number."""
    nuclei = document.get("nuc", document.get("cells"))
    if isinstance(nuclei, dict):
        entries = list(nuclei.items())
    elif isinstance(nuclei, list):
        entries = list(enumerate(nuclei))
    else:
        raise ValueError("'nuc' is neither an object nor a list.")
    names = _names(document.get("type_map"))
    image = context.image_name()
    doubt = _doubt(document.get("mag"), context.facts(image))
    if nuclei and doubt:
        context.doubts.append(doubt)
    rows = []
    for key, nucleus in entries:
        centroid = nucleus.get("centroid") if isinstance(nucleus, dict) else None
        numbers = [to_float(v) for v in centroid] if isinstance(centroid, list) else []
        if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"nucleus {quoted(key)} has no 'centroid' of two numbers.")
        kind = scalar(nucleus.get("type"))
        if isinstance(kind, float) and kind.is_integer():
            kind = int(kind)
        width, height = _size(nucleus, key)
        row = {
            "image": image,
            "x": numbers[0],
            "y": numbers[1],
            "label": None if kind is None else names.get(str(kind), str(kind)),
            "type": "polygon",
            "width": width,
            "height": height,
            "probability": scalar(nucleus.get("type_prob")),
            "id": key if isinstance(key, str) else None,
        }
        rows.append(row)
    return make_table(rows)


def _doubt(magnification: Any, facts: SlideFacts | None) -> str:
    """Say if a file counts pixels of another magnification than that of the slide."""
    times = to_float(magnification)
    if facts is None or facts.mpp is None or not 0 < times < math.inf:
        return ""
    there = 10 / facts.mpp[0]  # 0.25 um per pixel are 40 times
    if 0.7 < there / times < 1.4:
        return ""
    return (
        f"counts pixels at a magnification of {times:g}, and the slide has {facts.mpp[0]:.3g} um "
        f"per pixel, about {there:.3g} times: positions may want a factor of {there / times:.3g}."
    )


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _names(types: Any) -> dict[str, str]:
    """Names of types by number; HoVer-Net's list a colour beside the name."""
    found = {}
    for number, name in types.items() if isinstance(types, dict) else ():
        name = name[0] if isinstance(name, list) and name else name
        if isinstance(name, str):
            found[str(number)] = name
    return found


def _size(nucleus: dict[str, Any], key: Any) -> tuple[float | None, float | None]:
    """Width and height of [[top, left], [bottom, right]], whose end is excluded."""
    box = nucleus.get("bbox")
    if box is None:
        return None, None
    try:
        (top, left), (bottom, right) = box
        height, width = to_float(bottom) - to_float(top), to_float(right) - to_float(left)
    except (TypeError, ValueError):
        height = width = math.nan
    if not (0 <= width < math.inf and 0 <= height < math.inf):
        raise ValueError(
            f"nucleus {quoted(key)} has a 'bbox' that is no [[top, left], [bottom, right]]."
        )
    return width, height
