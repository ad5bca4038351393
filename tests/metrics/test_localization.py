"""Errors of position, their summaries, and the guess of the middle."""

import numpy as np
import pytest

from stnclf.metrics import (
    error_summary,
    localization_error,
    localization_summary,
)


def test_error_is_euclidean_and_row_by_row():
    true = [[0.0, 0.0], [10.0, 4.0], [7.0, 7.0]]
    pred = [[3.0, 4.0], [10.0, 16.0], [-1.0, 1.0]]
    errors = localization_error(true, pred)
    assert errors.dtype == np.float64
    np.testing.assert_allclose(errors, [5.0, 12.0, 10.0])


def test_error_does_not_overflow_with_small_integer_types():
    true = np.array([[250, 3]], dtype=np.uint8)
    pred = np.array([[5, 3]], dtype=np.uint8)
    assert localization_error(true, pred).tolist() == [245.0]


def test_error_of_no_samples_is_empty():
    assert localization_error(np.empty((0, 2)), np.empty((0, 2))).shape == (0,)


def test_summary_has_known_values_and_counts_the_radius_itself():
    summary = error_summary([0.0, 8.0, 8.5, 100.0, 3.5])
    assert summary == {"n": 5, "mean": 24.0, "median": 8.0, "within": 0.6, "radius": 8.0}
    assert error_summary([0.0, 8.0, 8.5], radius=8.5)["within"] == 1.0
    assert error_summary([])["median"] is None


def test_centre_guess_is_the_middle_of_a_rectangle_in_xy():
    # Height 3, width 11: the middle is x = 5, y = 1. Taken the wrong way round, no error is 0.
    summary = localization_summary([[5, 1], [5, 4]], [[5, 1], [9, 7]], image_size=(3, 11))
    assert summary["mean"] == 2.5
    assert summary["center_guess"]["mean"] == 1.5
    assert summary["center_guess"]["within"] == 1.0


def test_centre_guess_of_an_even_size_lies_between_pixels():
    summary = localization_summary([[1.5, 1.5]], [[0, 0]], image_size=4)
    assert summary["center_guess"]["median"] == 0.0
    assert "center_guess" not in localization_summary([[1, 1]], [[0, 0]])


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([1.0, 2.0], [[1.0, 2.0]], r"centers_true must have shape \(n_samples, 2\), got \(2,\)"),
        ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], r"centers_pred must have shape .* got \(1, 3\)"),
        ([[1.0, 2.0]] * 3, [[1.0, 2.0]], r"expected shape \(3, 2\), got \(1, 2\)"),
        ([[1.0, 2.0]] * 2, [[1, 2], [np.nan, 2]], "centers_pred holds NaN .* 1 of 2 .* row 1"),
        ([[np.inf, 2.0]], [[1.0, 2.0]], "centers_true holds NaN"),
        ([["a", "b"]], [[1.0, 2.0]], "centers_true must be an array of numbers"),
    ],
)
def test_bad_centres_are_named(true, pred, message):
    with pytest.raises(ValueError, match=message):
        localization_error(true, pred)


@pytest.mark.parametrize("radius", [0, -1.0, np.nan, np.inf, "8", True])
def test_bad_radius_is_named(radius):
    with pytest.raises(ValueError, match="radius must be a positive number"):
        localization_summary([[1, 1]], [[1, 1]], radius=radius)


@pytest.mark.parametrize("errors", [[[1.0]], [np.inf], [-1.0]])
def test_bad_errors_are_named(errors):
    with pytest.raises(ValueError, match="errors must"):
        error_summary(errors)


@pytest.mark.parametrize("size", [0, (5,), (5, 0), (5.0, 5.5), (3, 4, 5)])
def test_bad_image_size_is_named(size):
    with pytest.raises(ValueError, match="image_size must be"):
        localization_summary([[1, 1]], [[1, 1]], image_size=size)


def test_where_there_is_no_cell_there_is_no_error():
    true = [[3, 4], [np.nan, np.nan], [10, 0]]
    pred = [[0, 0], [7, 7], [10, 2]]
    np.testing.assert_array_equal(localization_error(true, pred), [5, np.nan, 2])
    found = localization_summary(true, pred, image_size=(1, 21), radius=2)
    assert (found["n"], found["mean"], found["within"]) == (2, 3.5, 0.5)
    assert found["center_guess"]["n"] == 2
    assert found["center_guess"]["within"] == 0.5
    assert error_summary([np.nan])["mean"] is None
    with pytest.raises(ValueError, match=r"centers_true holds NaN.*first in row 1"):
        localization_error([[3, 4], [np.nan, 2]], [[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="centers_pred holds NaN"):
        localization_error([[3, 4]], [[np.nan, np.nan]])
