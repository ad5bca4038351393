"""How far probabilities can be trusted: confidence against the share that is right."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._utils.containers import as_floats
from .._utils.labels import as_labels, refuse_lookalikes, refuse_repetitions
from .._utils.probabilities import proba_by_name, refuse_other_numbers
from .._utils.typing import Floats

__all__ = ["expected_calibration_error", "reliability_curve"]


def reliability_curve(
    y_true: ArrayLike, proba: ArrayLike, *, labels: ArrayLike | None = None, n_bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Confidence and accuracy of predictions, in bins of equal width.

    The prediction is the class with the highest probability, and that probability is its
    confidence. Of predictions that are 80 % confident, 80 % should be right.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Annotated classes, none missing.
    proba : array-like of shape (n_samples, n_classes), or table
        Probabilities from 0 to 1; rows sum to one. Columns with names are taken by them, in any
        order: a label, or ``probability_`` and a label, as in the tables of ``stnclf predict``.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of `proba`, in order; None takes the sorted classes of `y_true`.
    n_bins : int, default=10
        Number of bins over 0 to 1. Bin m, counted from 1, holds confidences above
        ``(m - 1) / n_bins`` and up to ``m / n_bins``.

    Returns
    -------
    confidence, accuracy : float64 ndarray of shape (n_bins,)
        Mean confidence and share of right predictions in each bin; NaN in empty ones.
    count : int64 ndarray of shape (n_bins,)
        Predictions in each bin.

    Raises
    ------
    ValueError
        If a label is missing, if the arguments do not fit each other, if `proba` does not hold
        probabilities or has columns of other names than the classes, or if `n_bins` is not a whole
        number of at least 1.

    Notes
    -----
    The reliability diagram of [1]_.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
       ICML 2017, https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> from stnclf.metrics import reliability_curve
    >>> proba = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]]
    >>> confidence, accuracy, count = reliability_curve(["a", "b", "b"], proba, n_bins=2)
    >>> count.tolist(), accuracy.round(3).tolist(), confidence.round(3).tolist()
    ([0, 3], [nan, 0.667], [nan, 0.733])
    """
    true, proba, labels = _checked(y_true, proba, labels)
    if not isinstance(n_bins, Integral) or isinstance(n_bins, bool) or n_bins < 1:
        raise ValueError(f"n_bins must be a whole number of at least 1, got {n_bins!r}.")
    top = proba.max(axis=1)
    right = labels[proba.argmax(axis=1)] == true
    # The edges as they are written, so that 0.3 lies in the bin that ends at 0.3.
    edges = np.arange(1, n_bins) / n_bins
    bins = np.searchsorted(edges, top, side="left")
    count = np.bincount(bins, minlength=n_bins)
    some = np.where(count, count, np.nan)
    confidence = np.bincount(bins, weights=top, minlength=n_bins) / some
    accuracy = np.bincount(bins, weights=right, minlength=n_bins) / some
    return confidence, accuracy, count


def expected_calibration_error(
    y_true: ArrayLike, proba: ArrayLike, *, labels: ArrayLike | None = None, n_bins: int = 10
) -> float:
    """Mean distance between confidence and accuracy, weighted by the predictions in each bin.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Annotated classes, none missing.
    proba : array-like of shape (n_samples, n_classes), or table
        Probabilities from 0 to 1; rows sum to one. Columns with names are taken by them, in any
        order: a label, or ``probability_`` and a label, as in the tables of ``stnclf predict``.
    labels : array-like of shape (n_classes,), default=None
        Class of each column of `proba`, in order; None takes the sorted classes of `y_true`.
    n_bins : int, default=10
        Number of bins of equal width, as in `reliability_curve`.

    Returns
    -------
    error : float
        From 0, where confidence is as high as accuracy in every bin, to 1.

    Raises
    ------
    ValueError
        As `reliability_curve`.

    Notes
    -----
    The expected calibration error of [1]_, for the most probable class of several as in [2]_:
    the sum over bins of ``count / n_samples * |accuracy - confidence|``.

    References
    ----------
    .. [1] Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using
       Bayesian Binning", AAAI 2015, https://doi.org/10.1609/aaai.v29i1.9602
    .. [2] Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
       ICML 2017, https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> from stnclf.metrics import expected_calibration_error
    >>> proba = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]]
    >>> round(expected_calibration_error(["a", "a", "b"], proba), 3)
    0.267
    """
    curve = reliability_curve(y_true, proba, labels=labels, n_bins=n_bins)
    confidence, accuracy, count = curve
    gap = np.abs(accuracy - confidence)[count > 0]
    return float(np.average(gap, weights=count[count > 0]))


def _checked(
    y_true: ArrayLike, proba: ArrayLike, labels: ArrayLike | None
) -> tuple[NDArray[Any], Floats, NDArray[Any]]:
    true = as_labels(y_true, "y_true")
    labels = np.unique(true) if labels is None else as_labels(labels, "labels")
    refuse_repetitions(labels)
    refuse_lookalikes({"y_true": set(true.tolist()), "labels": labels.tolist()})
    unknown = sorted(set(true.tolist()) - set(labels.tolist()))
    if unknown:
        raise ValueError(f"labels must hold every class of y_true, but lacks {unknown}.")
    values = as_floats(proba_by_name("proba", proba, labels), "proba")
    if values.shape != (len(true), len(labels)):
        raise ValueError(
            f"proba must have shape {(len(true), len(labels))}, a column for each of "
            f"{labels.tolist()!r:.80}, got {values.shape}."
        )
    refuse_other_numbers("proba", values)
    return true, np.clip(values, 0, 1), labels
