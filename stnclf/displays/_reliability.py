"""`ReliabilityDisplay`: accuracy by confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._utils.plot_style import COLOURS, DASHES, MARKERS, new_axes
from .._utils.typing import Images
from ..metrics import expected_calibration_error, reliability_curve

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ReliabilityDisplay"]


class ReliabilityDisplay:
    """Accuracy over confidence, and how the predictions spread over the confidences.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    confidence, accuracy : ndarray of shape (n_bins,)
        Mean confidence and share of right predictions in each bin
        (`stnclf.metrics.reliability_curve`); NaN in empty ones.
    count : ndarray of shape (n_bins,)
        Predictions in each bin.
    error : float
        Expected calibration error.
    name : str, default=None
        Name of the method, for the legend.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, after `plot`.
    figure_ : matplotlib.figure.Figure
        Its figure.
    line_ : Line2D
        The curve.
    bars_ : BarContainer or None
        The numbers of predictions.

    Examples
    --------
    >>> from stnclf.displays import ReliabilityDisplay
    >>> proba = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]]
    >>> display = ReliabilityDisplay.from_predictions(list("abb"), proba)  # doctest: +SKIP
    """

    def __init__(
        self,
        confidence: ArrayLike,
        accuracy: ArrayLike,
        count: ArrayLike,
        error: float,
        *,
        name: str | None = None,
    ) -> None:
        self.confidence, self.accuracy = np.asarray(confidence), np.asarray(accuracy)
        self.count, self.error, self.name = np.asarray(count), error, name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Images,
        y: ArrayLike,
        *,
        n_bins: int = 10,
        name: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Predict with a fitted classifier, and draw.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like or sequence of n_samples images
            What the classifier takes.
        y : array-like of shape (n_samples,)
            Annotated classes.
        n_bins : int, default=10
            Number of bins of equal width.
        name : str, default=None
            For the legend; None takes the name of the estimator's class.
        ax : Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Other arguments of `plot`.

        Returns
        -------
        ReliabilityDisplay
        """
        check_is_fitted(estimator)
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=estimator.classes_,
            n_bins=n_bins,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **options,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        proba: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        n_bins: int = 10,
        name: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw predictions that were made before.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Annotated classes.
        proba : array-like of shape (n_samples, n_classes)
            Probabilities from 0 to 1.
        labels : array-like of shape (n_classes,), default=None
            Class of each column of `proba`; None takes the sorted classes of `y_true`.
        n_bins : int, default=10
            Number of bins of equal width.
        name : str, default=None
            For the legend.
        ax : Axes, default=None
            Where to draw; None makes a figure. Several methods may share one.
        **options : dict
            Other arguments of `plot`.

        Returns
        -------
        ReliabilityDisplay
        """
        curve = reliability_curve(y_true, proba, labels=labels, n_bins=n_bins)
        error = expected_calibration_error(y_true, proba, labels=labels, n_bins=n_bins)
        return cls(*curve, error, name=name).plot(ax=ax, **options)

    def plot(self, *, ax: Any = None, histogram: bool = True, **line_options: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure. Another display of this kind in it gets another
            colour, dashes and marker.
        histogram : bool, default=True
            Draw the number of predictions in each bin along the bottom, the largest a quarter
            high. With several methods in one figure, do so for one at most.
        **line_options : dict
            For matplotlib's ``plot`` of the curve.

        Returns
        -------
        ReliabilityDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = new_axes("ReliabilityDisplay", ax, (5, 5))
        number = sum(line.get_gid() == "reliability" for line in ax.lines)
        if not number:
            ax.plot([0, 1], [0, 1], color="0.45", linestyle=":", label="confidence = accuracy")
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": DASHES[number % len(DASHES)],
            "marker": MARKERS[number % len(MARKERS)],
            "label": ", ".join(filter(None, [self.name, f"ECE {self.error:.3f}"])),
        }
        some = self.count > 0
        (self.line_,) = ax.plot(
            self.confidence[some],
            self.accuracy[some],
            gid="reliability",
            **{**style, **line_options},
        )
        self.bars_ = None
        if histogram:
            n_bins = len(self.count)
            self.bars_ = ax.bar(
                (np.arange(n_bins) + 0.5) / n_bins,
                self.count / max(1, self.count.max()) / 4,
                width=0.92 / n_bins,
                color="0.8",
                edgecolor="0.55",
                hatch="//",
                linewidth=0.5,
                zorder=0,
                label=f"predictions (highest bar: {self.count.max()})",
            )
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy", aspect="equal")
        ax.legend(loc="upper left", frameon=True, framealpha=0.9, fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self
