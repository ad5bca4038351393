"""The numbers of `stnclf.report`: scores of a method from its test vectors."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from .._utils.containers import as_floats
from .._utils.errors import argument_error
from .._utils.labels import as_labels, refuse_lookalikes, refuse_repetitions
from .._utils.pixel_unit import OVERSHOOT, PixelUnit
from .._utils.points import as_points
from .._utils.probabilities import proba_by_name, refuse_other_numbers
from .._utils.typing import Floats, RandomState, Scores, Size
from ..metrics import (
    coverage_curve,
    error_summary,
    expected_calibration_error,
    localization_error,
    localization_summary,
    reliability_curve,
)
from ._domains import scores_by_part

__all__ = [
    "as_classes",
    "central_size",
    "check_count",
    "check_image_array",
    "check_length",
    "check_proba",
    "check_shape",
    "evaluate",
]


def evaluate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    proba: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    centers_true: ArrayLike | None = None,
    centers_pred: ArrayLike | None = None,
    image_size: Size | int | None = None,
    radius: float = 8.0,
    fit_seconds: float | None = None,
    predict_seconds: float | None = None,
    domains: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_bootstrap: int = 1000,
    random_state: RandomState = 0,
) -> Scores:
    """Scores of one method from its test vectors.

    For a cross-validation, concatenate the vectors of all folds first.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Annotated and predicted classes, none missing.
    proba : array-like of shape (n_samples, n_classes), or table, default=None
        Class probabilities, columns in the order of `labels`. Columns with names are taken by
        them, in any order: a label, or ``probability_`` and a label.
    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the table; None sorts those that occur.
    centers_true, centers_pred : array-like of shape (n_samples, 2), default=None
        Annotated and predicted cell centres, ``(x, y)`` in pixels. Leave `centers_pred` out for
        a method that does not localise. A row of NaN among the annotated ones is a patch without
        a cell, which does not count where distances do.
    image_size : (int, int) or int, default=None
        ``(height, width)`` of the images in pixels, for the centre guess.
    radius : float, default=8.0
        Radius in pixels within which a cell counts as found.
    fit_seconds, predict_seconds : float, default=None
        Time that the method took, over all folds.
    domains : array-like of shape (n_samples,), default=None
        Where each sample comes from: scanner, laboratory, kind of tumour.
    groups : array-like of shape (n_samples,), default=None
        The slide, or the patient, of each sample: scores for each, and confidence intervals.
    n_bootstrap : int, default=1000
        Resamples for each confidence interval.
    random_state : int, RandomState instance or None, default=0
        Decides what is resampled. The same number gives the same intervals.

    Returns
    -------
    scores : dict
        Plain numbers, ready for JSON: ``n``, ``accuracy``, ``balanced_accuracy``, over the
        classes that are annotated, ``macro_f1``, over those that are annotated or predicted;
        ``classes`` (by class ``precision``, ``recall``, ``f1``, ``support``); ``average``, the
        same weighted by support; ``labels`` and ``confusion`` (rows annotated, columns
        predicted); ``localization`` and ``center_guess`` (`stnclf.metrics.error_summary`, and
        one more by class under ``classes``); ``calibration``: ``ece``
        (`stnclf.metrics.expected_calibration_error`) and, for each of ten bins,
        ``confidence`` and ``accuracy``, None in empty ones, and ``count``
        (`stnclf.metrics.reliability_curve`); ``coverage``: in twenty steps ``coverage`` and
        ``accuracy`` of the most certain predictions (`stnclf.metrics.coverage_curve`);
        ``groups`` and ``domains`` (by name ``n``, ``accuracy``, ``balanced_accuracy``,
        ``macro_f1`` and ``intervals``, and of a domain ``n_groups``); ``intervals``, the 95 %
        confidence interval ``[low, high]`` of these three measures; ``fit_seconds`` and
        ``predict_seconds``. What is not known is None.

    Raises
    ------
    ValueError
        If the arguments are empty, differ in length or hold a class that `labels` lacks, if a
        label, a domain or a group is missing or masked, if `proba` does not hold probabilities for
        each of the classes, or names others, if there is not one domain and one group for each
        sample, or if `centers_pred` comes without `centers_true`.

    Notes
    -----
    Cells of one slide are alike, so that intervals are found by drawing slides, not cells: as
    many `groups` as there are, with replacement, `n_bootstrap` times; the interval lies between
    the percentiles 2.5 and 97.5. A domain's groups are drawn by themselves; of one group there
    is no interval. That of a single group draws its cells, and says how its score would differ
    with other cells of the same slide. A resample that lacks a class is scored over the others.

    Examples
    --------
    >>> from stnclf.report import evaluate
    >>> scores = evaluate(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    >>> round(scores["macro_f1"], 3), scores["confusion"]
    (0.733, [[2, 1], [0, 1]])
    """
    true = as_classes(y_true, "y_true")
    pred = as_classes(y_pred, "y_pred", y_true=true)
    check_length(pred, "y_pred", len(true))
    seen = np.unique(np.concatenate([true, pred]))
    labels = seen if labels is None else as_classes(labels, "labels", y_true=true)
    unknown = sorted(set(seen.tolist()) - set(labels.tolist()))
    if unknown:
        raise ValueError(f"labels must hold every class that occurs, but lacks {unknown}.")
    if len(set(labels.tolist())) < len(labels):
        raise ValueError(f"labels must hold each class once, got {labels.tolist()}.")
    for name, seconds in (("fit_seconds", fit_seconds), ("predict_seconds", predict_seconds)):
        if seconds is not None and not isinstance(seconds, Real):
            raise ValueError(f"{name} must be a number of seconds, got {seconds!r}.")

    check_count("n_bootstrap", n_bootstrap, 1)
    if proba is not None:
        proba = check_proba(proba, "proba", len(true), labels)
    columns = {"labels": labels, "zero_division": 0}
    by_class = precision_recall_fscore_support(true, pred, **columns)
    average = precision_recall_fscore_support(true, pred, average="weighted", **columns)
    _, recall, f1, support = by_class
    localization, guess = _localization(
        true, labels, centers_true, centers_pred, image_size, radius
    )
    rows = zip(labels.tolist(), *by_class)
    return {
        "n": len(true),
        "accuracy": float((true == pred).mean()),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "macro_f1": float(f1[(support > 0) | np.isin(labels, pred)].mean()),
        "average": _class_scores(average[:3], len(true)),
        "classes": {str(c): _class_scores(row, row[3]) for c, *row in rows},
        "labels": [str(c) for c in labels.tolist()],
        "confusion": confusion_matrix(true, pred, labels=labels).tolist(),
        "localization": localization,
        "center_guess": guess,
        "calibration": None if proba is None else _calibration(true, proba, labels),
        "coverage": None if proba is None else _coverage(true, proba, labels),
        **scores_by_part(
            true, pred, labels, groups, domains, n_bootstrap=n_bootstrap, random_state=random_state
        ),
        "fit_seconds": None if fit_seconds is None else float(fit_seconds),
        "predict_seconds": None if predict_seconds is None else float(predict_seconds),
    }


def _localization(
    true: NDArray[Any],
    labels: NDArray[Any],
    centers_true: ArrayLike | None,
    centers_pred: ArrayLike | None,
    image_size: Size | int | None,
    radius: float,
) -> tuple[Scores | None, Scores | None]:
    """Errors of the method and of the centre guess, overall and by class, or None."""
    if centers_true is None:
        if centers_pred is not None:
            raise ValueError("centers_true must be given with centers_pred.")
        return None, None
    centers_true = as_points(centers_true, "centers_true", missing=True, n=len(true))
    if centers_pred is not None:
        centers_pred = as_points(centers_pred, "centers_pred", n=len(true))
    if np.isnan(centers_true).all():
        return None, None
    localization = guess = None
    if image_size is not None:
        # Any prediction will do: only the guess is taken.
        anything = np.zeros_like(centers_true)
        whole = localization_summary(centers_true, anything, image_size=image_size, radius=radius)
        guess = whole["center_guess"]
    if centers_pred is not None:
        errors = localization_error(centers_true, centers_pred)
        localization = error_summary(errors, radius=radius)
        localization["classes"] = {
            str(c): error_summary(errors[true == c], radius=radius) for c in labels.tolist()
        }
    return localization, guess


def _calibration(true: NDArray[Any], proba: ArrayLike, labels: NDArray[Any]) -> Scores:
    confidence, accuracy, count = reliability_curve(true, proba, labels=labels)
    return {
        "ece": expected_calibration_error(true, proba, labels=labels),
        "confidence": [float(c) if n else None for c, n in zip(confidence, count)],
        "accuracy": [float(a) if n else None for a, n in zip(accuracy, count)],
        "count": count.tolist(),
    }


def _coverage(true: NDArray[Any], proba: ArrayLike, labels: NDArray[Any]) -> Scores:
    """Take twenty steps of the curve, each the first that keeps at least its share."""
    coverage, accuracy, _ = coverage_curve(true, proba, labels=labels)
    steps = np.unique(np.searchsorted(coverage, np.arange(1, 21) / 20 - 1e-9))
    return {"coverage": coverage[steps].tolist(), "accuracy": accuracy[steps].tolist()}


def _class_scores(values: Sequence[Any], support: int) -> Scores:
    scores = {name: float(value) for name, value in zip(("precision", "recall", "f1"), values)}
    return {**scores, "support": int(support)}


def as_classes(values: ArrayLike, name: str, **others: NDArray[Any]) -> NDArray[Any]:
    """Check classes of samples, words or whole numbers, and that they are of the kind of others."""
    labels = as_labels(values, name)
    if labels.dtype.kind == "O":
        labels = np.array(labels.tolist())
    broken = np.zeros(len(labels), dtype=bool)
    if labels.dtype.kind == "f":
        broken = labels != np.rint(labels)
    elif labels.dtype.kind not in "biuU":
        broken[:] = True
    if broken.any():
        first = labels[broken][:1].tolist()[0]
        raise argument_error(name, f"got {first!r}, wants classes: words or whole numbers.")
    for other, known in others.items():
        refuse_lookalikes({other: set(known.tolist()), name: set(labels.tolist())})
        if (known.dtype.kind == "U") != (labels.dtype.kind == "U"):
            raise argument_error(
                name,
                f"got the label {labels[:1].tolist()[0]!r}, but {other} has "
                f"{known[:1].tolist()[0]!r}; wants labels of one type.",
            )
    return labels


def check_length(values: Sized, name: str, n: int) -> None:
    if len(values) != n:
        raise ValueError(f"{name} must have {n} rows, got {len(values)}.")


def check_shape(values: ArrayLike, name: str, shape: tuple[int, ...]) -> Floats:
    array = as_floats(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity.")
    return array


def check_proba(proba: ArrayLike, name: str, n: int, labels: NDArray[Any]) -> Floats:
    """Check probabilities of each class."""
    array = check_shape(proba_by_name(name, proba, labels), name, (n, len(labels)))
    refuse_repetitions(labels)
    refuse_other_numbers(name, array)
    return array


def check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def check_image_array(X: ArrayLike) -> NDArray[Any]:
    """Check images that are drawn: one or three channels, uint8 or float."""
    X = np.asanyarray(X)
    if X.ndim not in (3, 4) or (X.ndim == 4 and X.shape[3] not in (1, 3)):
        raise ValueError(
            "X must have shape (n_samples, height, width), with 1 or 3 channels behind it, "
            f"got {X.shape}."
        )
    if X.dtype != np.uint8 and not np.issubdtype(X.dtype, np.floating):
        raise ValueError(f"X must be uint8 or float, got {X.dtype}.")
    if X.dtype != np.uint8 and X.size:
        unit = PixelUnit.of(X)
        if not (unit.low >= -OVERSHOOT and unit.high <= 1 + OVERSHOOT):
            raise argument_error(
                "X",
                f"got floats from {unit.low:g} to {unit.high:g}, wants uint8, or floats from 0 to "
                "1.",
            )
    return X


def central_size(patch_size: Size | int | None, image_size: Size) -> Size:
    """Check ``patch_size`` against the ``(height, width)`` of the images; None is all of them."""
    if patch_size is None:
        return image_size
    sides: Any = patch_size
    pair = (sides, sides) if np.ndim(sides) == 0 else tuple(sides)
    whole = len(pair) == 2 and all(isinstance(side, Integral) for side in pair)
    if not whole or not all(0 < a <= b for a, b in zip(pair, image_size)):
        raise ValueError(f"patch_size must lie within the image, {image_size}, got {patch_size!r}.")
    return pair[0], pair[1]
