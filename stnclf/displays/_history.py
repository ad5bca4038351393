"""`StageHistoryDisplay`: losses by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from .._utils.plot_style import COLOURS, DASHES, LOSS_TITLES, MARKERS, new_axes

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["StageHistoryDisplay"]


class StageHistoryDisplay:
    """Losses by stage and epoch.

    Make one with `from_estimator` or `from_history`.

    Parameters
    ----------
    history : list of dict
        Rows of ``history_``: ``stage``, ``epoch`` and losses.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, after `plot`.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : dict of str to list of Line2D
        Name of the loss -> one line for each stage that has it.

    Raises
    ------
    ValueError
        If `history` is empty, or has rows without stage or epoch.

    Examples
    --------
    >>> from stnclf.displays import StageHistoryDisplay
    >>> rows = [{"stage": "joint", "epoch": i, "train_loss": 1 / i} for i in (1, 2, 3)]
    >>> display = StageHistoryDisplay.from_history(rows)                # doctest: +SKIP
    """

    def __init__(self, history: Iterable[Mapping[str, Any]]) -> None:
        history = list(history)
        if not history or not all("stage" in row and "epoch" in row for row in history):
            raise ValueError(
                "history must be a list of one dict or more with stage and epoch, as history_ is."
            )
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : STNCellClassifier or CiresanBaseline
            Fitted.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        StageHistoryDisplay
        """
        check_is_fitted(estimator)
        return cls.from_history(estimator.history_, ax=ax)

    @classmethod
    def from_history(cls, history: Iterable[Mapping[str, Any]], *, ax: Any = None) -> Self:
        """Draw a stored history.

        Parameters
        ----------
        history : list of dict
            Rows of ``history_``.
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        StageHistoryDisplay
        """
        return cls(history).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw one line for each loss, the stages side by side.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        StageHistoryDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = new_axes("StageHistoryDisplay", ax, (8, 4))
        stages = list(dict.fromkeys(row["stage"] for row in self.history))
        self.lines_: dict[Any, Any] = {}
        start = 0
        for number, stage in enumerate(stages):
            rows = [row for row in self.history if row["stage"] == stage]
            if number:
                ax.axvline(start + 0.5, color="0.55", linewidth=0.9)
            # Above the axes, where no line can run through it.
            ax.text(
                start + (len(rows) + 1) / 2,
                1.02,
                stage,
                ha="center",
                va="bottom",
                transform=ax.get_xaxis_transform(),
            )
            for style, (key, name) in enumerate(LOSS_TITLES.items()):
                points = [
                    (start + k, row[key])
                    for k, row in enumerate(rows, start=1)
                    if row.get(key) is not None and math.isfinite(row[key])
                ]
                if points:
                    lines = self.lines_.setdefault(key, [])
                    lines += ax.plot(
                        *zip(*points),
                        color=COLOURS[style],
                        linestyle=DASHES[style],
                        marker=MARKERS[style],
                        markersize=4.5,
                        # Dozens of markers on a line would hide it.
                        markevery=max(1, len(points) // 6),
                        label=None if lines else name,
                    )
            start += len(rows)
        values = [y for lines in self.lines_.values() for line in lines for y in line.get_ydata()]
        if values and min(values) > 0:
            ax.set_yscale("log")  # stages minimise different losses
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:e}"[0] in "25" else "")
        ax.set(xlabel="epoch, counted over all stages", ylabel="loss", xlim=(0.5, start + 0.5))
        ax.grid(axis="y", color="0.9")
        if values:
            ax.legend(frameon=True, framealpha=0.9)
        self.ax_, self.figure_ = ax, ax.figure
        return self
