"""`LocalizationDisplay`: patches with the window that was looked at, and the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._utils.plot_style import import_pyplot
from .._utils.typing import RandomState, Size
from ..geometry import window_corners
from ..report._evaluation import check_count
from ..report._examples_figure import check_examples, draw_examples, draw_patch

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LocalizationDisplay"]


class LocalizationDisplay:
    """Patches with the chosen windows, annotated and predicted classes, and probabilities.

    Figure 4 of the paper. Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width)
        Images, uint8 or float from 0 to 1.
    y_true, y_pred : array-like of shape (n_samples,)
        Annotated and predicted classes.
    proba : array-like of shape (n_samples, n_classes), default=None
        Class probabilities.
    classes : array-like of shape (n_classes,), default=None
        Class of each column of `proba`; needed with it.
    corners : array-like of shape (n_samples, 4, 2), default=None
        Corners of the chosen windows, ``(x, y)`` in pixels of the image
        (`stnclf.geometry.window_corners`).
    centers : array-like of shape (n_samples, 2), default=None
        Annotated centres, ``(x, y)`` in pixels of the image.
    patch_size : (int, int) or int, default=None
        ``(height, width)`` of the central part to show; None shows the whole image.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, after `plot`.
    axes_ : ndarray of Axes, shape (n_patches,)
        The axes of the patches, in the order drawn.
    indices_ : ndarray of int, shape (n_patches,)
        Which sample each of them shows.

    Raises
    ------
    ValueError
        If an argument does not fit `X`.

    See Also
    --------
    stnclf.report.plot_examples : The same picture without pyplot.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.displays import LocalizationDisplay
    >>> X = np.zeros((3, 20, 30, 3), dtype=np.uint8)
    >>> display = LocalizationDisplay.from_predictions(
    ...     X, list("aab"), list("abb"), centers=[[4, 8]] * 3
    ... )                                                               # doctest: +SKIP
    """

    def __init__(
        self,
        X: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        proba: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        *,
        corners: ArrayLike | None = None,
        centers: ArrayLike | None = None,
        patch_size: Size | int | None = None,
    ) -> None:
        checked = check_examples(X, y_true, y_pred, proba, classes, corners, centers, patch_size)
        self.X, self.y_true, self.y_pred, self.proba, self.classes = checked[:5]
        self.corners, self.centers, self.patch_size = checked[5:]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        centers: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Predict with a fitted estimator, and draw.

        Parameters
        ----------
        estimator : STNCellClassifier or other fitted classifier
            With ``localize`` its windows are drawn.
        X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width)
            Images, uint8 or float from 0 to 1.
        y : array-like of shape (n_samples,)
            Annotated classes.
        centers : array-like of shape (n_samples, 2), default=None
            Annotated centres, ``(x, y)`` in pixels of the image.
        ax : array-like of Axes, shape (n_patches,), default=None
            See `plot`.
        **options : dict
            Other arguments of `plot`.

        Returns
        -------
        LocalizationDisplay
        """
        check_is_fitted(estimator)
        X = np.asarray(X)
        proba, y_pred = None, estimator.predict(X)
        if hasattr(estimator, "predict_proba"):
            proba = estimator.predict_proba(X)
        patch_size: Any = getattr(estimator, "patch_size_", None)
        corners = None
        if hasattr(estimator, "localize"):
            corners = window_corners(estimator.localize(X), patch_size, X.shape[1:3])
        display = cls(
            X,
            y,
            y_pred,
            proba,
            None if proba is None else estimator.classes_,
            corners=corners,
            centers=centers,
            patch_size=patch_size,
        )
        return display.plot(ax=ax, **options)

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        proba: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        *,
        corners: ArrayLike | None = None,
        centers: ArrayLike | None = None,
        patch_size: Size | int | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw predictions that were made before, by cross-validation for example.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width)
            Images, uint8 or float from 0 to 1.
        y_true, y_pred : array-like of shape (n_samples,)
            Annotated and predicted classes.
        proba : array-like of shape (n_samples, n_classes), default=None
            Class probabilities.
        classes : array-like of shape (n_classes,), default=None
            Class of each column of `proba`; needed with it.
        corners : array-like of shape (n_samples, 4, 2), default=None
            Corners of the chosen windows, ``(x, y)`` in pixels of the image.
        centers : array-like of shape (n_samples, 2), default=None
            Annotated centres, ``(x, y)`` in pixels of the image.
        patch_size : (int, int) or int, default=None
            ``(height, width)`` of the central part to show; None shows the whole image.
        ax : array-like of Axes, shape (n_patches,), default=None
            See `plot`.
        **options : dict
            Other arguments of `plot`.

        Returns
        -------
        LocalizationDisplay
        """
        display = cls(
            X,
            y_true,
            y_pred,
            proba,
            classes,
            corners=corners,
            centers=centers,
            patch_size=patch_size,
        )
        return display.plot(ax=ax, **options)

    def plot(
        self,
        *,
        ax: Any = None,
        n_correct: int = 5,
        n_false: int = 5,
        n_columns: int = 5,
        title: str | None = None,
        random_state: RandomState = None,
    ) -> Self:
        """Draw correct and incorrect examples, or the first samples into axes that are given.

        Parameters
        ----------
        ax : array-like of Axes, shape (n_patches,), default=None
            One patch is drawn into each, from the first sample on, with the prediction as its
            title. None makes a figure with correct and incorrect examples.
        n_correct, n_false : int, default=5
            Number of examples of each kind in a new figure; fewer where there are fewer.
        n_columns : int, default=5
            Patches beside each other in a new figure.
        title : str, default=None
            Heading of a new figure.
        random_state : int, RandomState instance or None, default=None
            Decides which examples a new figure shows.

        Returns
        -------
        LocalizationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If a number is not one of at least 0, or `n_columns` not of at least 1.
        """
        plt = import_pyplot("LocalizationDisplay")
        for name, count in (("n_correct", n_correct), ("n_false", n_false)):
            check_count(name, count, 0)
        check_count("n_columns", n_columns, 1)
        if ax is None:
            self.figure_, drawn = draw_examples(
                self.X,
                self.y_true,
                self.y_pred,
                self.proba,
                self.classes,
                self.corners,
                self.centers,
                self.patch_size,
                counts=(n_correct, n_false),
                n_columns=n_columns,
                title=title,
                random_state=random_state,
                new_figure=plt.figure,
            )
        else:
            drawn = list(zip(np.ravel(ax), range(len(self.X))))
            for axes, i in drawn:
                self._draw_into(axes, i)
            self.figure_ = drawn[0][0].figure
        self.axes_ = np.array([axes for axes, _ in drawn], dtype=object)
        self.indices_ = np.array([i for _, i in drawn], dtype=int)
        return self

    def _draw_into(self, axes: Any, i: int) -> None:
        window = None if self.corners is None else self.corners[i]
        center = None if self.centers is None else self.centers[i]
        draw_patch(axes, self.X[i], self.patch_size, window, center)
        answer = f"predicted: {self.y_pred[i]}"
        if self.proba is not None:
            answer += f" {self.proba[i][list(self.classes).index(self.y_pred[i])]:.2f}"
        axes.set_title(f"annotated: {self.y_true[i]}\n{answer}", fontsize="small", loc="left")
