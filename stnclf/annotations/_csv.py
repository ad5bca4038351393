"""Tables in text with named columns, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re

from ._table import CORE, LISTS, check_table, json_text, make_table, parse_list

WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
# Not "007": leading zeros belong to a name.
NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|-?inf")
TRUTH = {"True": True, "False": False}


def read_csv(path, image, columns):
    """Read a table; see `stnclf.annotations.read_annotations` for the arguments."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if not first.strip():
            raise ValueError("has no header.")
        file.seek(0)
        try:
            header, *lines = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
        except csv.Error as error:
            raise ValueError(f"is no table: {error}.") from None
    cells = _columns(header, lines)
    source = {name: name for name in CORE} | (columns or {})
    if image is not None:
        source.pop("image")
    missing = [name for name in source.values() if name not in cells]
    if missing:
        wanted = ", ".join(f"{name!r}: ..." for name in source if source[name] in missing)
        raise ValueError(
            f"has no column {missing[0] if len(missing) == 1 else missing!r}; it has {header}. "
            f"Say which to take, as in columns={{{wanted}}}."
        )
    table = {name: cells[column] for name, column in source.items()}
    others = cells.keys() - table.keys() - set(source.values()) - {"", "image"}
    for name in cells:  # in the order of the file
        if name in others:
            table[name] = _values(name, cells[name])
    if image is not None:
        table["image"] = [image] * len(lines)
    for axis in "xy":
        table[axis] = [_position(text, axis, i) for i, text in enumerate(table[axis])]
    return make_table([dict(zip(table, row)) for row in zip(*table.values())])


def csv_text(table):
    """Give the text of a file with every column of a table."""
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


def _columns(header, lines):
    """Cells by column; every line must have as many as the header."""
    lines = [line for line in lines if line]
    repeated = {name for name in header if name and header.count(name) > 1}
    if repeated:
        raise ValueError(f"has several columns of one name: {sorted(repeated)}.")
    for i, line in enumerate(lines):
        if len(line) != len(header):
            raise ValueError(f"row {i} has {len(line)} cells under {len(header)} names.")
    return dict(zip(header, zip(*lines))) if lines else dict.fromkeys(header, ())


def _values(name, texts):
    """Cells as what their text looks like: whole numbers, numbers, truth values, or text."""
    if name in LISTS:
        return [parse_list(text) for text in texts]
    filled = [text for text in texts if text]
    if all(WHOLE.fullmatch(text) for text in filled):
        convert = int
    elif all(NUMBER.fullmatch(text) for text in filled):
        convert = float
    elif all(text in TRUTH for text in filled):
        convert = TRUTH.get
    else:
        convert = str
    return [convert(text) if text else None for text in texts]


def _position(text, axis, row):
    try:
        return float(text.replace("_", "?"))  # float takes 1_0 for 10
    except ValueError:
        raise ValueError(f"row {row} has {text!r} for {axis}, which is no number.") from None
