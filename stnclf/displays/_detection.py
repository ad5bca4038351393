"""`DetectionCurveDisplay`: precision over recall, and F1 over the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._utils.plot_style import COLOURS, DASHES, MARKERS, import_pyplot
from .._utils.typing import Table
from ..metrics import detection_curve
from ..metrics._detection_curve import best_thresholds

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DetectionCurveDisplay"]


class DetectionCurveDisplay:
    """Precision over recall, and F1 over the threshold on the probability, for each class.

    Make one with `from_detections`.

    Parameters
    ----------
    curves : dict of label to dict
        What `stnclf.metrics.detection_curve` returned.
    thresholds : dict of label to float, default=None
        Thresholds to mark.

    Attributes
    ----------
    axes_ : ndarray of shape (2,)
        The axes, after `plot`.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : dict of label to list of Line2D
        The two curves of each class.

    Examples
    --------
    >>> from stnclf.displays import DetectionCurveDisplay
    >>> truth = {"x": [10, 90], "y": [20, 20], "label": ["mitosis", "mitosis"]}
    >>> found = {"x": [12, 50, 91], "y": [20, 20, 20], "label": ["mitosis"] * 3}
    >>> found["probability"] = [0.9, 0.8, 0.6]
    >>> display = DetectionCurveDisplay.from_detections(
    ...     truth, found, radius_px=30
    ... )                                                               # doctest: +SKIP
    """

    def __init__(
        self,
        curves: Mapping[Any, Mapping[str, Any]],
        *,
        thresholds: Mapping[Any, float] | None = None,
    ) -> None:
        self.curves, self.thresholds = curves, thresholds

    @classmethod
    def from_detections(
        cls,
        truth: Table,
        detections: Table,
        *,
        mpp: float | None = None,
        radius_um: float | None = None,
        radius_px: float | None = None,
        labels: Sequence[Any] | None = None,
        axes: Any = None,
    ) -> Self:
        """Draw the curves of detections, and mark the thresholds with the best F1.

        Parameters
        ----------
        truth, detections : DataFrame or mapping of columns
            As `stnclf.metrics.detection_score` takes them.
        mpp, radius_um, radius_px : float, default=None
            Likewise.
        labels : sequence of labels, default=None
            Classes to draw; None draws all that occur in either table.
        axes : sequence of two Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        DetectionCurveDisplay

        Raises
        ------
        ValueError
            As `stnclf.metrics.detection_score`.
        """
        how: dict[str, Any] = {"mpp": mpp, "radius_um": radius_um, "radius_px": radius_px}
        how["labels"] = labels
        curves = detection_curve(truth, detections, **how)
        return cls(curves, thresholds=best_thresholds(curves)).plot(axes=axes)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        axes : sequence of two Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        DetectionCurveDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        if axes is None:
            plt = import_pyplot("DetectionCurveDisplay")
            axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")[1]
        self.axes_ = np.asarray(axes)
        left, right = self.axes_
        self.lines_: dict[Any, list[Any]] = {}
        entries: list[tuple[Any, str]] = []
        # Nobody knows what there is below the lowest probability of the table.
        found = [curve["threshold"] for curve in self.curves.values()]
        lowest = min((float(levels[-1]) for levels in found if len(levels)), default=0.0)
        for k, (label, curve) in enumerate(self.curves.items()):
            style = {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[k % len(DASHES)]}
            lines = left.plot(curve["recall"], curve["precision"], **style)
            # A threshold between two probabilities keeps what is above it; one above all, nothing.
            levels = np.concatenate([[lowest], curve["threshold"][::-1], [1.0]])
            f1 = np.concatenate([curve["f1"][-1:], curve["f1"][::-1], [0.0]])
            if len(f1) == len(levels):  # there are detections
                lines += right.plot(levels, f1, drawstyle="steps-pre", label=str(label), **style)
                mark = self._mark(left, right, label, curve, k)
                words = str(label) if mark is None else mark.get_label()
                entries.append((lines[-1] if mark is None else (lines[-1], mark), words))
            self.lines_[label] = lines
        left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        right.set(xlabel="threshold on the probability", ylabel="F1")
        right.set(xlim=(0, 1), ylim=(0, 1.02))
        for ax in self.axes_:
            ax.grid(color="0.9")
        if entries:
            # Below: within, it would lie on curves.
            right.legend(
                *zip(*entries),
                loc="upper center",
                bbox_to_anchor=(0.5, -0.16),
                ncols=1 if len(entries) <= 3 else 2,
                frameon=False,
                fontsize="small",
                handlelength=3,
            )
        self.figure_ = left.figure
        return self

    def _mark(self, left: Any, right: Any, label: Any, curve: Any, k: int) -> Any:
        """Mark a chosen threshold on both curves; return the mark of the second."""
        threshold = (self.thresholds or {}).get(label)
        n_kept = 0 if threshold is None else int((curve["threshold"] >= threshold).sum())
        if not n_kept:
            return None
        point = {
            "color": COLOURS[k % len(COLOURS)],
            "marker": MARKERS[k % len(MARKERS)],
            "markersize": 8,
            "markeredgecolor": "white",
            "linestyle": "none",
        }
        at = n_kept - 1
        left.plot(curve["recall"][at], curve["precision"][at], **point)
        words = f"{label}: F1 {curve['f1'][at]:.3f} at {threshold:.3f}"
        return right.plot(threshold, curve["f1"][at], label=words, **point)[0]
