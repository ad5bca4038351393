"""Points with names: x and y by name, whatever holds them and wherever they are asked for."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch

from stnclf import geometry
from stnclf._utils.checks import check_centers
from stnclf._utils.points import as_points, points_by_name
from stnclf.metrics import localization_error, localization_summary
from stnclf.report import evaluate

POINTS = np.array([[12.0, 3.0], [20.0, 9.0], [0.5, 4.0]])
Point = namedtuple("Point", "y x")


def named_points():
    pl = pytest.importorskip("polars", reason="needs polars")
    x, y = POINTS.T
    records = np.zeros(3, dtype=[("y", float), ("x", np.int16)])
    records["x"], records["y"] = np.floor(x), y
    return {
        "x, y": pd.DataFrame({"x": x, "y": y}),
        "y, x": pd.DataFrame({"y": y, "x": x}, index=[7, 8, 9]),
        "of transform": pd.DataFrame({"cell_y": y, "cell_x": x}),
        "without names": pd.DataFrame(POINTS),
        "polars": pl.DataFrame({"y": y, "x": x}),
        "dict": {"y": y.tolist(), "x": x},
        "list of dicts": [{"y": b, "x": a} for a, b in POINTS],
        "named tuples": [Point(b, a) for a, b in POINTS],
        "records": records,
        "a column of polars": pl.Series([{"y": b, "x": a} for a, b in POINTS]),
    }


@pytest.mark.parametrize("form", named_points())
def test_points_with_names_are_read_by_name(form):
    expected = np.floor(POINTS) if form == "records" else POINTS
    np.testing.assert_array_equal(points_by_name("centers", named_points()[form]), expected)


def test_points_without_names_stay_what_they_are():
    for points in (POINTS, POINTS.tolist(), [], None, 3):
        assert points_by_name("centers", points) is points
    tensor = torch.tensor(POINTS, requires_grad=True)
    np.testing.assert_array_equal(points_by_name("centers", tensor), POINTS)


COMPLEX, TRUE = np.array([[1 + 2j, 3], [4, 5]]), np.array([[True, False], [True, True]])
UNREAL = {
    "complex": COMPLEX,
    "complex objects": COMPLEX.astype(object),
    "a complex column": {"x": [1.0, 2.0], "y": [1j, 2.0]},
    "times": np.array([[1, 2], [3, 4]], dtype="m8[s]"),
    "truth values": TRUE,
    "a list of them": TRUE.tolist(),
    "objects": np.array([[True, 1.5], [2.5, 3]], dtype=object),
    "a column": {"x": [1.0, 2.0], "y": [True, False]},
    "a table": pd.DataFrame({"y": [1.0, 2.0], "x": [True, False]}),
}


@pytest.mark.parametrize("given", UNREAL.values(), ids=UNREAL)
def test_points_are_real_numbers(given):
    good = [[1, 2], [3, 4]]
    for call in (
        lambda: as_points(given, "centers"),
        lambda: localization_error(given, good),
        lambda: localization_error(good, given),
        lambda: check_centers(given, 2, (20, 30)),
        lambda: geometry.normalize_points(given, (20, 30)),
    ):
        with pytest.raises((TypeError, ValueError), match="number"):
            call()


@pytest.mark.parametrize("given", [{0: [1], 1: [2]}, {"y": [1, 2], "x": [1]}, {"x": [3]}])
def test_other_mappings_are_refused(given):
    with pytest.raises(ValueError, match=r"^centers: .*x and y"):
        points_by_name("centers", given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1, 2], r"must have shape \(2, 2\), got \(2,\)"),
        ([[1, 2]], r"must have shape \(2, 2\), got \(1, 2\)"),
        ([[1, 2], [np.nan, np.nan]], "NaN or infinity in 1 of 2 rows, first in row 1"),
        ([["a", 2], [3, 4]], "must be an array of numbers"),
    ],
)
def test_what_are_no_points_is_refused(given, words):
    with pytest.raises(ValueError, match=f"^centers.*{words}"):
        as_points(given, "centers", n=2)


def test_points_may_be_missing_but_not_by_half():
    given = [[1, 2], [np.nan, np.nan]]
    np.testing.assert_array_equal(as_points(given, "centers", missing=True), given)
    with pytest.raises(ValueError, match="in 1 of 1 rows"):
        as_points([[1, np.nan]], "centers", missing=True)


TABLE = pd.DataFrame({"y": POINTS[:, 1], "x": POINTS[:, 0]})


def test_everybody_reads_points_by_name():
    away = pd.DataFrame({"cell_y": POINTS[:, 1] + 4, "cell_x": POINTS[:, 0] + 3})
    assert localization_error(TABLE, away).tolist() == [5.0] * 3
    assert localization_error(POINTS, away).tolist() == [5.0] * 3
    assert localization_summary(TABLE, away, image_size=(10, 21))["mean"] == 5.0
    found = evaluate(list("aba"), list("aba"), centers_true=TABLE, centers_pred=away)
    assert found["localization"]["mean"] == 5.0
    np.testing.assert_array_equal(
        geometry.normalize_points(TABLE, (10, 21)), geometry.normalize_points(POINTS, (10, 21))
    )
    np.testing.assert_array_equal(
        geometry.cell_theta(TABLE, (10, 21), (4, 5)), geometry.cell_theta(POINTS, (10, 21), (4, 5))
    )


def test_masked_points_are_refused_everywhere():
    masked = np.ma.MaskedArray(POINTS, mask=POINTS == 9)
    for call in (
        lambda: localization_error(masked, POINTS),
        lambda: evaluate(list("aba"), list("aba"), centers_true=POINTS, centers_pred=masked),
        lambda: geometry.normalize_points(masked, (10, 21)),
    ):
        with pytest.raises(ValueError, match="1 row has masked values, the first at index 1"):
            call()
