"""The displays: what they draw, where, and that each says which extra it needs."""

import builtins

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from stnclf import STNCellClassifier  # noqa: E402
from stnclf.displays import (  # noqa: E402
    HotspotDisplay,
    LocalizationDisplay,
    ReliabilityDisplay,
    StageHistoryDisplay,
)
from stnclf.geometry import window_corners  # noqa: E402
from stnclf.metrics import expected_calibration_error  # noqa: E402
from stnclf.slides import Slide  # noqa: E402
from tests.conftest import QUICK  # noqa: E402

HISTORY = [
    {"stage": "classifier", "epoch": 1, "train_loss": 2.0, "classification_loss": 1.5},
    {"stage": "classifier", "epoch": 2, "train_loss": 1.0, "classification_loss": 0.5},
    {"stage": "localizer", "epoch": 1, "train_loss": 3.0, "localization_loss": 0.9},
    {"stage": "localizer", "epoch": 2, "train_loss": None, "localization_loss": 0.4},
    {"stage": "localizer", "epoch": 3, "train_loss": 0.7, "localization_loss": 0.2},
]
CELLS = pd.DataFrame(
    {
        "x": [100.0, 120.0, 700.0],
        "y": [200.0, 220.0, 50.0],
        "label": ["mitosis", "mitosis", "other"],
    }
)
FIELDS = pd.DataFrame({"x": [110.0], "y": [210.0], "width": [200.0], "height": [100.0]})


@pytest.fixture(autouse=True)
def _close_figures():
    plt.close("all")  # other tests of the same process may have left some
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def slide():
    return Slide(np.full((600, 800, 3), 230, np.uint8), mpp=2.0)


@pytest.fixture(scope="module")
def few(blobs):
    return [part[:12] for part in blobs]


@pytest.fixture(scope="module")
def fitted(few):
    stn = STNCellClassifier(
        classifier_epochs=1, localizer_epochs=1, joint_epochs=1, patch_size=(20, 30), random_state=0
    )
    X, y, centers = few
    return stn.fit(X, y, centers=centers)


def test_localization_of_an_estimator_shows_its_windows_and_probabilities(fitted, few):
    X, y, centers = few
    display = LocalizationDisplay.from_estimator(
        fitted, X, y, centers=centers, n_correct=2, n_false=2, random_state=0
    )
    assert plt.get_fignums() == [display.figure_.number]
    right = fitted.predict(X) == y
    n_right = min(2, right.sum())
    assert right[display.indices_].tolist() == [True] * n_right + [False] * min(2, (~right).sum())
    corners = window_corners(fitted.localize(X), (20, 30), X.shape[1:3])
    for axes, i in zip(display.axes_, display.indices_):
        np.testing.assert_allclose(axes.patches[0].get_xy()[:4], corners[i])
        np.testing.assert_array_equal(axes.lines[0].get_xydata()[0], centers[i])
        assert axes.get_xlim() == (2.5, 32.5)  # the central patch
    numbers = [text.get_text() for axes in display.figure_.axes for text in axes.texts]
    assert f"{fitted.predict_proba(X)[display.indices_[0], 0]:.2f}" in numbers


def test_localization_draws_into_given_axes():
    X = np.zeros((3, 8, 12, 3), np.uint8)
    X[..., 0] = np.arange(3)[:, None, None]
    _, ax = plt.subplots(1, 2)
    proba = [[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]]
    display = LocalizationDisplay.from_predictions(
        X, list("aba"), list("bba"), proba, list("ab"), ax=ax
    )
    assert display.axes_.tolist() == ax.tolist()
    assert display.indices_.tolist() == [0, 1]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in ax] == [0, 1]
    assert ax[0].get_title(loc="left") == "annotated: a\npredicted: b 0.10"
    assert ax[1].get_title(loc="left") == "annotated: b\npredicted: b 0.75"


def test_localization_without_probabilities_or_windows():
    class Always(ClassifierMixin, BaseEstimator):
        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.full(len(X), "b")

    X = np.zeros((3, 8, 12), np.uint8)
    display = LocalizationDisplay.from_estimator(Always(), X, list("abb"), n_columns=2)
    assert [len(axes.patches) for axes in display.axes_] == [0, 0, 0]
    assert sorted(display.indices_[:2]) == [1, 2]
    assert display.indices_[2] == 0


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
    stn = STNCellClassifier(
        classifier="zoom", class_maps=True, n_glimpses=2, validation_fraction=0.2, **QUICK
    ).fit(X, y, centers=centers)
    losses = {key for row in stn.history_ for key in row if key.endswith("_loss")}
    assert {"map_loss", "match_loss", "valid_loss"} < losses
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


def test_hotspots_are_drawn_in_millimetres(slide):
    display = HotspotDisplay.from_detections(CELLS, slide, fields=FIELDS.assign(count=2))
    right, bottom = display.ax_.get_xlim()[1], display.ax_.get_ylim()[0]
    assert (right, bottom) == pytest.approx((1.6, 1.2))
    places = {group.get_label(): group.get_offsets() for group in display.cells_}
    np.testing.assert_allclose(places["mitosis"], [[0.201, 0.401], [0.241, 0.441]])
    np.testing.assert_allclose(places["other"], [[1.401, 0.101]])
    (field,) = display.fields_
    assert field.get_xy() == pytest.approx((0.021, 0.321))
    assert (field.get_width(), field.get_height()) == pytest.approx((0.4, 0.2))
    assert [text.get_text() for text in display.ax_.texts] == ["1: 2 cells"]
    assert len(display.figure_.axes) == 2  # with the colour bar


def test_hotspots_of_one_class_in_given_axes(slide):
    _, ax = plt.subplots()
    display = HotspotDisplay.from_detections(
        CELLS, slide, fields=FIELDS, label="other", ax=ax, colorbar=False
    )
    assert display.ax_ is ax
    assert [group.get_label() for group in display.cells_] == ["other"]
    assert [text.get_text() for text in ax.texts] == ["1"]
    assert len(ax.figure.axes) == 1
    assert HotspotDisplay.from_detections(CELLS, slide, cells=False, ax=ax).cells_ == []


def test_cells_of_other_slides_are_left_out(slide):
    table = CELLS.assign(image=["array", "b.svs", "array"])
    display = HotspotDisplay.from_detections(table, slide, colorbar=False)
    assert [len(group.get_offsets()) for group in display.cells_] == [1, 1]


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
