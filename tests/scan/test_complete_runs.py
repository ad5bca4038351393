"""A run that is complete gives, when it is resumed, the table that it gave."""

import numpy as np
import pandas as pd
import pytest

from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from stnclf.datasets import make_cells, make_slide
from stnclf.scan import classify_cells, hotspots, scan, scan_slides
from stnclf.slides import Slide, SlideReadError

MPP = 0.25
FEW = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1, "tta": False}


@pytest.fixture(scope="module")
def cells():
    X, y, centers = make_cells(24, patch_size=64, offset=8, random_state=0)
    return X, np.unique(y, return_inverse=True)[1], centers


@pytest.fixture(scope="module")
def stn(cells):
    """A model whose classes are whole numbers, not in one digit."""
    X, y, centers = cells
    return STNCellClassifier(**FEW, mpp=MPP, random_state=0).fit(X, y * 7 + 7, centers=centers)


@pytest.fixture(scope="module")
def ensemble(cells):
    X, y, _ = cells
    one = CiresanBaseline(epochs=1, mpp=MPP, random_state=0).fit(X, y == 1)
    two = CiresanBaseline(epochs=1, mpp=MPP, random_state=1).fit(X, y == 1)
    return Ensemble([one, two])


@pytest.fixture(scope="module")
def slide():
    return Slide(make_slide((256, 384), n_mitoses=3, random_state=0)[0], mpp=MPP)


@pytest.mark.parametrize("least", [0.2, 1.0])
def test_a_scan_keeps_labels_columns_and_what_was_left_out(stn, slide, tmp_path, least):
    how = {"out": tmp_path / "a.csv", "min_probability": least}
    first = scan(stn, slide, **how)
    again = scan(stn, slide, **how, resume=True)
    assert (len(first) > 0) == (least < 1)
    pd.testing.assert_frame_equal(again, first, check_dtype=len(first) > 0)
    assert again.attrs == first.attrs
    assert {type(label) for label in again["label"]} <= {int}
    assert again.columns.tolist()[-2:] == ["probability_14", "probability_21"]
    if len(first):
        label = first["label"][0]
        fields = [hotspots(t, slide, width_px=100, label=label) for t in (first, again)]
        pd.testing.assert_frame_equal(*fields)
    (both,) = scan_slides(stn, [slide], out=tmp_path, resume=True, min_probability=least)
    pd.testing.assert_frame_equal(both[first.columns], first, check_dtype=len(first) > 0)


def test_a_scan_with_an_ensemble_of_classes_true_and_false(ensemble, slide, tmp_path):
    how = {"out": tmp_path / "a.csv", "min_probability": 0.2, "tissue": False}
    first = scan(ensemble, slide, **how)
    again = scan(ensemble, slide, **how, resume=True)
    pd.testing.assert_frame_equal(again, first)
    assert {type(label) for label in again["label"]} == {bool}
    assert again.columns[-1] == "disagreement"


def test_cells_that_are_classified_keep_their_index_and_columns(
    stn, ensemble, slide, tmp_path, monkeypatch
):
    table = pd.DataFrame(
        {"image": ["array"] * 3, "x": [100.5, 200, 150], "y": [100, 120.25, 90]},
        index=[14, 13, 12],
    )
    table["note"], table["n"], table["label"] = None, [3, 1, 2], ["a", None, "007"]
    for name, model in (("stn", stn), ("ensemble", ensemble)):
        how = {"out": tmp_path / f"{name}.csv"}
        first = classify_cells(model, slide, table, **how)
        again = classify_cells(model, slide, table, **how, resume=True)
        pd.testing.assert_frame_equal(again, first)
        assert again.index.tolist() == [14, 13, 12]
        assert {"note", "n", "annotated"} <= {*again.columns}


def test_a_table_that_was_changed_since_is_refused(stn, slide, tmp_path):
    out = tmp_path / "a.csv"
    scan(stn, slide, out=out, min_probability=0.2)
    out.write_text(out.read_text().replace(",14,", ",15,"))
    with pytest.raises(
        ValueError, match=r"a\.csv' is complete, but was made by a run that did not"
    ):
        scan(stn, slide, out=out, min_probability=0.2, resume=True)


def test_whole_numbers_stay_so_beside_a_cell_that_cannot_be_read(stn, slide, monkeypatch):
    original = Slide.read_region

    def broken(self, x, y, *args):
        if x < 100:
            raise SlideReadError("a", "broken", [(0, 0, 9, 9)])
        return original(self, x, y, *args)

    monkeypatch.setattr(Slide, "read_region", broken)
    table = {"image": ["array"] * 2, "x": [50.5, 250], "y": [100, 120.25]}
    found = classify_cells(stn, slide, table, on_error="skip")
    assert found["label"][0] is None
    assert type(found["label"][1]) is int
    assert f",250.0,120.25,{found['label'][1]}," in found.to_csv(index=False)


@pytest.fixture(scope="module")
def floats(cells):
    """A model whose classes are whole numbers with a point, as pandas makes them."""
    X, y, _ = cells
    return CiresanBaseline(epochs=1, mpp=MPP, random_state=0).fit(X, y + 1.0)


def test_whole_numbers_are_written_without_a_point(floats, slide, tmp_path):
    how = {"min_probability": 0.2, "tissue": False}
    table = scan(floats, slide, out=tmp_path / "a.csv", **how)
    again = scan(floats, slide, out=tmp_path / "a.csv", **how, resume=True)
    pd.testing.assert_frame_equal(again, table)
    assert {type(label) for label in table["label"]} == {float}
    assert table.columns.tolist()[-3:] == ["probability_1", "probability_2", "probability_3"]
    read = pd.read_csv(tmp_path / "a.csv", dtype=str)
    assert set(read["label"]) <= {"1", "2", "3"}
    assert read.columns.tolist() == table.columns.tolist()
    others = table[table["label"] != 2.0]
    assert len(hotspots(others, slide, width_px=100, label=2.0)) == 0  # it is known: no warning

    cells = table.head(3)[["image", "x", "y"]].assign(label=[2.0, None, 1.0])
    found = classify_cells(floats, slide, cells, out=tmp_path / "c.csv")
    assert {type(label) for label in found["label"]} == {float}
    read = pd.read_csv(tmp_path / "c.csv", dtype=str, keep_default_na=False)
    assert set(read["label"]) <= {"1", "2", "3"}
    assert read["annotated"].tolist() == ["2", "", "1"]
    # Columns of an earlier run are known again.
    assert classify_cells(floats, slide, found).columns.tolist() == found.columns.tolist()
