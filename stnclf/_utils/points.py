"""Points that come with names: x and y are taken by them, in whichever order they stand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .containers import as_floats, check_real, columns_by_name, refuse_masked
from .errors import argument_error

__all__ = ["as_points", "points_by_name"]

#: Names that columns of points have: in tables of annotations, and in those of ``transform``.
_COLUMNS = (("x", "y"), ("cell_x", "cell_y"))


def points_by_name(argument, points):
    """Return the columns x and y of what has names, and anything else as it is.

    Parameters
    ----------
    argument : str
        Its name, for messages.
    points : object
        A table, mapping, structured array, or list of mappings or named tuples; a tensor becomes
        an array.

    Returns
    -------
    object
        An array of shape (n, 2) where there were names.

    Raises
    ------
    ValueError
        If the names are others, or values are masked.
    """
    refuse_masked(argument, points)
    if hasattr(points, "detach"):  # a tensor, maybe with gradients, or not on the CPU
        return points.detach().cpu().numpy()
    found = columns_by_name(points)
    if found is None:
        return points
    names, column = found
    if not any(isinstance(name, str) for name in names) and not isinstance(points, Mapping):
        return points
    for wanted in _COLUMNS:
        if sorted(map(str, names)) == sorted(wanted):
            try:
                return np.column_stack([check_real(column(name)) for name in wanted])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                problem = f"{type(error).__name__}: {error}".splitlines()[0]
                raise argument_error(
                    argument,
                    f"wants numbers in the columns {wanted[0]} and {wanted[1]}, got "
                    f"{type(points).__name__} ({problem}).",
                ) from error
    raise argument_error(argument, f"got the columns {names}, wants x and y alone, in any order.")


def as_points(values, name, missing=False, n=None):
    """Check points in pixels.

    Parameters
    ----------
    values : array-like of shape (n_samples, 2), or table
        ``(x, y)``; of a table with names, the columns ``x`` and ``y`` in any order.
    name : str
        What messages call them.
    missing : bool, default=False
        Whether rows may be NaN: there is no cell.
    n : int, default=None
        How many there must be.

    Returns
    -------
    float64 ndarray of shape (n_samples, 2)

    Raises
    ------
    ValueError
        If they are of another shape, hold infinity, or NaN that is not allowed.
    """
    points = as_floats(points_by_name(name, values), name, truth=False)
    if points.ndim != 2 or points.shape[1] != 2 or n not in (None, len(points)):
        wanted = "n_samples" if n is None else n
        raise ValueError(f"{name} must have shape ({wanted}, 2), got {points.shape}.")
    broken = ~np.isfinite(points).all(axis=1)
    if missing:
        broken &= ~np.isnan(points).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{name} holds NaN or infinity in {broken.sum()} of {len(points)} rows, "
            f"first in row {broken.argmax()}."
        )
    return points
