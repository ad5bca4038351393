"""What is gained by leaving the least certain predictions to a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._utils.containers import as_floats
from .._utils.typing import Floats
from ._calibration import _checked

__all__ = ["coverage_curve"]


def coverage_curve(
    y_true: ArrayLike,
    proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    certainty: ArrayLike | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Accuracy of the most certain predictions, over their share of all.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Annotated classes, none missing.
    proba : array-like of shape (n_samples, n_classes), or table
        Probabilities from 0 to 1; rows sum to one. Columns with names are taken by them, as
        `reliability_curve` does. The prediction is the most probable class.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of `proba`, in order; None takes the sorted classes of `y_true`.
    certainty : array-like of shape (n_samples,), default=None
        What decides which predictions are kept, higher is kept longer: the negative of
        `stnclf.Ensemble.disagreement`, for example. None is the probability of the prediction.

    Returns
    -------
    coverage, accuracy : float64 ndarray of shape (n_steps,)
        Share of the samples that are kept, rising to 1, and share of right predictions among them.
    threshold : float64 ndarray of shape (n_steps,)
        Least certainty of those that are kept; the others, below it, are left to a person.
        Samples that are equally certain are kept or left together.

    Raises
    ------
    ValueError
        If a label is missing, or if the arguments do not fit each other, or hold no probabilities
        or numbers.

    Notes
    -----
    The risk-coverage curve of [1]_, with accuracy in the place of risk, which is 1 - accuracy.

    References
    ----------
    .. [1] Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks",
       NIPS 2017, https://arxiv.org/abs/1705.08500

    Examples
    --------
    >>> from stnclf.metrics import coverage_curve
    >>> proba = [[0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.8, 0.2]]
    >>> coverage, accuracy, threshold = coverage_curve(["a", "b", "a", "a"], proba)
    >>> coverage.tolist(), accuracy.tolist()
    ([0.25, 0.5, 0.75, 1.0], [1.0, 1.0, 1.0, 0.75])
    """
    true, values, classes = _checked(y_true, proba, labels)
    right = classes[values.argmax(axis=1)] == true
    if certainty is None:
        certain = values.max(axis=1)
    else:
        certain = as_floats(certainty, "certainty")
        if certain.shape != true.shape or not np.isfinite(certain).all():
            raise ValueError(
                f"certainty must hold {len(true)} finite numbers, got {certainty!r:.80}."
            )
    order = np.argsort(-certain, kind="stable")
    certain, right = certain[order], right[order]
    last = np.append(certain[1:] != certain[:-1], True)
    kept = np.flatnonzero(last) + 1
    return kept / len(true), np.cumsum(right)[last] / kept, certain[last]
