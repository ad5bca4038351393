"""Tables in text with named columns, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from .._utils.names import same_name
from .._utils.printable import listed, quoted
from .._utils.typing import Table
from ._context import Context
from ._files import read_text
from ._numbers import EXACT, middle, to_decimal
from ._slide_facts import UNBOUNDED
from ._table import (
    CORE,
    LISTS,
    DoesNotApply,
    NeedsLabel,
    NeedsResolution,
    check_table,
    json_text,
    make_table,
    parse_list,
)
from ._units import micrometres_of_column, names_unit, plain_name

WHOLE = re.compile(r"-?(0|[1-9]\d*)")
# Not "007": leading zeros belong to a name.
NUMBER = re.compile(
    r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
    # Java, and with it QuPath, writes NaN and Infinity.
    r"|(?i:nan|[+-]?inf(inity)?)"
)
_decimal_comma = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?").fullmatch
#: What may be a number of thousands as well.
_thousands = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}").fullmatch
#: The line with which a table says to Excel what separates its cells.
_separator = re.compile(r"sep=(.)\r?\n").match
TRUTH = {"True": True, "False": False}

#: Columns of QuPath, which counts along the edges of pixels as in its GeoJSON.
_qupath = re.compile(r"(?:.*: )?Centroid ([XY])(?: .*)?").fullmatch
#: Names of the corners of boxes, low x and y, then high, without case and what joins words.
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
)
_MIDDLE = (
    "x and y are the middle of a cell; corners of boxes want all of 'xmin', 'ymin', 'xmax' and "
    "'ymax'. "
)
_QUPATH_NAMES = {"image": ("Image",), "label": ("Classification", "Class")}


def read_csv(context: Context) -> Table:
    """Read a table; see `stnclf.annotations.read_annotations` for the arguments."""
    header, lines, delimiter = _parse(read_text(context.path))
    cells = _columns(header, lines)
    source = _source(header, context)
    corners = _corners(header, source, context)
    if delimiter != ",":
        cells = _with_points(cells, source, corners)
    if corners:
        cells = _as_boxes(cells, corners)
    missing = [name for name in source.values() if name not in cells]
    if missing:
        wanted = ", ".join(f"{name!r}: ..." for name in source if source[name] in missing)
        kind = NeedsLabel if missing == [source.get("label")] else ValueError
        hint = _MIDDLE if {source.get("x"), source.get("y")} & {*missing} else ""
        raise kind(
            f"has no column {listed(missing) if missing[1:] else quoted(missing[0])}; it has "
            f"{listed(header)}. {hint}Say which to take, as in columns={{{wanted}}}."
        )
    table: dict[str, Any] = {name: cells[column] for name, column in source.items()}
    for side in ("width", "height"):
        if side in source:
            table[side] = _values(side, table[side])
    others = cells.keys() - table.keys() - set(source.values()) - {"", "image"}
    for name in cells:  # in the order of the file
        if name in others:
            table[name] = _values(name, cells[name])
    images = [context.image] * len(lines) if context.image is not None else table.get("image", ())
    table["image"] = images
    if "label" not in table:
        table["label"] = [None] * len(lines)
    by_qupath = all(_qupath(plain_name(source[axis])) for axis in "xy")
    scales = _scales(source, context, images)
    for axis, i in (("x", 0), ("y", 1)):
        shift = "-0.5" if by_qupath else "0"
        values = [_position(text, axis, row) for row, text in enumerate(table[axis])]
        table[axis] = [
            value if by is None and not by_qupath else _converted(value, by, i, shift)
            for value, by in zip(values, scales)
        ]
    for side, i in (("width", 0), ("height", 1)):  # in the unit of x and y: they name no other
        if side in table:
            table[side] = [
                value if by is None or value is None else _converted(value, by, i, "0")
                for value, by in zip(table[side], scales)
            ]
    rows = [dict(zip(table, row)) for row in zip(*table.values())]
    if by_qupath and "origin" not in table:
        _count_from_bounds(rows, context)
    return make_table(rows)


def csv_text(table: Table) -> str:
    """Text of a file with every column of a table."""
    columns = check_table(table)
    for name in LISTS:
        if name in columns:
            columns[name] = [None if v is None else json_text(v) for v in columns[name]]
    file = io.StringIO()
    # With these line ends, the csv module puts quotes around each kind of line end in a name.
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values()))
    return file.getvalue()


def _parse(text: str) -> tuple[list[str], list[list[str]], str]:
    """Header, lines, and what separates their cells."""
    said = _separator(text)
    text = text[said.end() :] if said else text
    first = text.split("\n", 1)[0]
    if not first.strip():
        raise ValueError("has no header.")
    delimiter = said[1] if said else max(",;\t", key=first.count)
    try:
        header, *rest = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise ValueError(f"is no table: {error}.") from None
    return header, [line for line in rest if line], delimiter


def _with_points(
    cells: dict[str, tuple[str, ...]], source: dict[str, str], corners: list[str] | None
) -> dict[str, tuple[str, ...]]:
    """Write numbers with a point where a table that commas do not separate has decimal commas.

    Three digits behind a comma and one to three before it may be thousands, unless another number
    shows that they are not.
    """
    numbers = {source["x"], source["y"], "width", "height", *(corners or ())}
    numbers |= {source[side] for side in ("width", "height") if side in source}
    numbers |= {name for name in cells if name.startswith("probability")}
    if not any(_surely_decimal(text) for name in numbers & cells.keys() for text in cells[name]):
        return cells
    names = {source.get("image"), source.get("label"), *LISTS}
    result = {}
    for name, texts in cells.items():
        plain = tuple(text.replace(",", ".") if _decimal_comma(text) else text for text in texts)
        is_numbers = all(NUMBER.fullmatch(text) for text in plain if text)
        result[name] = plain if name not in names and is_numbers else texts
    return result


def _surely_decimal(text: str) -> bool:
    return _decimal_comma(text) is not None and not _thousands(text)


def _columns(header: list[str], lines: list[list[str]]) -> dict[str, tuple[str, ...]]:
    """Cells by column; every line must have as many as the header."""
    repeated = {name for name in header if name and header.count(name) > 1}
    if repeated:
        raise ValueError(f"has several columns of one name: {listed(sorted(repeated))}.")
    for i, line in enumerate(lines):
        if len(line) != len(header):
            raise ValueError(f"row {i} has {len(line)} cells under {len(header)} names.")
    return dict(zip(header, zip(*lines))) if lines else dict.fromkeys(header, ())


def _source(header: list[str], context: Context) -> dict[str, str]:
    """Column of the file for each of the four; QuPath's are known by their names."""
    source = {name: name for name in CORE}
    if not set(CORE) & set(header):
        for name in header:
            found = _qupath(plain_name(name))
            if found and ":" not in name:
                source[found[1].lower()] = name
        for core, names in _QUPATH_NAMES.items():
            source[core] = next((name for name in names if name in header), core)
    source |= {core: same_name(header, name) for core, name in (context.columns or {}).items()}
    for column, given in (("image", context.image), ("label", context.label)):
        if given is None:
            continue
        if column == "label" and source[column] in header:
            continue
        if column in (context.columns or {}):
            raise ValueError(f"{column}= does not apply: columns= says where {column!r} is.")
        source.pop(column)
    return source


def _corners(header: list[str], source: dict[str, str], context: Context) -> list[str] | None:
    """Columns with the corners of boxes, if there is no middle and no doubt; see `_CORNERS`."""
    if {source["x"], source["y"]} & {*header}:
        return None
    if {"x", "y", "width", "height"} & {*(context.columns or {})}:
        return None
    by_form: dict[str, list[str]] = {}
    for name in header:
        form = re.sub(r"[ _.-]", "", plain_name(name)).lower()
        by_form.setdefault(form.removeprefix("bbox"), []).append(name)
    found = [forms for forms in _CORNERS if all(len(by_form.get(f, ())) == 1 for f in forms)]
    return [by_form[form][0] for form in found[0]] if len(found) == 1 else None


def _as_boxes(cells: dict[str, tuple[str, ...]], corners: list[str]) -> dict[str, tuple[str, ...]]:
    """Put middle, width and height in the place of corners.

    A width and a height beside corners are the image's, and named as in Pascal VOC.
    """
    values = [[_position(text, name, i) for i, text in enumerate(cells[name])] for name in corners]
    for name, numbers in zip(corners, values):
        for row, number in enumerate(numbers):
            if not math.isfinite(number):
                raise ValueError(f"row {row} has {number} for {name}, which is no position.")
    if values[0] and all(0 <= number <= 1 for numbers in values for number in numbers):
        raise ValueError(f"has {listed(corners)} from 0 to 1, shares of the image; wants pixels.")
    result = {}
    for name, texts in cells.items():
        if name not in corners:
            result[f"image_{name}" if name in ("width", "height") else name] = texts
    for axis, side, i in (("x", "width", 0), ("y", "height", 1)):
        spans = []
        for row, (low, high) in enumerate(zip(values[i], values[i + 2])):
            if high < low:
                raise ValueError(
                    f"row {row} has a box that ends before it begins: {corners[i]} is {low:g}, "
                    f"{corners[i + 2]} {high:g}."
                )
            spans.append(middle(low, high))
        result[axis], result[side] = (tuple(repr(s[k]) for s in spans) for k in (0, 1))
    return result


def _scales(source: dict[str, str], context: Context, images: Any) -> list[tuple[Any, Any] | None]:
    """Pixels per unit of the file along x and y, by row; None where it counts in pixels."""
    units: list[Any] = [micrometres_of_column(source[axis]) for axis in "xy"]
    for side in ("width", "height"):
        if side not in source or not names_unit(source[side]):
            continue
        if micrometres_of_column(source[side]) != units[0]:
            raise ValueError(
                f"has {quoted(source['x'])} and {quoted(source[side])} in different units."
            )
    if not any(units):
        if context.mpp is not None:
            raise DoesNotApply(
                "mpp",
                f"has columns {quoted(source['x'])} and {quoted(source['y'])}, whose names do not "
                "say that they are in micrometres or millimetres",
            )
        return [None] * len(images)
    if not all(units):
        raise ValueError(f"has {quoted(source['x'])} and {quoted(source['y'])} in different units.")
    by_image: dict[str, tuple[Any, Any]] = {}
    several = len({*images}) > 1
    for image in images:
        if image in by_image:
            continue
        pair: tuple[Any, Any] = (context.mpp, context.mpp)
        if context.mpp is None:
            facts = context.facts(image, several=several)
            pair = (None, None) if facts is None or facts.mpp is None else facts.mpp
        if pair[0] is None and not context.is_wanted(image):
            pair = (1.0, 1.0)
        if pair[0] is None:
            raise NeedsResolution(
                f"{quoted(image)}, which no slide in {context.folder} says",
                f"column {quoted(source['x'])} is not in pixels",
            )
        by_image[image] = (
            EXACT.divide(units[0], to_decimal(pair[0])),
            EXACT.divide(units[1], to_decimal(pair[1])),
        )
    return [by_image[image] for image in images]


def _converted(value: float, by: tuple[Any, Any] | None, axis: int, shift: str) -> float:
    try:
        exact = to_decimal(value)
        if by is not None:
            exact = EXACT.multiply(exact, by[axis])
        return float(EXACT.add(exact, Decimal(shift)))
    except InvalidOperation:
        return value


def _count_from_bounds(rows: list[dict[str, Any]], context: Context) -> None:
    """Move positions of QuPath to level 0, or say that they count from a slide's bounds."""
    bounds: dict[str, tuple[int, int] | None] = {}
    several = len({row["image"] for row in rows}) > 1
    for row in rows:
        image = row["image"]
        if image not in bounds:
            known = image.lower().endswith(UNBOUNDED)
            facts = None if known else context.facts(image, several=several)
            bounds[image] = (0, 0) if known else None if facts is None else facts.bounds
        begin = bounds[image]
        if begin is None:
            row["origin"] = "bounds"
        else:
            row["x"], row["y"] = row["x"] + begin[0], row["y"] + begin[1]


def _values(name: str, texts: Any) -> list[Any]:
    """Cells as what their text looks like: whole numbers, numbers, truth values, or text."""
    if name in LISTS:
        return [parse_list(text) for text in texts]
    convert: Any = str
    filled = [text for text in texts if text]
    is_length = name in ("width", "height")
    if is_length:
        for row, text in enumerate(texts):
            if text and not NUMBER.fullmatch(text):
                raise ValueError(f"row {row} has {quoted(text)} for {name}, which is no number.")
    if all(WHOLE.fullmatch(text) for text in filled):
        # Two names of many digits could be the same float.
        convert = int if all(map(_fits_int64, filled)) else float if is_length else str
    elif all(NUMBER.fullmatch(text) for text in filled):
        convert = _number
    elif all(text in TRUTH for text in filled):
        convert = TRUTH.get
    return [convert(text) if text else None for text in texts]


def _fits_int64(text: str) -> bool:
    """Whether digits are a number of 64 bits; Python turns no more than 4300 into one."""
    return len(text) <= 20 and -(2**63) <= int(text) < 2**63


def _number(text: str) -> float:
    return int(text) if WHOLE.fullmatch(text) and _fits_int64(text) else float(text)


def _position(text: str, axis: str, row: int) -> float:
    try:
        return float(text.replace("_", "?"))  # float takes 1_0 for 10
    except ValueError:
        raise ValueError(f"row {row} has {quoted(text)} for {axis}, which is no number.") from None
