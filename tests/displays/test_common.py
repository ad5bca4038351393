"""What holds for every display: errors that name the extra and the argument."""

import builtins

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")

from stnclf.displays import (  # noqa: E402
    HotspotDisplay,
    LocalizationDisplay,
    ReliabilityDisplay,
    StageHistoryDisplay,
)
from tests.displays.test_history import HISTORY  # noqa: E402
from tests.displays.test_hotspots import CELLS  # noqa: E402


def test_missing_matplotlib_names_the_extra(monkeypatch, slide):
    real_import = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "matplotlib":
            raise ImportError("No module named 'matplotlib'")
        return real_import(name, *rest, **more)

    calls = {
        "LocalizationDisplay": lambda: LocalizationDisplay.from_predictions(
            np.zeros((1, 4, 4), np.uint8), ["a"], ["a"]
        ),
        "StageHistoryDisplay": lambda: StageHistoryDisplay.from_history(HISTORY),
        "ReliabilityDisplay": lambda: ReliabilityDisplay.from_predictions([0, 1], np.eye(2)),
        "HotspotDisplay": lambda: HotspotDisplay.from_detections(CELLS, slide),
    }
    monkeypatch.setattr(builtins, "__import__", without)
    for name, call in calls.items():
        with pytest.raises(ImportError, match=rf"{name} needs .* 'stnclf\[plot\]'"):
            call()


def test_bad_arguments_are_named(slide):
    X = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="y_true must have 2 rows, got 1"):
        LocalizationDisplay(X, ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="n_false must be a whole number of at least 0"):
        LocalizationDisplay(X, ["a", "b"], ["a", "b"]).plot(n_false=-1)
    with pytest.raises(ValueError, match="n_columns must be a whole number of at least 1"):
        LocalizationDisplay(X, ["a", "b"], ["a", "b"]).plot(n_columns=0)
    with pytest.raises(ValueError, match="detections: wants a table"):
        HotspotDisplay.from_detections({"x": [1]}, slide)
    with pytest.raises(ValueError, match="sigma_um"):
        HotspotDisplay.from_detections(CELLS, slide, sigma_um=-1)
