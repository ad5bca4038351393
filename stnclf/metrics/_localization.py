"""How far predicted cells are from annotated ones."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._utils.containers import as_floats
from .._utils.points import as_points
from .._utils.typing import Floats, Size

__all__ = ["error_summary", "localization_error", "localization_summary"]


def localization_error(centers_true: ArrayLike, centers_pred: ArrayLike) -> Floats:
    """Distance of each predicted cell centre from the annotated one.

    Parameters
    ----------
    centers_true : array-like of shape (n_samples, 2)
        Annotated centres, ``(x, y)`` in pixels; rows of NaN where there is no cell.
    centers_pred : array-like of shape (n_samples, 2)
        Predicted centres of the same samples, ``(x, y)`` in pixels.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
        Euclidean distances in pixels, float64; NaN where there is no cell.

    Raises
    ------
    ValueError
        If an argument is not of shape (n_samples, 2), holds infinity or half a centre, if
        `centers_pred` holds NaN, or if the two differ in length.

    Examples
    --------
    >>> from stnclf.metrics import localization_error
    >>> localization_error([[10, 20], [30, 30]], [[13, 24], [30, 28]]).tolist()
    [5.0, 2.0]
    """
    true = as_points(centers_true, "centers_true", missing=True)
    pred = as_points(centers_pred, "centers_pred")
    if len(true) != len(pred):
        raise ValueError(
            f"centers_pred must have one row for each row of centers_true: "
            f"expected shape {true.shape}, got {pred.shape}."
        )
    return np.hypot(*(pred - true).T)


def error_summary(errors: ArrayLike, *, radius: float = 8.0) -> dict[str, Any]:
    """Mean and median of localisation errors, and the share that lies within a radius.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Distances in pixels, none negative; NaN, where there was no cell, is left out.
    radius : float, default=8.0
        Radius in pixels; an error equal to it still counts as within.

    Returns
    -------
    summary : dict
        ``n`` (int), ``mean`` and ``median`` (px), ``within`` (share from 0 to 1) and ``radius``
        (px). Without samples the three measures are None.

    Raises
    ------
    ValueError
        If `errors` is not 1-D or holds infinity or a negative number, or if `radius` is not a
        positive number.

    Examples
    --------
    >>> from stnclf.metrics import error_summary
    >>> error_summary([1.0, 2.0, 9.0, 20.0])
    {'n': 4, 'mean': 8.0, 'median': 5.5, 'within': 0.5, 'radius': 8.0}
    """
    values = as_floats(errors, "errors")
    if values.ndim != 1:
        raise ValueError(f"errors must have shape (n_samples,), got {values.shape}.")
    values = values[~np.isnan(values)]
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("errors must be finite distances of 0 or more, got inf or less.")
    is_number = isinstance(radius, Real) and not isinstance(radius, bool)
    if not is_number or not 0 < radius < np.inf:
        raise ValueError(f"radius must be a positive number of pixels, got {radius!r}.")
    if not len(values):
        measures = {"mean": None, "median": None, "within": None}
    else:
        measures = {
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "within": float((values <= radius).mean()),
        }
    return {"n": len(values), **measures, "radius": float(radius)}


def localization_summary(
    centers_true: ArrayLike,
    centers_pred: ArrayLike,
    *,
    image_size: Size | int | None = None,
    radius: float = 8.0,
) -> dict[str, Any]:
    """Localisation errors of a method, and of answering "in the middle" every time.

    A method is worth its localisation only where it beats the guess that the cell is in the
    middle of the image, so the two belong side by side.

    Parameters
    ----------
    centers_true : array-like of shape (n_samples, 2)
        Annotated centres, ``(x, y)`` in pixels; rows of NaN where there is no cell.
    centers_pred : array-like of shape (n_samples, 2)
        Predicted centres of the same samples, ``(x, y)`` in pixels.
    image_size : (int, int) or int, default=None
        ``(height, width)`` of the images in pixels; one number means a square. None leaves the
        centre guess out.
    radius : float, default=8.0
        Radius in pixels for the share of cells that were found.

    Returns
    -------
    summary : dict
        What `error_summary` gives and, with `image_size`, the same for the centre guess under
        ``center_guess``.

    Raises
    ------
    ValueError
        If the centres do not fit each other (see `localization_error`), or if `image_size` or
        `radius` is not positive.

    Examples
    --------
    >>> from stnclf.metrics import localization_summary
    >>> summary = localization_summary([[2, 3], [6, 3]], [[2, 3], [6, 1]], image_size=(7, 5))
    >>> summary["mean"], summary["center_guess"]["mean"]
    (1.0, 2.0)
    """
    true = as_points(centers_true, "centers_true", missing=True)
    summary = error_summary(localization_error(true, centers_pred), radius=radius)
    if image_size is not None:
        height, width = _as_size(image_size)
        middle = np.tile([(width - 1) / 2, (height - 1) / 2], (len(true), 1))
        summary["center_guess"] = error_summary(localization_error(true, middle), radius=radius)
    return summary


def _as_size(value: Size | int) -> Size:
    pair = (value, value) if isinstance(value, Integral) else tuple(np.ravel(value).tolist())
    whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or min(pair) < 1:
        raise ValueError(f"image_size must be (height, width) in whole pixels, got {value!r}.")
    return pair
