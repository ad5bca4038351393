"""LocalizationDisplay: points, windows and probabilities over patches."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from stnclf.displays import LocalizationDisplay  # noqa: E402
from stnclf.geometry import window_corners  # noqa: E402


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
