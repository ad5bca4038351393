"""The table of cells of which patches are cut: its checks, and cells outside their image."""

from __future__ import annotations

import warnings

import numpy as np

from .._utils.containers import check_real, column_of
from .._utils.errors import argument_error
from .._utils.labels import as_labels, refuse_lookalikes
from .._utils.names import same_but_for_place
from .._utils.printable import quoted
from .._utils.values import is_missing
from ..annotations._slide_facts import slide_facts

__all__ = [
    "axes_exchanged",
    "cells_inside",
    "check_cells",
    "has_no_rows",
    "on_level_0",
    "outside_by",
    "refuse_other_names",
]

_COLUMNS = ("image", "x", "y", "label")


def check_cells(annotations, argument="annotations", labelled=True, unknown=False):
    """Check a table of cells.

    Parameters
    ----------
    annotations : DataFrame or mapping of columns
        ``image``, ``x``, ``y`` and ``label``.
    argument : str, default="annotations"
        What messages call it.
    labelled : bool, default=True
        Whether it must have labels; without them they are empty.
    unknown : bool, default=False
        Whether some of the labels may be missing.

    Returns
    -------
    groups : ndarray of shape (n,), str
        Names of the images.
    points : float64 ndarray of shape (n, 2)
        ``(x, y)``.
    y : ndarray of shape (n,)
        Labels.
    known : bool ndarray of shape (n,)
        Which cells have one; that of others in `y` means nothing.
    rows : sequence of length n
        What messages call the rows: the index of a DataFrame, else numbers from 0.
    from_bounds : bool ndarray of shape (n,)
        Whether the position counts from the corner of the slide's scanned area.

    Raises
    ------
    ValueError
        If a column is missing or empty, a row lacks a name, a position or a label, or labels are
        of several kinds.
    """
    columns = _COLUMNS if labelled else _COLUMNS[:-1]
    values = {}
    for name in columns:
        try:
            values[name] = column_of(annotations, name)
        except (KeyError, IndexError, TypeError) as error:
            raise argument_error(
                argument,
                f"wants a table with the columns {', '.join(columns)}; it has no {name!r}.",
            ) from error
        if len(values[name]) != len(values["image"]):
            raise argument_error(argument, f"{name!r} and 'image' differ in length.")
    if not values["image"]:
        raise argument_error(argument, "has no rows.")
    labels = values.get("label", [""] * len(values["image"]))
    # A table that was filtered still knows which row of its file each row is.
    index = getattr(annotations, "index", None)
    rows = range(len(values["image"])) if index is None or callable(index) else index.tolist()
    for row, name, label in zip(rows, values["image"], labels):
        if not isinstance(name, str):
            raise argument_error(
                argument, f"image {quoted(name)} is no file name.", where=f"row {row}"
            )
        if is_missing(label) and not unknown:
            problem = f"has no label; {argument}.dropna(subset=['label']) leaves such rows out."
            raise argument_error(argument, problem, where=f"row {row}")
    try:
        points = np.array([check_real(values[axis]) for axis in "xy"], dtype=np.float64).T
    except (TypeError, ValueError) as error:
        raise argument_error(argument, f"x and y want to be numbers ({error}).") from error
    broken = ~np.isfinite(points).all(axis=1)
    if broken.any():
        first = int(broken.argmax())
        raise ValueError(f"{argument}, row {rows[first]}: x, y are {points[first].tolist()}.")
    from_bounds = _from_bounds(annotations, len(labels))
    points = np.ascontiguousarray(points)
    known = ~np.array([is_missing(label) for label in labels])
    if not known.any():
        raise argument_error(argument, "no cell has a label.")
    # An array of words, or of numbers, has no place for what is missing.
    there = [label for label, is_known in zip(labels, known) if is_known]
    _check_labels(there, argument)
    y = np.array(there)[np.maximum(np.cumsum(known) - 1, 0)]
    return np.array(values["image"]), points, y, known, rows, from_bounds


def _check_labels(labels, argument):
    """Refuse labels of several kinds, of which an array would make text: 1 and "1" alike."""
    try:
        different = list(dict.fromkeys(labels))
        refuse_lookalikes({argument: different})
        different.sort()
    except TypeError as error:
        raise argument_error(argument, f"{error}; wants labels of one kind.") from error
    as_labels(different, argument)


def refuse_other_names(groups, names, argument):
    """Refuse a table that calls an image of `annotations` by another name: its cells were lost.

    Parameters
    ----------
    groups : ndarray of shape (n_cells,), str
        The image of each row. Those of other images are no mistake.
    names : ndarray of shape (n_images,), str
        The images of `annotations`.
    argument : str
        The argument that holds the table.

    Raises
    ------
    ValueError
        Naming both.
    """
    other = same_but_for_place(np.unique(groups).tolist(), names.tolist())
    if other is not None:
        raise argument_error(
            argument,
            f"got the image {other[0]!r}, but annotations has {other[1]!r}; wants the same name.",
        )


def has_no_rows(table):
    """Say whether a table has the columns of positions and not one row."""
    try:
        return all(len(column_of(table, name)) == 0 for name in _COLUMNS[:-1])
    except (KeyError, IndexError, TypeError):
        return False


def on_level_0(points, from_bounds, path):
    """Count positions from level 0 that count from the corner of the scanned area.

    Parameters
    ----------
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` on one slide.
    from_bounds : bool ndarray of shape (n,)
        Which of them count from there.
    path : str
        The slide.

    Returns
    -------
    float64 ndarray of shape (n, 2)
    """
    if not from_bounds.any():
        return points
    facts = slide_facts(path)
    return points + from_bounds[:, None] * np.array((0, 0) if facts is None else facts.bounds)


def _from_bounds(annotations, n_rows):
    """Whether positions count from a slide's bounds, as those of QuPath may."""
    try:
        origin = column_of(annotations, "origin")
    except (KeyError, IndexError, TypeError, ValueError):
        return np.zeros(n_rows, dtype=bool)
    return np.array([isinstance(value, str) and value == "bounds" for value in origin], dtype=bool)


def axes_exchanged(points, sizes):
    """Return whether x and y seem to be the wrong way round.

    Parameters
    ----------
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in pixels of level 0.
    sizes : int ndarray of shape (n, 2)
        ``(width, height)`` of the image of each cell.

    Returns
    -------
    bool
        Whether cells lie a pixel or more outside their image, which is no rounding, and none does
        with x and y exchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.slides._cell_table import axes_exchanged
    >>> axes_exchanged(np.array([[20.0, 150.0], [90.0, 10.0]]), np.array([[200, 100]] * 2))
    True
    """
    far = outside_by(points, sizes)
    return bool(far.max(initial=0) >= 1 and not outside_by(points[:, ::-1], sizes).any())


def outside_by(points, sizes):
    """Measure how far outside its image each point lies, along the axis on which it is more.

    Parameters
    ----------
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in pixels of level 0.
    sizes : int ndarray of shape (n, 2)
        ``(width, height)`` of the image of each.

    Returns
    -------
    ndarray of shape (n,)
        Pixels; 0 is inside.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.slides._cell_table import outside_by
    >>> outside_by(np.array([[201.5, -2.5], [199.5, 0]]), np.array([[200, 100]] * 2)).tolist()
    [2.0, 0.0]
    """
    return np.abs(points - np.clip(points, -0.5, sizes - 0.5)).max(axis=1, initial=0)


def cells_inside(points, groups, sizes, rows, outside):
    """Find the cells that lie outside their image, and refuse, leave out or move them.

    Parameters
    ----------
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in pixels of level 0; a pixel reaches from -0.5 to 0.5 around its number.
    groups : ndarray of shape (n,), str
        Names of the images.
    sizes : int ndarray of shape (n, 2)
        ``(width, height)`` of the image of each cell.
    rows : sequence of length n
        What messages call the rows.
    outside : {"error", "skip", "clip"}
        What to do.

    Returns
    -------
    points : float64 ndarray of shape (n, 2)
        Moved to the edge with "clip".
    kept : bool ndarray of shape (n,)
        Which to keep; all but with "skip".

    Raises
    ------
    ValueError
        If a cell lies outside and `outside` is "error", or if none is left.

    Warns
    -----
    UserWarning
        Once, with the number of cells that were left out or moved.
    """
    moved = np.clip(points, -0.5, sizes - 0.5)
    far = outside_by(points, sizes)
    out = far > 0
    kept = np.ones(len(points), dtype=bool)
    if not out.any():
        return points, kept
    first = int(out.argmax())
    x, y = points[first].tolist()
    width, height = sizes[first].tolist()
    where = f"row {rows[first]}"
    text = (
        f"x, y = {x:.10g}, {y:.10g} lies outside image "
        f"{quoted(str(groups[first]))} of {width} x {height} px (width x height)"
    )
    hint = ""
    if axes_exchanged(points, sizes):
        hint = " With x and y exchanged, all would lie inside."
    n_out, done = int(out.sum()), "left out" if outside == "skip" else "moved to its edge"
    if outside == "error":
        raise argument_error(
            "annotations",
            f"{text}; {n_out} of {len(points)} cells do. "
            f"outside='skip' leaves them out, 'clip' moves them to the edge.{hint}",
            where=where,
        )
    if outside == "skip":
        kept = ~out
        if not kept.any():
            problem = f"{text}; so do all of {n_out}, and none is left."
            raise argument_error("annotations", problem, where=where)
    warnings.warn(
        f"annotations: {n_out} of {len(points)} cells lie outside their image, by up to "
        f"{far.max():.3g} px, and were {done}; the first, {where}: {text}.{hint}",
        stacklevel=3,
    )
    return moved if outside == "clip" else points, kept
