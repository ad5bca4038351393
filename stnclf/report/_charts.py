"""Charts of the evaluation report: SVG whose colours the page's style sheet decides."""

import math

import numpy as np

from .._utils.printable import counted, html_text

__all__ = [
    "DASHES",
    "coverage_chart",
    "curve_frames",
    "error_chart",
    "legend",
    "reliability_chart",
    "stage_charts",
]

#: A series is told from its neighbours by its dashes too, so that grey prints can be read.
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "5 2", "1 4")
N_STYLES = len(DASHES)
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 22, 40


class _Chart:
    """Axes in a box of `width` x `height` pixels, and what is drawn in them."""

    def __init__(self, width, height, x_range, y_range, *, title, x_label, y_label):
        self.width, self.height, self.title = width, height, title
        self.x_range, self.y_range = x_range, y_range
        self.parts = []
        for value in _ticks(*y_range, 5):
            y = self.y(value)
            self.parts.append(
                f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{width - RIGHT}" y2="{y}"/>'
            )
            self.text(LEFT - 6, y + 4, _number(value), "end")
        for value in _ticks(*x_range, max(2, (width - LEFT) // 60)):
            self.text(self.x(value), height - BOTTOM + 16, _number(value), "middle")
        x, y = LEFT, height - BOTTOM
        self.parts.append(f'<path class="axis" d="M{x} {TOP}V{y}H{width - RIGHT}"/>')
        self.text((LEFT + width - RIGHT) / 2, height - 6, x_label, "middle")
        self.text(4, 13, y_label, "start")

    def x(self, value):
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT), 1)

    def y(self, value):
        low, high = self.y_range
        share = (value - low) / (high - low)
        return round(self.height - BOTTOM - share * (self.height - TOP - BOTTOM), 1)

    def text(self, x, y, words, anchor):
        self.parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html_text(words)}</text>')

    def line(self, xs, ys, style, *, marked=False):
        points = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys))
        dash = DASHES[style % N_STYLES]
        self.parts.append(
            f'<polyline class="series s{style % N_STYLES}" stroke-dasharray="{dash}" '
            f'points="{points}"/>'
        )
        # A single epoch is no line; bins far from each other are no curve.
        if marked or len(xs) == 1:
            self.parts += [
                f'<circle class="dot s{style % N_STYLES}" cx="{self.x(x)}" cy="{self.y(y)}" '
                'r="3.5"/>'
                for x, y in zip(xs, ys)
            ]

    def svg(self, name=""):
        """Write it; one with a name can be drawn into, and says where its axes are."""
        box = (LEFT, TOP, self.width - LEFT - RIGHT, self.height - TOP - BOTTOM)
        attributes = f'id="{name}" data-box="{" ".join(map(str, box))}" ' if name else ""
        return (
            f'<svg class="chart" {attributes}role="img" aria-label="{html_text(self.title)}" '
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}">{"".join(self.parts)}</svg>'
        )


def legend(names):
    """Draw the key to the series of one or more charts."""
    items = []
    for style, name in enumerate(names):
        dash = DASHES[style % N_STYLES]
        items.append(
            f'<li><svg width="34" height="10" aria-hidden="true"><line class="series '
            f's{style % N_STYLES}" stroke-dasharray="{dash}" x1="1" y1="5" x2="33" y2="5"/></svg>'
            f"{html_text(name)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def reliability_chart(name, calibration):
    """Draw accuracy over confidence, and below it how many predictions each bin holds.

    Parameters
    ----------
    name : str
        The method.
    calibration : dict
        ``ece``, ``confidence``, ``accuracy`` and ``count`` as `stnclf.report.evaluate` has them.

    Returns
    -------
    svg : str
    """
    counts = np.array(calibration["count"], dtype=float)
    title = f"{name}: accuracy over confidence; expected calibration error "
    title += f"{calibration['ece']:.3f}"
    box = {"title": title, "x_label": "confidence", "y_label": "accuracy"}
    chart = _Chart(280, 280, (0, 1), (0, 1), **box)
    floor = chart.y(0)
    for m, count in enumerate(counts):
        if count:
            left, right = chart.x(m / len(counts)), chart.x((m + 1) / len(counts))
            tall = max(1.0, round(60 * count / counts.max(), 1))
            chart.parts.append(
                f'<rect class="bar" x="{left + 1:.1f}" y="{floor - tall:.1f}" '
                f'width="{right - left - 2:.1f}" height="{tall}"><title>{count:.0f} of '
                f"{counts.sum():.0f} predictions</title></rect>"
            )
    chart.parts.append(
        f'<path class="ideal" stroke-dasharray="4 4" d="M{chart.x(0)} {chart.y(0)}L{chart.x(1)} '
        f'{chart.y(1)}"/>'
    )
    pairs = zip(calibration["confidence"], calibration["accuracy"])
    points = [(c, a) for c, a in pairs if c is not None]
    chart.line(*zip(*points), 0, marked=True)
    return chart.svg()


def curve_frames():
    """Draw the axes of a ROC curve and of a precision-recall curve; the page fills them.

    Returns
    -------
    svgs : tuple of (str, str)
        With a group for the curves.
    """
    frames = []
    for name, title, x_label, y_label in (
        ("curve-roc", "ROC curve", "1 - specificity", "sensitivity"),
        ("curve-precision", "Precision-recall curve", "recall", "precision"),
    ):
        chart = _Chart(340, 320, (0, 1), (0, 1), title=title, x_label=x_label, y_label=y_label)
        if name == "curve-roc":
            corners = f"M{chart.x(0)} {chart.y(0)}L{chart.x(1)} {chart.y(1)}"
            chart.parts.append(f'<path class="ideal" stroke-dasharray="4 4" d="{corners}"/>')
        chart.parts.append("<g></g>")
        frames.append(chart.svg(name))
    return tuple(frames)


def coverage_chart(curves):
    """Draw accuracy over coverage for several methods.

    Parameters
    ----------
    curves : dict of str to dict
        ``coverage`` and ``accuracy`` by method, as `stnclf.report.evaluate` has them.

    Returns
    -------
    svg : str
    """
    lowest = min(min(curve["accuracy"]) for curve in curves.values())
    low = min(0.9, math.floor(10 * lowest) / 10)
    box = {"x_label": "share of cells that is kept", "y_label": "accuracy"}
    title = "Accuracy over the share of cells that is kept: " + ", ".join(curves)
    chart = _Chart(440, 280, (0, 1), (low, 1), title=title, **box)
    for style, curve in enumerate(curves.values()):
        chart.line(curve["coverage"], curve["accuracy"], style)
    return chart.svg()


def error_chart(errors, radius):
    """Draw the share of cells that lie within a distance of their place, for several methods.

    Parameters
    ----------
    errors : dict of str to ndarray of shape (n_samples,)
        Distances in pixels by method.
    radius : float
        Where the line stands within which a cell counts as found, in pixels.

    Returns
    -------
    svg : str
    """
    last = max(float(np.percentile(np.concatenate(list(errors.values())), 98)), 2 * radius)
    box = {"x_label": "distance from the annotated centre / px", "y_label": "share of cells"}
    title = "Share of cells within a distance of the annotated centre: " + ", ".join(errors)
    chart = _Chart(440, 280, (0, last), (0, 1), title=title, **box)
    x = chart.x(radius)
    chart.parts.append(
        f'<path class="ideal" stroke-dasharray="4 4" d="M{x} {chart.y(0)}V{chart.y(1)}"/>'
    )
    steps = np.linspace(0, last, 100)
    for style, values in enumerate(errors.values()):
        share = np.searchsorted(np.sort(values), steps, side="right") / len(values)
        chart.line(steps.tolist(), share.tolist(), style)
    # Over the lines, which may run there.
    chart.text(x + 4, chart.y(0) - 6, f"{radius:g} px", "start")
    return chart.svg()


def stage_charts(name, history, losses):
    """Draw the losses of each stage over its epochs.

    Parameters
    ----------
    name : str
        The method.
    history : list of dict
        ``history_`` of a fitted estimator.
    losses : sequence of str
        Keys of the losses, in the order of the legend.

    Returns
    -------
    svgs : list of str
        One for each stage, in the order of training.
    """
    charts = []
    for stage in dict.fromkeys(row["stage"] for row in history):
        rows = [row for row in history if row["stage"] == stage]
        lines = {}
        for style, key in enumerate(losses):
            points = [(r["epoch"], r[key]) for r in rows if _is_finite(r.get(key))]
            if points:
                lines[style] = points
        if not lines:
            continue
        values = [value for points in lines.values() for _, value in points]
        epochs = [row["epoch"] for row in rows]
        low, high = min(0.0, *values), max(*values, 1e-9)
        reach = (min(epochs), max(max(epochs), min(epochs) + 1))
        box = {"x_label": f"epoch of stage {stage}", "y_label": "loss"}
        title = f"{name}, stage {stage}: losses over {counted(len(rows), 'epoch')}"
        chart = _Chart(340, 230, reach, (low, high * 1.05), title=title, **box)
        for style, points in lines.items():
            chart.line(*zip(*points), style)
        charts.append(chart.svg())
    return charts


def _is_finite(value):
    return value is not None and math.isfinite(value)


def _ticks(low, high, n):
    """Choose round numbers from `low` to `high`, about `n` of them."""
    raw = (high - low) / max(n, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value):
    return f"{value:.6g}"
