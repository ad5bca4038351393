"""False detections: far from every annotated cell, the most certain ones first."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

import stnclf
from stnclf.annotations import read_annotations
from stnclf.scan import hard_negatives, scan
from stnclf.slides import Slide, extract_patches

HOW = {"mpp": 0.25, "nms_radius_um": 2, "min_probability": 0.05}
NAMES = ("a b.tif", "ü.png")


@pytest.fixture(scope="module")
def clf(road):
    return stnclf.load(road / "model.safetensors")


@pytest.fixture
def slides(road):
    return [Slide(road / "slides" / name, 0.25) for name in NAMES]


@pytest.fixture
def cells(road):
    return read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]


@pytest.fixture(scope="module")
def found(road, clf):
    return pd.concat(scan(clf, Slide(road / "slides" / name, 0.25), **HOW) for name in NAMES)


def false_ones(found, cells, radius):
    """The same by two loops."""
    rows = []
    for row in found.itertuples():
        near = [
            np.hypot(cell.x - row.x, cell.y - row.y) <= radius
            for cell in cells.itertuples()
            if cell.image == row.image
        ]
        if not any(near):
            rows.append((row.image, row.x, row.y, row.probability, row.label))
    return sorted(rows, key=lambda row: -row[3])


def test_they_are_the_most_certain_detections_far_from_all_cells(clf, slides, cells, found):
    every = hard_negatives(clf, slides, cells, n=10_000, **HOW)
    # Half of the cell's window of 16 px.
    expected = false_ones(found, cells, 8.0)
    assert len(every) == len(expected) > 50
    assert set(zip(every["image"], every["x"], every["y"])) == {row[:3] for row in expected}
    assert every["probability"].tolist() == [row[3] for row in expected]
    assert set(every["label"]) == {"background"}
    assert set(every["found"]) <= {"cross", "disc"}
    few = hard_negatives(clf, slides, cells, n=7, label="nothing", **HOW)
    pd.testing.assert_frame_equal(few.drop(columns="label"), every.head(7).drop(columns="label"))
    assert set(few["label"]) == {"nothing"}


def test_radius_and_labels(clf, slides, cells, found):
    wide = hard_negatives(clf, slides, cells, n=10_000, radius_um=6, **HOW)
    assert len(wide) == len(false_ones(found, cells, 24.0)) < len(false_ones(found, cells, 8.0))
    discs = hard_negatives(clf, slides, cells, n=10_000, labels=["disc"], **HOW)
    assert set(discs["found"]) <= {"disc"}


def test_images_have_the_names_of_the_annotations(clf, slides, cells, found):
    inside = cells.assign(image="x/" + cells["image"])
    table = hard_negatives(clf, slides, inside, n=20, **HOW)
    assert set(table["image"]) <= {"x/a b.tif", "x/ü.png"}
    # A slide without a cell has only false detections; the class of a cell does not matter.
    one = cells[cells["image"] == "ü.png"].drop(columns="label")
    with pytest.warns(UserWarning, match="no annotated cell is on"):
        table = hard_negatives(clf, slides, one, n=10_000, **HOW)
    n_first = (found["image"] == "a b.tif").sum()
    assert (table["image"] == "a b.tif").sum() == n_first


def test_their_patches_are_cut_without_a_centre(road, clf, slides, cells):
    negatives = hard_negatives(clf, slides, cells, n=9, **HOW)
    how = {"size": 32, "image_size": 48, "mpp": None, "max_offset": 4, "random_state": 0}
    plain = extract_patches(cells, road / "slides", **how, background=5)
    X, y, centers, groups = extract_patches(
        cells, road / "slides", **how, background=5, negatives=negatives
    )
    assert y.tolist() == cells["label"].tolist() + ["background"] * 14
    assert groups[60:69].tolist() == negatives["image"].tolist()
    assert np.isnan(centers[60:]).all()
    np.testing.assert_array_equal(X[:60], plain[0][:60])
    np.testing.assert_array_equal(X[69:], plain[0][60:])
    alone = extract_patches(negatives, road / "slides", **{**how, "max_offset": 0})[0]
    np.testing.assert_array_equal(X[60:69], alone)


def test_tables_are_kept_and_taken(clf, slides, cells, tmp_path):
    first = hard_negatives(clf, slides, cells, n=5, out=tmp_path, **HOW)
    assert {path.name for path in tmp_path.glob("*.csv")} == {"a b.csv", "ü.csv"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = hard_negatives(clf, slides, cells, n=5, out=tmp_path, resume=True, **HOW)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    pd.testing.assert_frame_equal(first, again, check_dtype=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": ["c.png"], "x": [3], "y": [4]}, r"negatives, row 0: \[3\.0, 4\.0\] of image"),
        ({"image": ["ü.png"], "x": [999], "y": [4]}, r"row 0: \[999\.0, 4\.0\] of image 'ü\.png'"),
        ({"image": ["ü.png"], "x": [9]}, "negatives: .* it has no 'y'"),
    ],
)
def test_places_on_no_slide_are_named(change, message, road, cells):
    with pytest.raises(ValueError, match=message):
        extract_patches(cells, road / "slides", size=32, mpp=None, negatives=change)


def test_wrong_arguments_are_named(clf, slides, cells):
    with pytest.raises(ValueError, match="n: got 0, wants a number of places"):
        hard_negatives(clf, slides, cells, n=0)
    with pytest.raises(ValueError, match=r"annotations: .* it has no 'x'"):
        hard_negatives(clf, slides, {"image": ["a"]})
    with pytest.raises(TypeError, match="estimator: got int"):
        hard_negatives(3, slides, cells)


def test_slides_are_named_in_either_form_of_unicode(clf, slides, cells):
    decomposed = unicodedata.normalize("NFD", "ü.png")
    renamed = cells.assign(image=cells["image"].replace("ü.png", decomposed))
    expected = hard_negatives(clf, slides[1:], cells, n=5, **HOW)
    found = hard_negatives(clf, slides[1:], renamed, n=5, **HOW)
    assert found[["x", "y"]].values.tolist() == expected[["x", "y"]].values.tolist()


def test_a_slide_under_another_name_is_refused(clf, slides, cells):
    for other in ("ü", "ü.svs", "day1/ü"):
        renamed = cells.assign(image=cells["image"].replace("ü.png", other))
        message = f"annotations: got the image '{other}', and slides has 'ü.png'; wants the same"
        with pytest.raises(ValueError, match=message):
            hard_negatives(clf, slides, renamed, n=3, **HOW)


def test_images_of_one_name_in_two_folders_are_refused(clf, slides, cells):
    both = pd.concat([cells, cells.assign(image="x/" + cells["image"])]).assign(
        image=lambda table: "y/" + table["image"]
    )
    with pytest.raises(ValueError, match=r"annotations: 'y/a b\.tif' and 'y/x/a b\.tif' are both"):
        hard_negatives(clf, slides, both, n=3, **HOW)


def test_slides_without_annotations_are_named(clf, slides, cells):
    one = cells[cells["image"] == "ü.png"]
    message = r"no annotated cell is on \['a b\.tif'\]; every detection there counts as false"
    with pytest.warns(UserWarning, match=message):
        hard_negatives(clf, slides, one, n=3, **HOW)


def test_slides_are_several_and_each_is_given_once(clf, slides, cells, road):
    with pytest.raises(ValueError, match=r"slides: got none, wants one or more"):
        hard_negatives(clf, [], cells)
    name = str(road / "slides" / NAMES[0])
    for one in (name, road / "slides" / NAMES[0], slides[0], None):
        with pytest.raises(TypeError, match=r"slides: got .*, wants a sequence of slides"):
            hard_negatives(clf, one, cells)
    for twice in ([slides[0], name, slides[1]], [slides[1], slides[1]]):
        with pytest.raises(ValueError, match=r"slides: .* both named '.*'; wants each slide once"):
            hard_negatives(clf, twice, cells)


def test_a_radius_in_micrometres_wants_a_resolution_before_slides_are_scanned(
    clf, slides, cells, road, tmp_path
):
    both = [slides[0], Slide(road / "slides" / "ü.png")]
    message = r"radius_um: got 6 um, and Slide.*ü\.png.* has no resolution; leave it out\."
    with pytest.raises(ValueError, match=message):
        hard_negatives(clf, both, cells, radius_um=6, out=tmp_path, **HOW)
    assert not list(tmp_path.iterdir())
