"""StageHistoryDisplay: a line for each loss, stage after stage."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from stnclf import STNCellClassifier  # noqa: E402
from stnclf.displays import StageHistoryDisplay  # noqa: E402
from tests.conftest import QUICK  # noqa: E402

HISTORY = [
    {"stage": "classifier", "epoch": 1, "train_loss": 2.0, "classification_loss": 1.5},
    {"stage": "classifier", "epoch": 2, "train_loss": 1.0, "classification_loss": 0.5},
    {"stage": "localizer", "epoch": 1, "train_loss": 3.0, "localization_loss": 0.9},
    {"stage": "localizer", "epoch": 2, "train_loss": None, "localization_loss": 0.4},
    {"stage": "localizer", "epoch": 3, "train_loss": 0.7, "localization_loss": 0.2},
]


def test_history_has_one_line_for_each_loss_and_stage():
    display = StageHistoryDisplay.from_history(HISTORY)
    points = {
        name: [line.get_xydata().tolist() for line in lines]
        for name, lines in display.lines_.items()
    }
    assert points == {
        "train_loss": [[[1, 2], [2, 1]], [[3, 3], [5, 0.7]]],
        "classification_loss": [[[1, 1.5], [2, 0.5]]],
        "localization_loss": [[[3, 0.9], [4, 0.4], [5, 0.2]]],
    }
    assert [text.get_text() for text in display.ax_.texts] == ["classifier", "localizer"]
    styles = [
        (lines[0].get_linestyle(), lines[0].get_marker()) for lines in display.lines_.values()
    ]
    assert len(set(styles)) == 3  # told apart without colour
    assert display.ax_.get_yscale() == "log"
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["training, sum", "training, classes", "training, position"]


def test_history_has_a_line_for_each_loss_that_there_can_be(blobs):
    X, y, centers = blobs
    stn = STNCellClassifier(validation_fraction=0.2, **QUICK).fit(X, y, centers=centers)
    losses = {key for row in stn.history_ for key in row if key.endswith("_loss")}
    assert {"localization_loss", "valid_loss"} < losses
    display = StageHistoryDisplay.from_estimator(stn)
    assert set(display.lines_) == losses
    styles = {(line.get_linestyle(), line.get_marker()) for line, *_ in display.lines_.values()}
    assert len(styles) == len(losses)


def test_history_of_an_estimator_and_of_losses_that_are_no_numbers(fitted):
    _, ax = plt.subplots()
    display = StageHistoryDisplay.from_estimator(fitted, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(display.lines_["train_loss"]) == 3
    empty = StageHistoryDisplay([{"stage": "joint", "epoch": 1, "train_loss": np.nan}]).plot()
    assert empty.lines_ == {}


@pytest.mark.parametrize("history", [[], [{"epoch": 1}]])
def test_history_without_stages_is_refused(history):
    with pytest.raises(ValueError, match="history must be a list of one dict or more with stage"):
        StageHistoryDisplay(history)
