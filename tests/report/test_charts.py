"""The report's charts: points lie where the numbers say."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from stnclf.report._charts import (
    _ticks,
    coverage_chart,
    error_chart,
    legend,
    reliability_chart,
    stage_charts,
)


def lines(svg):
    """Points of each curve, in pixels."""
    curves = ET.fromstring(svg).iter("polyline")
    return [[tuple(map(float, p.split(","))) for p in c.get("points").split()] for c in curves]


def values(svg, x_range, y_range):
    """Points of each curve, in numbers: axes go from (46, height - 40) to (width - 12, 22)."""
    root = ET.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    low, spread = x_range[0], x_range[1] - x_range[0]
    return [
        [
            (
                low + (x - 46) / (width - 58) * spread,
                y_range[0] + (height - 40 - y) / (height - 62) * (y_range[1] - y_range[0]),
            )
            for x, y in curve
        ]
        for curve in lines(svg)
    ]


def test_coverage_is_drawn_from_where_it_matters():
    curve = {"coverage": [0.25, 0.5, 1.0], "accuracy": [1.0, 0.75, 0.625]}
    (points,) = values(coverage_chart({"STN": curve}), (0, 1), (0.6, 1))
    np.testing.assert_allclose(points, [(0.25, 1), (0.5, 0.75), (1, 0.625)], atol=2e-3)
    high = {"coverage": [0.5, 1.0], "accuracy": [1.0, 0.95]}
    (points,) = values(coverage_chart({"STN": high}), (0, 1), (0.9, 1))
    np.testing.assert_allclose(points, [(0.5, 1), (1, 0.95)], atol=2e-3)


def test_reliability_points_and_bars():
    calibration = {
        "ece": 0.25,
        "confidence": [None, 0.4, 0.9],
        "accuracy": [None, 0.2, 1.0],
        "count": [0, 10, 30],
    }
    svg = reliability_chart("a < b", calibration)
    np.testing.assert_allclose(values(svg, (0, 1), (0, 1)), [[(0.4, 0.2), (0.9, 1.0)]], atol=1e-3)
    root = ET.fromstring(svg)
    assert root.get("aria-label").startswith("a < b: accuracy over confidence")
    heights = [float(bar.get("height")) for bar in root.iter("rect")]
    assert heights == [20.0, 60.0]
    assert [bar.find("title").text for bar in root.iter("rect")] == [
        "10 of 40 predictions",
        "30 of 40 predictions",
    ]


def test_error_curves_are_shares_within_a_distance():
    errors = {"STN": np.array([1.0, 2.0, 3.0, 100.0]), "CNN": np.full(4, 30.0)}
    svg = error_chart(errors, 8.0)
    last = np.percentile([1, 2, 3, 100, 30, 30, 30, 30], 98)
    stn, cnn = values(svg, (0, last), (0, 1))
    for x, y in stn:
        # Steps are not drawn finer than the points lie.
        near = [np.mean(errors["STN"] <= x + d) for d in (-0.5, 0, 0.5)]
        assert min(near) - 0.01 <= y <= max(near) + 0.01
    assert cnn[0][1] == pytest.approx(0, abs=0.01)
    assert cnn[-1][1] == pytest.approx(1, abs=0.01)


def test_every_stage_has_its_own_chart():
    history = [
        {"stage": "classifier", "epoch": 1, "train_loss": 4.0, "lr": 1.0},
        {"stage": "classifier", "epoch": 2, "train_loss": 2.0, "lr": 1.0},
        {"stage": "joint", "epoch": 1, "train_loss": 9.0, "valid_loss": 1.0},
        {"stage": "other", "epoch": 1, "train_loss": float("nan")},
    ]
    first, second = stage_charts("STN", history, ["train_loss", "valid_loss"])
    np.testing.assert_allclose(values(first, (1, 2), (0, 4.2)), [[(1, 4), (2, 2)]], atol=0.02)
    # One epoch is no line: there must be dots to see.
    assert len(list(ET.fromstring(second).iter("circle"))) == 2
    assert "stage joint" in second


def test_series_differ_without_colour():
    root = ET.fromstring(legend(["a", "b", "<c>"]))
    dashes = [line.get("stroke-dasharray") for line in root.iter("line")]
    assert len(set(dashes)) == 3
    assert "".join(root.itertext()) == "ab<c>"


@pytest.mark.parametrize("reach", [(0, 1), (1, 60), (0, 0.037), (0, 4321.5), (-2, 3)])
def test_ticks_are_round_and_inside(reach):
    low, high = reach
    ticks = _ticks(low, high, 5)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= high * 1.0001 for tick in ticks)
    step = ticks[1] - ticks[0]
    assert f"{step:e}"[0] in "125"
    np.testing.assert_allclose(np.diff(ticks), step)
