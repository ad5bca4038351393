"""The annotation table behind `stnclf.annotations`: columns, checks, exact numbers, safe files.

The readers and writers of the single formats share what is here. A reader collects one dict a
row and hands them to `make_table`; a writer gets from `check_table` one plain list a column, in
which None is what is missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from .._utils.names import composed
from .._utils.optional import import_pandas
from .._utils.printable import listed, quoted
from .._utils.typing import Table
from ._numbers import is_number

CORE = ("image", "x", "y", "label")
#: Columns that ``columns=`` may name.
NAMED = (*CORE, "width", "height")
LISTS = ("votes", "voters")
IMAGE_SIZE = ("image_width", "image_height")
#: Columns of names that are compared with others.
NAMES = {"image", "label", *LISTS}
# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
PALETTE = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
)
#: Up to here every whole number is a float64.
_EXACT_IN_FLOAT = 2**53
PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class ArgumentError(ValueError):
    """An argument is missing, or does not apply to a file: the cause of a plain ValueError."""


class DoesNotApply(ArgumentError):
    """An argument does not apply to a file.

    Parameters
    ----------
    name : str
        The argument.
    reason : str
        What the file is like.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{reason}, so that {name}= does not apply.")
        self.name = name


class NeedsResolution(ArgumentError):
    """A file does not count in pixels, and nobody knows how large these are.

    Parameters
    ----------
    of : str
        Whose pixels.
    reason : str
        What the file counts in.
    """

    def __init__(self, of: str, reason: str) -> None:
        super().__init__(f"mpp must be the micrometres per pixel of {of}, got None: {reason}.")
        self.reason = reason


class NeedsLabel(ArgumentError):
    """A file has no place for classes."""


def make_table(rows: list[dict[str, Any]]) -> Table:
    """Build a table from one dict a row, and check that each has an image and a position.

    Columns stand in the order in which they first occur, behind the four that every table has.
    A column in which every value is None is left out. Names of images, classes and people are
    brought to one form of Unicode, or two that look the same would be different.
    """
    names = dict.fromkeys(CORE)
    for row in rows:
        names.update(dict.fromkeys(row))
    columns: dict[str, list[Any]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if name in CORE or any(value is not None for value in values):
            columns[name] = _with_every_digit(values)
    columns["label"] = [None if v in (None, "") or v != v else str(v) for v in columns["label"]]
    for name in NAMES & columns.keys():
        columns[name] = [_one_form(value) for value in columns[name]]
    for i, (image, x, y) in enumerate(zip(columns["image"], columns["x"], columns["y"])):
        if not image:
            raise ValueError(f"annotation {i} of {len(rows)} names no image.")
        if not _is_text(columns["label"][i]):
            raise ValueError(
                f"annotation {i} of {len(rows)} has the label {quoted(columns['label'][i])}, with "
                "half a character (a lone surrogate)."
            )
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError(f"annotation {i} of {len(rows)} is at x={x}, y={y}: no position.")
    for name in ("width", "height"):
        for i, value in enumerate(columns.get(name, ())):
            if value is not None and not (
                is_number(value) and (value != value or 0 <= value < math.inf)
            ):
                raise ValueError(
                    f"annotation {i} of {len(rows)} has the {name} {quoted(value)}, which is no "
                    "length in px."
                )
    table = import_pandas().DataFrame(columns)
    return table.astype({"x": np.float64, "y": np.float64})


def joined(tables: list[Table]) -> Table:
    """Put tables one below the other; whole numbers keep every digit, as in `make_table`."""
    table = import_pandas().concat(tables, ignore_index=True)
    for name in table.columns[table.dtypes == np.float64]:
        if any(name in part and part[name].dtype.kind == "i" for part in tables):
            parts = (part[name].tolist() if name in part else [None] * len(part) for part in tables)
            table[name] = _with_every_digit([value for values in parts for value in values])
    return table


def _with_every_digit(values: list[Any]) -> Any:
    """Keep the whole numbers of a column from becoming floats that are others.

    pandas makes floats of whole numbers beside what is missing.
    """
    whole = [value for value in values if type(value) is int]
    if len(whole) == len(values) or all(abs(value) <= _EXACT_IN_FLOAT for value in whole):
        return values
    return import_pandas().Series(values, dtype=object)


def _is_text(value: Any) -> bool:
    """Whether UTF-8 can hold text; half of a pair of surrogates it cannot."""
    try:
        return not isinstance(value, str) or bool(value.encode()) or not value
    except UnicodeEncodeError:
        return False


def _one_form(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_one_form(item) for item in value)
    return composed(value) if isinstance(value, str) else value


def check_table(table: Table) -> dict[str, list[Any]]:
    """Check a table that is to be written and give its columns as lists of plain values."""
    pandas = import_pandas()
    if not isinstance(table, pandas.DataFrame):
        raise TypeError(f"table must be a pandas DataFrame, got {type(table).__name__}.")
    names = list(table.columns)
    missing = [name for name in CORE if name not in names]
    if missing:
        raise ValueError(f"table must have the columns {list(CORE)}, but lacks {missing}.")
    if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"table must have columns of different names, all text, got {listed(names)}."
        )
    columns = {name: [_plain(value, name) for value in table[name].tolist()] for name in names}
    columns = {
        name: values
        for name, values in columns.items()
        if name in CORE or any(value is not None for value in values)
    }
    for name, values in columns.items():
        for i, value in enumerate(values):
            for text in value if isinstance(value, tuple) else (value,):
                if not _is_text(text):
                    raise ValueError(
                        f"table[{quoted(name)}] must be text that UTF-8 can hold, got "
                        f"{quoted(text)}, row {i}."
                    )
    columns["label"] = [None if v in (None, "") else str(v) for v in columns["label"]]
    for name in ("x", "y"):
        columns[name] = [_check_position(v, name, i) for i, v in enumerate(columns[name])]
    for i, name in enumerate(columns["image"]):
        if not isinstance(name, str) or not name:
            raise ValueError(
                f"table['image'] must be the name of an image, got {quoted(name)}, row {i}."
            )
    for name in ("width", "height"):
        for i, value in enumerate(columns.get(name, ())):
            if value is not None and (not is_number(value) or not 0 <= value < math.inf):
                raise ValueError(
                    f"table[{quoted(name)}] must be a length in px, got {quoted(value)}, row {i}."
                )
    for name in columns.keys() & set(LISTS):
        columns[name] = [_check_names(value, name, i) for i, value in enumerate(columns[name])]
    return columns


def _plain(value: Any, name: str) -> Any:
    """Turn a cell of a table into None, a plain number, text, or a tuple."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item, name) for item in value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is import_pandas().NA:
        return None
    raise ValueError(
        f"table[{quoted(name)}] must hold numbers or text, got {type(value).__name__}."
    )


def _check_position(value: Any, name: str, row: int) -> float:
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(
            f"table[{quoted(name)}] must be a finite number, got {quoted(value)}, row {row}."
        )
    return float(value)


def _check_names(value: Any, name: str, row: int) -> tuple[str | None, ...] | None:
    if value is not None and not isinstance(value, tuple):
        raise ValueError(
            f"table[{quoted(name)}] must hold tuples of names, got {quoted(value)}, row {row}."
        )
    return None if value is None else tuple(None if v is None else str(v) for v in value)


def row_dicts(columns: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Return the columns of a table as one dict per row, without what is missing."""
    for values in zip(*columns.values()):
        yield {name: v for name, v in zip(columns, values) if v is not None or name in CORE}


def about_images(columns: dict[str, list[Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Collect what columns of these names say of each image, in whichever of its rows.

    Raises
    ------
    ValueError
        If two rows of an image say different things.
    """
    about: dict[str, dict[str, Any]] = {image: {} for image in columns["image"]}
    for name in names:
        for image, value in zip(columns["image"], columns.get(name, ())):
            known = value if value is None else about[image].setdefault(name, value)
            if known != value:
                raise ValueError(
                    f"table says different things about image {quoted(image)}: {quoted(name)} is "
                    f"{quoted(known)} and {quoted(value)}."
                )
    return about


def identifiers(columns: dict[str, list[Any]], least: int = 1) -> Sequence[int]:
    """Keep the numbers of the rows if all are whole, `least` or more, and differ; else count."""
    given = columns.get("id", [])
    whole = all(type(uid) is int and least <= uid < 2**63 for uid in given)
    if given and whole and len(set(given)) == len(given):
        return given
    return range(1, len(columns["image"]) + 1)


def only_image(columns: dict[str, list[Any]], what: str) -> str | None:
    """Return the one image that a table is about, or None for an empty table."""
    images = list(dict.fromkeys(columns["image"]))
    if len(images) > 1:
        raise ValueError(
            f"{what} is about one image, but table has {len(images)} ({quoted(images[0])}, "
            f"{quoted(images[1])}, ...): write one file each, with table.groupby('image')."
        )
    return images[0] if images else None


def class_names(columns: dict[str, list[Any]]) -> list[str]:
    """Every class that labels and votes name, sorted."""
    names: set[str] = {label for label in columns["label"] if label is not None}
    for votes in columns.get("votes", ()):
        names.update(vote for vote in votes or () if vote is not None)
    return sorted(names)


def class_colors(names: list[str], colors: dict[str, Any] | None) -> dict[str, tuple[int, ...]]:
    """Choose a colour for each class, three numbers from 0 to 255: as asked for, or of a palette.

    Raises
    ------
    ValueError
        If a colour is neither ``(red, green, blue)`` nor text like ``"#d55e00"``.
    """
    chosen: dict[str, tuple[int, ...]] = {
        name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)
    }
    colors = colors or {}
    for name, color in colors.items():
        if isinstance(color, str) and color.startswith("#") and len(color) == 7:
            try:
                color = bytes.fromhex(color[1:])
            except ValueError:
                color = ()
        numbers = tuple(color) if isinstance(color, (tuple, list, bytes)) else ()
        if len(numbers) != 3 or not all(isinstance(n, int) and 0 <= n <= 255 for n in numbers):
            raise ValueError(
                f"colors[{name!r}] must be three whole numbers from 0 to 255 or text like "
                f"'#d55e00', got {colors[name]!r}."
            )
        chosen[name] = numbers
    return chosen


def json_text(value: Any) -> str:
    """Write JSON for nested dicts, lists and plain values, decimals among them."""
    if isinstance(value, Decimal):
        return str(value) if value else "0"  # not 0E-14
    if isinstance(value, dict):
        items = (f"{json_text(name)}: {json_text(item)}" for name, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(json_text, value))}]"
    return PLAIN.encode(value)


def scalar(value: Any) -> Any:
    """Return a parsed value for a cell of the table: text, number, truth value, or None."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None
    return value if isinstance(value, (str, int, float)) else None


def names_of(values: Any) -> tuple[str | None, ...] | None:
    """Return the names in a parsed list, None for what is no text; None if it is no list."""
    if not isinstance(values, list):
        return None
    return tuple(value if isinstance(value, str) else None for value in values)


def parse_list(text: Any) -> tuple[str | None, ...] | None:
    """Read a tuple of names back from the JSON text that stands for it; None if it is none."""
    try:
        return names_of(json.loads(text))
    except (TypeError, ValueError):
        return None


def read_files(
    path: Path, files: list[Path], read: Callable[[Path], Iterable[dict[str, Any]]]
) -> Table:
    """Put the rows of several files together; an error names its file within the folder."""
    if not files:
        raise ValueError("is a folder without files of that format.")
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows += read(file)
        except (ValueError, LookupError) as error:
            place = "" if file == path else f"{file.relative_to(path).as_posix()}: "
            raise ValueError(f"{place}{error}") from error
    return make_table(rows)
