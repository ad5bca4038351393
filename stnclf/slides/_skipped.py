"""What a run has left out, since it cannot be read: ``on_error``, and the list beside a result."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable

from .._utils.errors import argument_error
from .._utils.files import write_atomically

__all__ = ["check_on_error", "merged", "read_skipped", "write_skipped"]

_COLUMNS = ("image", "x", "y", "width", "height")

Box = tuple[int, int, int, int]
Region = tuple[str, int, int, int, int]


def check_on_error(on_error: object) -> None:
    """Check the argument `on_error`.

    Raises
    ------
    ValueError
        If it is neither "stop" nor "skip".
    """
    if on_error not in ("stop", "skip"):
        raise argument_error("on_error", f"got {on_error!r}, wants 'stop' or 'skip'.")


def write_skipped(out: str | None, regions: Iterable[Region]) -> None:
    """Write ``out + ".skipped.csv"``, or remove one where nothing was skipped.

    Parameters
    ----------
    out : str or None
        The result; None where there is no file.
    regions : iterable of tuple
        ``(image, x, y, width, height)`` in pixels of level 0.
    """
    if out is None:
        return
    rows = list(regions)
    if not rows:
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{out}.skipped.csv")
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *rows])
    write_atomically(f"{out}.skipped.csv", text.getvalue().encode())


def read_skipped(out: str | os.PathLike[str]) -> list[Region]:
    """Read what `write_skipped` wrote; an empty list where there is no such file."""
    try:
        with open(f"{os.fspath(out)}.skipped.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except FileNotFoundError:
        return []
    return [(name, int(x), int(y), int(w), int(h)) for name, x, y, w, h in rows]


def merged(boxes: Iterable[Box]) -> list[Box]:
    """Join rectangles that share a whole side.

    Parameters
    ----------
    boxes : iterable of tuple of int
        ``(x, y, width, height)``.

    Returns
    -------
    list of tuple of int
        In the order of rows.

    Examples
    --------
    >>> from stnclf.slides._skipped import merged
    >>> merged([(0, 0, 4, 4), (4, 0, 4, 4), (0, 4, 8, 2), (20, 0, 1, 1)])
    [(0, 0, 8, 6), (20, 0, 1, 1)]
    """
    rows: list[Box] = []
    for x, y, w, h in sorted(set(boxes), key=lambda box: (box[1], box[3], box[0])):
        if rows and rows[-1][1::2] == (y, h) and rows[-1][0] + rows[-1][2] >= x:
            left = rows[-1][0]
            rows[-1] = left, y, max(rows[-1][0] + rows[-1][2], x + w) - left, h
        else:
            rows.append((x, y, w, h))
    columns: list[Box] = []
    for x, y, w, h in sorted(rows, key=lambda box: (box[0], box[2], box[1])):
        if columns and columns[-1][::2] == (x, w) and columns[-1][1] + columns[-1][3] >= y:
            top = columns[-1][1]
            columns[-1] = x, top, w, max(columns[-1][1] + columns[-1][3], y + h) - top
        else:
            columns.append((x, y, w, h))
    return sorted(columns, key=lambda box: (box[1], box[0]))
