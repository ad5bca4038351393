"""Probabilities that come with names: columns are taken by the names of the classes."""

from __future__ import annotations

import numpy as np

from .containers import columns_by_name, refuse_masked
from .errors import argument_error
from .names import PROBABILITY_PREFIX, as_text
from .printable import listed

__all__ = ["proba_by_name", "refuse_other_numbers"]

#: Rows of probabilities in float32, or written with three digits, sum to one no closer than this.
_SLACK = 5e-3
#: What NumPy, pandas and polars call columns without names, before their number.
_NO_NAMES = ("", "f", "column_")


def proba_by_name(argument, proba, labels):
    """Order the columns of what has names by the classes, and return anything else as it is.

    Parameters
    ----------
    argument : str
        Its name, for messages.
    proba : object
        A table, mapping, structured array, or list of mappings or named tuples, with a column for
        each class, called by its label or ``probability_`` and its label. The latter may stand
        among others, as in the tables of ``predict``.
    labels : ndarray of shape (n_classes,)
        The classes.

    Returns
    -------
    object
        An array of shape (n_samples, n_classes) where there were names. Columns that are only
        numbered stay where they are.

    Raises
    ------
    ValueError
        If the names are others, or values are masked.
    """
    refuse_masked(argument, proba)
    found = columns_by_name(proba)
    if found is None:
        return proba
    names, column = found
    # pandas numbers columns without names by a range, which says nothing of labels 0 and 1.
    if hasattr(getattr(proba, "columns", None), "step") and names == list(range(len(names))):
        return proba
    texts, classes = [as_text(name) for name in names], [as_text(k) for k in labels.tolist()]
    own = [text for text in texts if text.startswith(PROBABILITY_PREFIX)]
    if sorted(texts) == sorted(classes):
        wanted = classes
    elif sorted(own) == sorted(PROBABILITY_PREFIX + k for k in classes):
        wanted = [PROBABILITY_PREFIX + k for k in classes]
    elif texts in ([f"{prefix}{i}" for i in range(len(texts))] for prefix in _NO_NAMES):
        wanted = texts
    else:
        raise argument_error(
            argument,
            f"got the columns {listed(names)}, wants one for each of the classes "
            f"{listed(labels.tolist())}, in any order.",
        )
    columns = [column(names[texts.index(text)]) for text in wanted]
    for values in columns:
        refuse_masked(argument, values)
    try:
        return np.column_stack([np.asarray(values) for values in columns])
    except ValueError as error:
        raise argument_error(argument, f"{error}; wants columns of one length.") from error


def refuse_other_numbers(argument, values):
    """Refuse an array of shape (n_samples, n_classes) that does not hold probabilities."""
    # Written so that NaN fails.
    inside = (values >= -_SLACK) & (values <= 1 + _SLACK)
    sums_up = np.abs(values.sum(axis=1) - 1) <= _SLACK
    if not inside.all() or not sums_up.all():
        row = int((~(inside.all(axis=1) & sums_up)).argmax())
        raise ValueError(
            f"{argument} must hold probabilities from 0 to 1 that sum to one in each row; row "
            f"{row} holds {values[row].tolist()!r:.80}."
        )
