"""ROC and precision-recall curves: what each threshold on the probability of a class finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .._utils.typing import Floats

__all__ = ["class_curves"]

#: Thresholds are kept in steps of this; counts are those at what is kept, and exact.
STEP = 1e-5
#: Besides each hundredth, so many thresholds for the cells of a class, and for all others.
N_QUANTILES = 50


def class_curves(
    true: NDArray[Any], labels: NDArray[Any], probabilities: Mapping[str, Floats]
) -> dict[str, Any] | None:
    """Count at many thresholds how many cells of a class, and how many others, reach them.

    Parameters
    ----------
    true : ndarray of shape (n_samples,)
        Annotated classes.
    labels : ndarray of shape (n_classes,)
        Classes in the order of the columns of probabilities.
    probabilities : dict of str to ndarray of shape (n_samples, n_classes)
        By method.

    Returns
    -------
    data : dict or None
        ``methods``, their names, and ``classes``: for each that is annotated for some but not for
        all samples ``label``, ``n`` cells of the class and ``n_others``, the ``thresholds`` in
        ascending order, in parts of 100,000, and by method ``found`` cells of the class and
        ``false`` ones with a probability of at least that, ``roc_auc`` and
        ``average_precision``. None where there is no such class, or no method.
    """
    classes = []
    for k, label in enumerate(labels.tolist()):
        here = true == label
        if not probabilities or here.all() or not here.any():
            continue
        scores = [proba[:, k] for proba in probabilities.values()]
        steps = _thresholds(scores, here)
        one: dict[str, Any] = {"label": str(label), "n": int(here.sum())}
        one["n_others"] = int((~here).sum())
        one["thresholds"] = steps.tolist()
        one["methods"] = [
            {
                "found": _at_least(score[here], steps * STEP),
                "false": _at_least(score[~here], steps * STEP),
                "roc_auc": float(roc_auc_score(here, score)),
                "average_precision": float(average_precision_score(here, score)),
            }
            for score in scores
        ]
        classes.append(one)
    return {"methods": list(probabilities), "classes": classes} if classes else None


def _thresholds(scores: list[Floats], here: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Choose thresholds that are close together where many probabilities are."""
    steps = [np.arange(0, 1 + STEP, 0.01)]
    shares = np.linspace(0, 1, N_QUANTILES)
    for score in scores:
        for values in (score[here], score[~here]):
            if len(values) <= N_QUANTILES:
                steps.append(values)
            else:
                steps.append(np.quantile(values, shares, method="lower"))
    # Rounded down, so that the cell that has this probability reaches it.
    return np.unique(np.floor(np.concatenate(steps) / STEP + 1e-6).astype(int))


def _at_least(values: Floats, thresholds: NDArray[Any]) -> list[int]:
    """Count the values that are not below each threshold."""
    counts: list[int] = (len(values) - np.searchsorted(np.sort(values), thresholds - 1e-9)).tolist()
    return counts
