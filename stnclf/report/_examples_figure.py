"""Drawings of patches for `plot_examples` and `LocalizationDisplay`; needs matplotlib."""

import numpy as np
from sklearn.utils import check_random_state

from .._utils.points import as_points
from ._evaluation import (
    as_classes,
    central_size,
    check_image_array,
    check_length,
    check_proba,
    check_shape,
)

__all__ = ["check_examples", "draw_examples", "draw_patch"]

# Inches. At the figure's 100 dots an inch, the text is as large as on a web page.
PATCH, GAP, MARGIN = 1.85, 0.25, 0.25
CAPTION, BLOCK_TITLE, TITLE, FOOT, BAR = 0.41, 0.3, 0.36, 0.25, 0.175
NAME = 0.56  # share of a patch's width that the class names under it take
MOST_BARS = 6
TEXT = 8.5
# A blue that stays dark in grey beside a grey that stays light: no hue has to be told apart.
PREDICTED, OTHER, INK, EDGE = "#0b4f8a", "#b9b9b9", "#1a1a1a", "#111111"


def check_examples(X, y_true, y_pred, proba, classes, corners, centers, patch_size):
    """Check what is drawn; give it in the order in which `draw_examples` takes it."""
    X = check_image_array(X)
    n = len(X)
    true = as_classes(y_true, "y_true")
    pred = as_classes(y_pred, "y_pred", y_true=true)
    check_length(true, "y_true", n)
    check_length(pred, "y_pred", n)
    if proba is not None:
        if classes is None:
            raise ValueError("classes must be given with proba, to name its columns.")
        classes = as_classes(classes, "classes")
        proba = check_proba(proba, "proba", n, classes)
    if corners is not None:
        corners = check_shape(corners, "corners", (n, 4, 2))
    if centers is not None:
        centers = as_points(centers, "centers", missing=True, n=n)
    patch_size = central_size(patch_size, X.shape[1:3])
    return X, true, pred, proba, classes, corners, centers, patch_size


def draw_examples(
    X,
    true,
    pred,
    proba,
    classes,
    corners,
    centers,
    patch_size,
    *,
    counts,
    n_columns,
    title,
    random_state,
    new_figure=None,
):
    """Draw what `stnclf.report.plot_examples` describes, from checked arguments.

    Parameters
    ----------
    new_figure : callable, default=None
        Makes the figure from ``figsize``, ``dpi`` and ``facecolor``; None makes one that pyplot
        does not know.

    Returns
    -------
    figure : Figure
    drawn : list of (Axes, int)
        The axes of each patch, and which sample it is.
    """
    if new_figure is None:
        new_figure = _unmanaged_figure
    rng = check_random_state(random_state)
    right = true == pred
    blocks = [
        (f"Correct: {right.sum()} of {len(true)}", _choose(right, true, counts[0], rng)),
        (f"Incorrect: {(~right).sum()} of {len(true)}", _choose(~right, true, counts[1], rng)),
    ]
    blocks = [block for block, count in zip(blocks, counts) if count]

    n_bars = 0 if proba is None else min(len(classes), MOST_BARS)
    tall = PATCH * patch_size[0] / patch_size[1]
    row = CAPTION + tall + n_bars * BAR + GAP
    n_rows = [-(-len(chosen) // n_columns) for _, chosen in blocks]
    width = 2 * MARGIN + n_columns * PATCH + (n_columns - 1) * GAP
    height = MARGIN + FOOT + (TITLE if title else 0) + len(blocks) * BLOCK_TITLE + sum(n_rows) * row
    figure = new_figure(figsize=(width, height), dpi=100, facecolor="white")
    drawn = []
    page = _Page(figure, width, height)

    top = MARGIN / 2
    if title:
        page.text(MARGIN, top, title, size=TEXT + 3, weight="bold")
        top += TITLE
    for (heading, chosen), n in zip(blocks, n_rows):
        page.text(MARGIN, top, heading, size=TEXT + 1.5, weight="bold")
        top += BLOCK_TITLE
        for place, i in enumerate(chosen):
            left = MARGIN + place % n_columns * (PATCH + GAP)
            upper = top + place // n_columns * row
            for line, words in enumerate((f"annotated: {true[i]}", f"predicted: {pred[i]}")):
                _shorten(page.text(left, upper + 0.16 * line, words, size=TEXT), PATCH + GAP / 2)
            axes = page.axes(left, upper + CAPTION, PATCH, tall)
            drawn.append((axes, int(i)))
            draw_patch(
                axes,
                X[i],
                patch_size,
                None if corners is None else corners[i],
                None if centers is None or np.isnan(centers[i, 0]) else centers[i],
            )
            if n_bars:
                axes = page.axes(left, upper + CAPTION + tall + 0.04, PATCH, n_bars * BAR)
                _draw_bars(axes, proba[i], classes, true[i], pred[i], n_bars)
        top += n * row
    page.text(MARGIN, top, _legend(corners, centers, proba), size=TEXT)
    return figure, drawn


class _Page:
    """A figure measured in inches from its top-left corner."""

    def __init__(self, figure, width, height):
        self.figure, self.width, self.height = figure, width, height

    def text(self, left, top, text, **style):
        return self.figure.text(
            left / self.width, 1 - top / self.height, text, va="top", color=INK, **style
        )

    def axes(self, left, top, width, height):
        box = (left, self.height - top - height, width, height)
        scale = (self.width, self.height, self.width, self.height)
        return self.figure.add_axes([side / whole for side, whole in zip(box, scale)])


def _shorten(text, inches):
    """Cut a text that is too long, so that it does not run into its neighbour."""
    figure, words = text.figure, text.get_text()
    renderer = figure.canvas.get_renderer()
    while text.get_window_extent(renderer).width > inches * figure.dpi and len(words) > 1:
        words = words[:-1]
        text.set_text(words.rstrip() + "…")


def _choose(wanted, true, n, rng):
    """Take n of the wanted samples at random, the annotated classes in turn."""
    order = rng.permutation(np.flatnonzero(wanted))
    turn = np.empty(len(order), dtype=int)
    for label in np.unique(true[order]):
        same = true[order] == label
        turn[same] = np.arange(same.sum())
    chosen = order[np.argsort(turn, kind="stable")][:n]
    return chosen[np.argsort(true[chosen], kind="stable")]


def draw_patch(axes, image, patch_size, window, center):
    """Show the central part of an image, its window and its annotated centre."""
    from matplotlib.patches import Polygon
    from matplotlib.path import Path
    from matplotlib.patheffects import withStroke

    shown = image if image.dtype == np.uint8 else np.clip(image, 0, 1)
    if shown.ndim == 3 and shown.shape[2] == 1:
        shown = shown[:, :, 0]
    vmax = 255 if image.dtype == np.uint8 else 1
    axes.imshow(shown, cmap="gray", vmin=0, vmax=vmax, interpolation="bicubic")
    height, width = image.shape[:2]
    # A whole number is the middle of a pixel, so the patch ends half a pixel beyond it.
    left, top = (width - patch_size[1]) // 2 - 0.5, (height - patch_size[0]) // 2 - 0.5
    axes.set(xlim=(left, left + patch_size[1]), ylim=(top + patch_size[0], top))
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=EDGE, linewidth=0.6)
    # White on a dark edge shows on tissue of any colour, and in grey.
    if window is not None:
        edge = [withStroke(linewidth=3.6, foreground=EDGE)]
        style = {"fill": False, "edgecolor": "white", "linewidth": 1.5, "joinstyle": "miter"}
        axes.add_patch(Polygon(window, closed=True, path_effects=edge, **style))
    if center is not None:
        # Open in the middle: a platelet would vanish under a full cross.
        ends = [(dx * r, dy * r) for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)) for r in (0.5, 1)]
        cross = Path(ends, [Path.MOVETO, Path.LINETO] * 4)
        edge = [withStroke(linewidth=3.2, foreground=EDGE)]
        style = {"marker": cross, "markersize": 16, "markeredgewidth": 1.4, "color": "white"}
        axes.plot(*center, linestyle="none", path_effects=edge, **style)


def _draw_bars(axes, proba, classes, true, pred, n_bars):
    """One line per class: name, bar, probability."""
    rank = np.argsort(-proba, kind="stable")
    shown = np.sort(rank[:n_bars])
    axes.set(xlim=(0, 1), ylim=(n_bars - 0.5, -0.5))
    axes.axis("off")
    room = 1 - NAME - 0.19  # what the name and the number leave of the width
    for y, j in enumerate(shown):
        style = {"va": "center", "size": TEXT - 0.5, "color": INK}
        weight = "bold" if classes[j] == true else "normal"
        name = axes.text(0, y, str(classes[j]), weight=weight, **style)
        _shorten(name, 0.98 * NAME * PATCH)
        color = PREDICTED if classes[j] == pred else OTHER
        axes.barh(y, room * proba[j], left=NAME, height=0.62, color=color)
        axes.text(1, y, f"{proba[j]:.2f}", ha="right", **style)


def _legend(corners, centers, proba):
    parts = []
    if corners is not None:
        parts.append("outline: window that the localizer chose")
    if centers is not None:
        parts.append("cross: annotated centre")
    if proba is not None:
        parts.append("bars: class probabilities (dark: predicted, bold: annotated)")
    return "   ·   ".join(parts)


def _unmanaged_figure(**settings):
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot_examples needs matplotlib; install it with: pip install 'stnclf[plot]'"
        ) from error
    figure = Figure(**settings)
    FigureCanvasAgg(figure)
    return figure
