"""Labels, and names of groups: none missing, all of one kind, no two that read the same."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite

from .containers import refuse_masked
from .errors import argument_error
from .images import naming
from .names import as_text
from .values import is_missing

__all__ = [
    "as_labels",
    "check_kind",
    "check_names",
    "refuse_lookalikes",
    "refuse_missing",
    "refuse_mixed",
    "refuse_repetitions",
]


def as_labels(values, argument):
    """Check labels, or names of groups, as `fit` checks y.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Labels.
    argument : str
        What messages call them.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If they are empty or of another shape, if one is missing or masked, or if they are of
        several kinds.
    """
    with naming(argument, "labels of one kind, none missing"):
        refuse_masked(argument, values)
        labels = np.asarray(values)
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"{argument} must be 1-D and not empty, got shape {labels.shape}.")
        refuse_missing(argument, values)
        try:
            refuse_mixed(values)
            check_kind(argument, labels)
            classes, index = np.unique(labels, return_inverse=True)
        except TypeError as error:  # metrics and reports list one kind of error
            raise ValueError(str(error)) from error
        check_names(argument, classes, index)
    return labels


def refuse_repetitions(labels):
    """Refuse classes of which one is there twice."""
    if len(np.unique(labels)) != len(labels):
        raise ValueError(f"labels must be 1-D without repetitions, got {labels.tolist()!r:.80}.")


def refuse_mixed(labels):
    """Refuse a list of words and numbers, of which NumPy would make words: 1 and "1" alike."""
    if isinstance(labels, (list, tuple)):
        kinds = {isinstance(label, str): label for label in labels}
        if len(kinds) == 2:
            raise TypeError(f"labels are words and numbers, {kinds[True]!r} and {kinds[False]!r}")


def check_kind(argument, labels):
    """Refuse labels that are bytes, or infinite."""
    if labels.dtype.kind in "SO" and any(isinstance(label, bytes) for label in labels):
        raise TypeError("labels are bytes")
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name=argument)


def refuse_missing(argument, labels):
    """Refuse labels that are None, NaN, pandas' NA or NaT, and name the first one's index."""
    if sparse.issparse(labels):
        return  # scikit-learn has words for it
    # NumPy would make the word "nan" of one among strings in a list.
    if not isinstance(labels, (list, tuple)):
        labels = np.asarray(labels)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind == "O":
        missing = [is_missing(label) for label in labels]
    elif labels.dtype.kind in "fmM":
        missing = labels != labels
        missing = missing.reshape(len(missing), -1).any(axis=1)
    else:
        return
    if np.any(missing):
        raise ValueError(
            f"Input {argument} contains NaN, None or other missing labels: {int(np.sum(missing))} "
            f"of {len(missing)}, the first at index {int(np.argmax(missing))}"
        )


def check_names(argument, classes, index):
    """Refuse classes that no table can hold, and two that look the same.

    Not one of both: `predict` returns labels as `fit` was given them.
    """
    for k, label in enumerate(classes.tolist()):
        if not isinstance(label, str):
            continue
        try:
            label.encode()
        except UnicodeEncodeError:
            raise argument_error(
                argument,
                f"got the label {label!a} with half a character (a lone surrogate), the first at "
                f"index {int((index == k).argmax())}; wants text that UTF-8 can hold.",
            ) from None
    refuse_lookalikes({argument: classes.tolist()})


def refuse_lookalikes(labels):
    """Refuse labels that read the same and are not: 1 and "1", one name in two forms of Unicode.

    Parameters
    ----------
    labels : dict of str to iterable
        Labels by argument.

    Raises
    ------
    ValueError
        Naming both.

    Examples
    --------
    >>> from stnclf._utils.labels import refuse_lookalikes
    >>> refuse_lookalikes({"truth": [1, 2], "detections": [2.0, "a"]})
    """
    seen = {}
    for argument, values in labels.items():
        for label in values:
            first, other = seen.setdefault(as_text(label), (argument, label))
            if other == label:
                continue
            if isinstance(label, str) and isinstance(other, str):
                both = sorted((other, label), key=len)
                raise argument_error(
                    argument,
                    f"{both[0]!a} and {both[1]!a} are one name in two forms of Unicode; wants one "
                    "form, as of unicodedata.normalize('NFC', label).",
                )
            raise argument_error(
                argument,
                f"got the label {label!r}, but {first} has {other!r}, which reads the same; wants "
                "labels of one type.",
            )
