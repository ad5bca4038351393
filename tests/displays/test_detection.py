"""DetectionCurveDisplay: the curves, step by step, and the marks of thresholds."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")

from stnclf.displays import DetectionCurveDisplay  # noqa: E402

TRUTH = {"x": [10, 90], "y": [20, 20], "label": ["mitosis", "mitosis"]}
FOUND = {"x": [12, 50, 91], "y": [20, 20, 20], "label": ["mitosis"] * 3}
FOUND["probability"] = [0.9, 0.8, 0.6]


def test_the_curves_are_those_of_the_thresholds():
    display = DetectionCurveDisplay.from_detections(TRUTH, FOUND, radius_px=5)
    left, right = display.lines_["mitosis"]
    np.testing.assert_allclose(left.get_xydata(), [[0.5, 1], [0.5, 0.5], [1, 2 / 3]])
    x, y = right.get_xydata().T
    # A threshold of 0.7 keeps two, 0.85 one, 0.95 none: the value at a step is that to its left.
    assert right.get_drawstyle() == "steps-pre"
    expected = [0.8, 0.8, 0.5, 2 / 3, 0]  # none is known below 0.6
    np.testing.assert_allclose(x, [0.6, 0.6, 0.8, 0.9, 1])
    np.testing.assert_allclose(y, expected)
    marks = [line for line in display.axes_[1].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marks[0].get_xydata(), [[0.599999, 0.8]], atol=1e-5)
    assert "F1 0.800 at 0.600" in marks[0].get_label()


def test_classes_look_different_and_those_without_detections_have_no_curve():
    truth = {name: [*values, *values] for name, values in TRUTH.items()}
    truth["label"] = ["mitosis"] * 2 + ["apoptosis"] * 2
    truth = {name: [*values, values[0]] for name, values in truth.items()}
    truth["label"][-1] = "necrosis"
    found = {name: [*values, *values] for name, values in FOUND.items()}
    found["label"] = ["mitosis"] * 3 + ["apoptosis"] * 3
    display = DetectionCurveDisplay.from_detections(truth, found, radius_px=5)
    looks = [line[0].get_color() for line in display.lines_.values()]
    assert len(set(looks)) == 3
    assert len(display.lines_["necrosis"]) == 1
    again = DetectionCurveDisplay(display.curves).plot(axes=display.axes_)
    assert again.figure_ is display.figure_


def test_curves_begin_where_the_table_does():
    # The lowest probability of all classes: down to it, nothing else of the others was found.
    truth = {name: [*values, *values] for name, values in TRUTH.items()}
    truth["label"] = ["mitosis"] * 2 + ["apoptosis"] * 2
    found = {name: [*values, *values] for name, values in FOUND.items()}
    found |= {"label": ["mitosis"] * 3 + ["apoptosis"] * 3}
    found["probability"] = [0.9, 0.8, 0.6, 0.7, 0.3, 0.25]
    display = DetectionCurveDisplay.from_detections(truth, found, radius_px=5)
    begins = {label: lines[1].get_xdata()[0] for label, lines in display.lines_.items()}
    assert begins == {"mitosis": 0.25, "apoptosis": 0.25}


def test_the_legend_covers_no_curve():
    display = DetectionCurveDisplay.from_detections(TRUTH, FOUND, radius_px=5)
    legend = display.axes_[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["mitosis: F1 0.800 at 0.600"]
    display.figure_.canvas.draw()
    box, axes = legend.get_window_extent(), display.axes_[1].get_window_extent()
    assert 0 <= box.y0 < box.y1 < axes.y0
    assert 0 <= box.x0 < box.x1 <= display.figure_.bbox.x1
