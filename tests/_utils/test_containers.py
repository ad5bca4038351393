"""Columns, tables, tensors and masked arrays as X."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stnclf import CellFeatures, CiresanBaseline
from stnclf._utils.containers import column_of, is_table, plain, refuse_masked, with_names
from stnclf.metrics import detection_score
from stnclf.scan import hotspots
from stnclf.slides import Slide
from stnclf.slides._cell_table import check_cells
from tests.conftest import make_blobs

X, Y, CENTERS = make_blobs(8, 6, 8, margin=2)
ROWS = X.reshape(8, -1)
NAMES = [f"p{i}" for i in range(ROWS.shape[1])]


def baseline():
    return CiresanBaseline(epochs=1, image_shape=(6, 8, 3), random_state=0)


@pytest.fixture(scope="module")
def expected():
    return baseline().fit(X, Y).predict_proba(X)


def polars_table(reverse=False):
    pl = pytest.importorskip("polars", reason="needs polars")
    return pl.DataFrame(ROWS, schema=NAMES)[NAMES[::-1] if reverse else NAMES]


def narwhals_table(reverse=False):
    nw = pytest.importorskip("narwhals", reason="needs narwhals")
    return nw.from_native(polars_table(reverse))


def pandas_table(reverse=False):
    return pd.DataFrame(ROWS, columns=NAMES)[NAMES[::-1] if reverse else NAMES]


class OlderScikitLearn:
    """What scikit-learn knew of tables that are not pandas' before it used narwhals."""

    def __init__(self, table):
        self.table = table


@pytest.mark.parametrize("make", [polars_table, narwhals_table, pandas_table])
def test_names_of_columns_are_kept_and_checked(make, expected):
    clf = baseline().fit(make(), Y)
    assert clf.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(clf.predict_proba(make()), expected)
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(make(reverse=True))
    pytest.importorskip("skimage", reason="needs the extra [classical]")
    features = CellFeatures(families=("intensity",), image_shape=(6, 8, 3)).fit(make())
    assert features.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names"):
        features.transform(make(reverse=True))


def test_names_without_a_protocol(monkeypatch):
    from sklearn.utils import validation

    monkeypatch.delattr(validation, "nw", raising=False)
    table = polars_table()
    named = with_names(table)
    if not hasattr(table, "__dataframe__"):
        assert list(named.__dataframe__().column_names()) == NAMES
    np.testing.assert_array_equal(np.asarray(named), ROWS)
    assert (len(named), named.shape) == (8, ROWS.shape)
    frame = pandas_table()
    assert with_names(frame) is frame


def columns():
    nested = np.empty(8, dtype=object)
    for i, image in enumerate(X):  # as Parquet files give nested lists back
        nested[i] = np.array([np.array([*row, None], dtype=object)[:-1] for row in image], object)
    arrays = np.empty(8, dtype=object)
    arrays[:] = list(X)
    return {
        "Series of arrays": pd.Series(list(X)),
        "Series with another index": pd.Series(list(X), index=range(50, 58)),
        "Series of lists": pd.Series(X.tolist()),
        "array of arrays": arrays,
        "Series of rows": pd.Series(list(ROWS)),
        "tensor": torch.from_numpy(X),
        "tensor with gradients": (torch.from_numpy(X) / 255).requires_grad_(),
        "list of tensors": list(torch.from_numpy(X)),
        "masked where nothing is masked": np.ma.array(X),
        "list": X.tolist(),
    }


@pytest.mark.parametrize("name", columns())
def test_columns_of_images_and_tensors(name, expected):
    clf = baseline().fit(columns()[name], Y)
    np.testing.assert_allclose(clf.predict_proba(columns()[name]), expected, rtol=1e-4)


def test_columns_of_polars(expected):
    pl = pytest.importorskip("polars", reason="needs polars")
    for column in (
        pl.Series(X.tolist(), dtype=pl.Array(pl.UInt8, (6, 8, 3))),
        pl.Series(X.tolist(), dtype=pl.List(pl.List(pl.List(pl.UInt8)))),
    ):
        np.testing.assert_array_equal(baseline().fit(column, Y).predict_proba(column), expected)


def test_images_of_a_column_are_of_one_shape():
    images = [*X[:7], X[7, :5]]
    with pytest.raises(ValueError, match=r"X\[7\]: has shape \(5, 8, 3\), but X\[0\]"):
        baseline().fit(pd.Series(images), Y)


def test_tensors_of_types_that_numpy_has_not():
    with pytest.raises(TypeError, match=r"X: got torch.bfloat16, wants"):
        baseline().fit(torch.from_numpy(X).to(torch.bfloat16), Y)


def test_masked_values_are_refused():
    masked = np.ma.array(X, mask=False)
    masked[5, 1, 2, 0] = np.ma.masked
    for given in (masked, list(masked), masked.reshape(8, -1)):
        with pytest.raises(ValueError, match=r"^X: 1 row has masked values, .* index 5;"):
            baseline().fit(given, Y)
    refuse_masked("X", np.ma.array([1, 2]))
    refuse_masked("X", [1, 2])
    with pytest.raises(ValueError, match=r"^y: 2 rows have masked .* index 1"):
        refuse_masked("y", np.ma.array([3, 1, 2], mask=[0, 1, 1]))


def test_what_is_a_table():
    assert is_table(pandas_table())
    assert not is_table(X)
    assert not is_table(pd.Series([1]))
    assert not is_table([[1, 2]])
    assert plain(X) is X


def test_a_column_of_any_table_or_the_same_error():
    polars = pytest.importorskip("polars", reason="needs polars")
    columns = {"x": [1, 2], "y": [3, 4]}
    for table in (columns, pd.DataFrame(columns), polars.DataFrame(columns)):
        assert column_of(table, "y") == [3, 4]
        with pytest.raises(KeyError, match="label"):
            column_of(table, "label")


def test_tables_of_polars_need_no_columns_that_others_do_not():
    polars = pytest.importorskip("polars", reason="needs polars")
    cells = {"image": ["array"] * 2, "x": [10.0, 90], "y": [20.0, 20], "label": ["m", "m"]}
    table = polars.DataFrame(cells)
    assert detection_score(table, table, radius_px=3)["m"]["f1"] == 1
    with pytest.raises(ValueError, match="detections must have a column 'label'"):
        detection_score(table, table.drop("label"), radius_px=3)
    slide = Slide(np.zeros((64, 128, 3), np.uint8))
    assert hotspots(table, slide, width_px=60)["count"].tolist() == [1]
    with pytest.raises(ValueError, match="detections: wants a table with numbers x and y"):
        hotspots(table.drop("x"), slide, width_px=60)
    groups, points, *_ = check_cells(table)
    assert groups.tolist() == cells["image"]
    assert points.tolist() == [[10, 20], [90, 20]]
    with pytest.raises(ValueError, match="it has no 'label'"):
        check_cells(table.drop("label"))
