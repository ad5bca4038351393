"""ReliabilityDisplay: the curve and the counts."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")

from stnclf.displays import ReliabilityDisplay  # noqa: E402
from stnclf.metrics import expected_calibration_error  # noqa: E402


def test_reliability_draws_the_curve_and_the_counts():
    proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.1, 0.9]])
    y = ["b", "a", "a", "b"]
    display = ReliabilityDisplay.from_predictions(y, proba, n_bins=5, name="STN")
    np.testing.assert_allclose(display.line_.get_xydata(), [[0.55, 1.0], [0.8, 1.0], [0.9, 0.5]])
    heights = [bar.get_height() for bar in display.bars_]
    np.testing.assert_allclose(heights, [0, 0, 0.125, 0.125, 0.25])
    error = expected_calibration_error(y, proba, n_bins=5)
    assert display.line_.get_label() == f"STN, ECE {error:.3f}"


def test_a_second_curve_in_the_same_axes_looks_different(fitted, few):
    X, y, _ = few
    first = ReliabilityDisplay.from_estimator(fitted, X, y)
    second = ReliabilityDisplay.from_estimator(
        fitted, X, y, ax=first.ax_, name="again", histogram=False
    )
    assert first.line_.get_label().startswith("STNCellClassifier, ECE")
    assert second.line_.get_label().startswith("again, ECE")
    assert second.bars_ is None
    for look in ("get_color", "get_linestyle", "get_marker"):
        assert getattr(first.line_, look)() != getattr(second.line_, look)()
    dashed = [line for line in first.ax_.lines if line.get_label() == "confidence = accuracy"]
    assert len(dashed) == 1
