"""Arrays, columns and tables of other libraries, as NumPy and scikit-learn know them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.utils import validation

from .errors import argument_error

__all__ = [
    "as_floats",
    "check_real",
    "column_of",
    "columns_by_name",
    "is_table",
    "plain",
    "refuse_masked",
    "with_names",
]


def refuse_masked(argument, values):
    """Refuse NumPy's masked arrays in which something is masked.

    Parameters
    ----------
    argument : str
        Its name, for the message.
    values : object
        What was given; only a masked array is looked at, or a list of them.

    Raises
    ------
    ValueError
        Naming the first row that is masked: what stands below a mask means nothing.
    """
    if isinstance(values, list) and any(isinstance(v, np.ma.MaskedArray) for v in values):
        rows = [i for i, value in enumerate(values) if np.ma.is_masked(value)]
    elif np.ma.is_masked(values):
        rows = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1).nonzero()[0]
    else:
        return
    if len(rows):
        have = "row has" if len(rows) == 1 else "rows have"
        raise argument_error(
            argument,
            f"{len(rows)} {have} masked values, the first at index {rows[0]}; fill them or leave "
            "these samples out.",
        )


def is_table(values):
    """Say whether something is a table with columns: pandas, polars, narwhals, Arrow."""
    return not hasattr(values, "dtype") and hasattr(values, "columns") and len(np.shape(values)) < 3


def column_of(table, name):
    """Return a column of a table as a list.

    Parameters
    ----------
    table : mapping of columns, or table of any library
        pandas, polars, Arrow: each has an error of its own for a column that is missing.
    name : str
        The column.

    Raises
    ------
    KeyError
        If there is none.
    """
    names = getattr(table, "column_names", getattr(table, "columns", None))
    if names is not None and not callable(names) and name not in list(names):
        raise KeyError(name)
    return list(table[name])


def columns_by_name(values):
    """Find the columns of what has names.

    Parameters
    ----------
    values : object
        A table, mapping, structured array, or list of mappings or named tuples.

    Returns
    -------
    (list, callable) or None
        The names, and what gives the column of a name; None for what has no names.
    """
    if hasattr(getattr(values, "struct", None), "unnest"):  # a column of polars
        values = values.struct.unnest()
    first = values[0] if isinstance(values, (list, tuple)) and len(values) else None
    if isinstance(values, Mapping):
        return list(values), values.__getitem__
    if is_table(values):
        return list(getattr(values, "column_names", values.columns)), values.__getitem__
    if getattr(getattr(values, "dtype", None), "names", None):
        return list(values.dtype.names), values.__getitem__
    if isinstance(first, Mapping):
        return list(first), lambda name: [row[name] for row in values]
    if hasattr(first, "_fields"):  # named tuples
        return list(first._fields), lambda name: [getattr(row, name) for row in values]
    return None


def plain(X):
    """Return what libraries other than NumPy hold in the form that the checks know.

    A column of arrays, one for each image, becomes one array.
    """
    if hasattr(X, "to_native") and hasattr(X, "implementation"):  # narwhals
        X = X.to_native()
    if hasattr(X, "dtype") and not isinstance(X, np.ndarray) and not hasattr(X, "iloc"):
        if hasattr(X, "to_numpy"):  # a column of polars or Arrow
            X = X.to_numpy()
        elif hasattr(X, "detach"):  # a tensor, maybe with gradients, or not on the CPU
            X = X.detach().cpu()
            try:
                X = X.numpy()
            except TypeError as error:
                raise argument_error(
                    "X",
                    f"got {X.dtype}, wants uint8 or float pixels that NumPy knows: X.float().",
                    TypeError,
                ) from error
    if getattr(X, "ndim", 2) == 1 and _holds_objects(X) and len(X):
        items = [i for i in X if isinstance(i, (list, tuple, np.ndarray))]
        if len(items) == len(X):
            return [_nested(item) for item in items]
    return X


def _holds_objects(values):
    return isinstance(getattr(values, "dtype", None), np.dtype) and values.dtype.kind == "O"


def _nested(item):
    """Turn arrays of arrays, as Arrow's nested lists come, into one array."""
    if _holds_objects(item) and item.ndim == 1:
        return np.array([_nested(part) for part in item])
    return np.asarray(item)


class _Named:
    """A table of which scikit-learn knows the names of the columns, in any of its versions."""

    def __init__(self, table):
        self.table, self.shape = table, table.shape

    def __len__(self):
        return len(self.table)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.table, dtype=dtype)

    def __dataframe__(self, *args, **kwargs):
        return self

    def column_names(self):
        """List the names, as the interchange protocol has it."""
        return self.table.columns


def with_names(X):
    """Wrap a table of polars 2, which has no protocol, so that scikit-learn finds its names."""
    knows = hasattr(X, "__dataframe__") or hasattr(validation, "nw")
    return X if knows or hasattr(X, "iloc") or not is_table(X) else _Named(X)


def check_real(values, truth=False):
    """Refuse what NumPy would make numbers of, and lose something or mean another thing.

    Parameters
    ----------
    values : array-like
        Whatever NumPy takes.
    truth : bool, default=False
        Whether truth values count as 0 and 1.

    Returns
    -------
    ndarray
        The values.

    Raises
    ------
    TypeError, ValueError
        If they are complex, times or truth values; the message names no argument.
    """
    array = np.asarray(values)
    items = array.ravel().tolist() if array.dtype.kind == "O" else ()
    kinds = {type(item) for item in items}
    if array.dtype.kind in "cmM" or any(issubclass(kind, np.complexfloating) for kind in kinds):
        raise ValueError("Complex data or times")
    if not truth and (array.dtype.kind == "b" or kinds & {bool, np.bool_}):
        raise TypeError("truth values")
    return array


def as_floats(value, name, truth=True):
    """Return an array of numbers as float64; one that is none is named."""
    refuse_masked(name, value)
    try:
        return check_real(value, truth).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, got {value!r:.80}.") from error
