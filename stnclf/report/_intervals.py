"""Confidence intervals of scores by bootstrap, from counts of pairs of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._utils.typing import Floats

__all__ = ["ENDS", "MEASURES", "Pairs", "measures"]

#: What has an interval, and the shares of resamples that lie below its ends.
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
ENDS = (2.5, 97.5)


class Pairs:
    """How often each class was predicted for each other, group by group.

    Parameters
    ----------
    true, pred : ndarray of shape (n_samples,)
        Annotated and predicted classes.
    labels : ndarray of shape (n_classes,)
        All classes.
    n_bootstrap : int
        Resamples.
    seed : int
        Of every interval, so that none depends on the others.
    """

    def __init__(
        self,
        true: NDArray[Any],
        pred: NDArray[Any],
        labels: NDArray[Any],
        n_bootstrap: int,
        seed: int,
    ) -> None:
        index = {label: k for k, label in enumerate(labels.tolist())}
        codes = [[index[label] for label in values.tolist()] for values in (true, pred)]
        self.true, self.pred = (np.array(code, dtype=np.intp) for code in codes)
        self.n_classes, self.n_bootstrap, self.seed = len(labels), n_bootstrap, seed

    def count(self, here: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Confusion matrix of some samples, rows are annotated."""
        k = self.n_classes
        pairs = self.true[here] * k + self.pred[here]
        return np.bincount(pairs, minlength=k * k).reshape(k, k)

    def over_groups(self, here: NDArray[np.bool_], groups: NDArray[Any]) -> dict[str, Any] | None:
        """Intervals for some samples, whose groups are drawn as a whole; None for one group."""
        names = np.unique(groups[here])
        if len(names) < 2:
            return None
        each = np.stack([self.count(here & (groups == name)) for name in names])
        rng = np.random.RandomState(self.seed)
        drawn = rng.randint(len(each), size=(self.n_bootstrap, len(each)))
        return _intervals(np.stack([each[rows].sum(axis=0) for rows in drawn]))

    def over_cells(self, here: NDArray[np.bool_]) -> dict[str, Any]:
        """Intervals for some samples, which are drawn one by one."""
        pairs = self.count(here)
        rng = np.random.RandomState(self.seed)
        # So often is each pair drawn where as many samples are drawn as there are.
        drawn = rng.multinomial(pairs.sum(), pairs.ravel() / pairs.sum(), size=self.n_bootstrap)
        return _intervals(drawn.reshape(-1, *pairs.shape))


def _intervals(drawn: NDArray[np.intp]) -> dict[str, list[float]]:
    found = measures(drawn)
    ends = np.percentile(found, ENDS, axis=1)
    return {name: [float(low), float(high)] for name, low, high in zip(MEASURES, *ends)}


def measures(pairs: NDArray[np.intp]) -> Floats:
    """Accuracy, balanced accuracy and macro F1 of confusion matrices.

    Parameters
    ----------
    pairs : ndarray of shape (n, n_classes, n_classes)
        Rows are annotated.

    Returns
    -------
    float64 ndarray of shape (3, n)
        The balanced accuracy is over the classes that are annotated, the macro F1 over those that
        are annotated or predicted.
    """
    right = np.diagonal(pairs, axis1=1, axis2=2)
    annotated, predicted = pairs.sum(axis=2), pairs.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recall = right / annotated
        f1 = 2 * right / (annotated + predicted)
    accuracy = right.sum(axis=1) / annotated.sum(axis=1)
    return np.stack([accuracy, np.nanmean(recall, axis=1), np.nanmean(f1, axis=1)])
