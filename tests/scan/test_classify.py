"""Cells that are located already: classes of predict_proba, in the rows of the table."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

import stnclf
from stnclf import CiresanBaseline, Ensemble
from stnclf._utils import run
from stnclf.annotations import read_annotations
from stnclf.scan import _classify, classify_cells
from stnclf.slides import Slide, SlideReadError, extract_patches


@pytest.fixture(scope="module")
def clf(road):
    return stnclf.load(road / "model.safetensors")


@pytest.fixture
def cells(road):
    """Cells of both slides, in mixed order, under an index of their own."""
    table = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    table = table.sample(frac=1, random_state=0)
    return table.assign(area=np.arange(len(table)) / 7, x=table["x"] + 0.25)


def test_classes_are_those_of_predict_proba_on_the_same_patches(road, clf, cells):
    here = cells[cells["image"] == "ü.png"]
    X, *_ = extract_patches(here, road / "slides", size=32, image_size=48, mpp=None, max_offset=0)
    expected = clf.predict_proba(X)
    slide = Slide(road / "slides" / "ü.png", 0.25)
    found = classify_cells(clf, slide, cells, mpp=0.25)
    assert found.index.tolist() == here.index.tolist()
    columns = ["image", "x", "y", "label", "probability", "probability_cross", "probability_disc"]
    assert found.columns.tolist() == [*columns, "annotated", "area"]
    pd.testing.assert_frame_equal(
        found[["image", "x", "y", "area"]], here[["image", "x", "y", "area"]]
    )
    assert found["annotated"].tolist() == here["label"].tolist()
    np.testing.assert_allclose(found[columns[-2:]], expected, atol=5.1e-7)
    assert found["label"].tolist() == clf.classes_[expected.argmax(axis=1)].tolist()
    np.testing.assert_array_equal(found["probability"], found[columns[-2:]].max(axis=1))
    assert (found["label"] == found["annotated"]).mean() > 0.9


def test_a_finished_run_holds_for_the_columns_that_it_copied(clf, cells, road, tmp_path):
    here = cells[cells["image"] == "ü.png"].iloc[:3]
    how = {"mpp": 0.25, "out": tmp_path / "c.csv", "resume": True}
    slide = Slide(road / "slides" / "ü.png", 0.25)
    classify_cells(clf, slide, here, **how)
    classify_cells(clf, slide, here, **how)
    for other in (here.assign(label="new"), here.assign(area=0), here.assign(note="n")):
        with pytest.raises(ValueError, match="is complete, but was made with another cells"):
            classify_cells(clf, slide, other, **how)


def test_an_ensemble_says_where_its_members_disagree(road, clf, cells, tmp_path):
    other = stnclf.load(road / "model.safetensors")
    for parameter in other.net_.module_.classifier.parameters():
        parameter.data *= 0.5
    ensemble = Ensemble([clf, other])
    here = cells[cells["image"] == "ü.png"].assign(disagreement="of people")
    X, *_ = extract_patches(here, road / "slides", size=32, image_size=48, mpp=None, max_offset=0)
    slide = Slide(road / "slides" / "ü.png", 0.25)
    found = classify_cells(ensemble, slide, here, mpp=0.25, out=tmp_path / "c.csv")
    np.testing.assert_allclose(found["disagreement"], ensemble.disagreement(X), atol=5.1e-7)
    columns = ["probability_cross", "probability_disc"]
    np.testing.assert_allclose(found[columns], ensemble.predict_proba(X), atol=5.1e-7)
    assert found["disagreement"].max() > 0.01
    read = pd.read_csv(tmp_path / "c.csv")
    np.testing.assert_allclose(read["disagreement"], found["disagreement"])
    alone = classify_cells(clf, slide, found, mpp=0.25)
    assert "disagreement" not in alone  # it would be that of the ensemble


def test_what_people_said_survives_a_second_run(road, clf, cells):
    here = cells[cells["image"] == "ü.png"].assign(probability_of_death=0.5)
    slide = Slide(road / "slides" / "ü.png", 0.25)
    first = classify_cells(clf, slide, here, mpp=0.25)
    # As of a model of other classes.
    other = first.assign(label="tree", probability_tree=0.75, probability_cross=0.25)
    again = classify_cells(clf, slide, other, mpp=0.25)
    pd.testing.assert_frame_equal(again, first)
    assert again["annotated"].tolist() == here["label"].tolist()
    assert set(again["probability_of_death"]) == {0.5}
    without = classify_cells(clf, slide, first.drop(columns="label"), mpp=0.25)
    pd.testing.assert_frame_equal(without, first)


def test_votes_are_written_as_they_are_read(road, clf, cells, tmp_path):
    here = cells[cells["image"] == "ü.png"].iloc[:3]
    votes = [("disc", None), None, ("cross", "disc", "a, b")]
    voters = [("Ann", 'B "Bob" B'), None, ("x", "y", "ü")]
    here = here.assign(votes=votes, voters=voters)
    slide = Slide(road / "slides" / "ü.png", 0.25)
    found = classify_cells(clf, slide, here, mpp=0.25, out=tmp_path / "c.csv")
    read = read_annotations(tmp_path / "c.csv")
    for table in (found, read):
        assert table["votes"].tolist() == votes
        assert table["voters"].tolist() == voters


def test_slides_are_read_at_the_resolution_of_training(road, clf, cells):
    here = cells[cells["image"] == "a b.tif"]
    X, *_ = extract_patches(here, road / "slides", size=32, image_size=48, mpp=0.37, max_offset=0)
    found = classify_cells(clf, road / "slides" / "a b.tif", here, mpp=0.37)
    np.testing.assert_allclose(
        found[["probability_cross", "probability_disc"]], clf.predict_proba(X), atol=0.03
    )


def test_images_that_are_not_square_and_tables_of_other_kinds(blobs):
    X, y, _ = blobs  # 24 x 36 px
    clf = CiresanBaseline(epochs=1, patch_size=(20, 33), random_state=0).fit(X, y)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    table = {"image": ["array"] * 3, "x": [40, 61.75, 0], "y": [30.5, 50, 0]}
    found = classify_cells(clf, pixels, table)
    padded = np.pad(pixels, [(40, 40), (40, 40), (0, 0)], constant_values=255)
    corners = [(40 - 17, 30 - 11), (62 - 18, 50 - 11), (0 - 17, 0 - 11)]
    cut = np.stack([padded[y + 40 :, x + 40 :][:24, :36] for x, y in corners])
    expected = clf.predict_proba(cut)
    np.testing.assert_allclose(found.iloc[:, 5:7], expected, atol=5.1e-7)
    assert found.columns.tolist()[:4] == ["image", "x", "y", "label"]
    assert "annotated" not in found


def test_an_interrupted_run_goes_on(road, clf, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 0.0)
    monkeypatch.setattr(_classify, "_CHUNK", 7)
    slide, here = road / "slides" / "ü.png", cells[cells["image"] == "ü.png"]
    how = {"mpp": 0.25, "out": tmp_path / "c.csv"}
    slide = Slide(slide, 0.25)
    whole = classify_cells(clf, slide, here, mpp=0.25, out=tmp_path / "whole.csv")
    original, left = Slide.read_region, [16]

    def stop(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Slide, "read_region", stop)
        with pytest.raises(KeyboardInterrupt):
            classify_cells(clf, slide, here, **how)
    with pytest.raises(ValueError, match="begun with another"):
        classify_cells(clf, slide, here.iloc[1:], **how, resume=True)
    reads = []
    monkeypatch.setattr(
        Slide, "read_region", lambda *args: (reads.append(args), original(*args))[1]
    )
    got = classify_cells(clf, slide, here, **how, resume=True)
    assert len(reads) == len(here) - 14
    pd.testing.assert_frame_equal(got, whole)
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    again = classify_cells(clf, slide, here, **how, resume=True)
    assert again["label"].tolist() == whole["label"].tolist()
    assert len(reads) == len(here) - 14


def test_what_cannot_be_read_stops_or_stays_empty(clf, cells, road, monkeypatch):
    here = cells[cells["image"] == "ü.png"]
    original = Slide.read_region

    def broken(self, x, y, width, height, mpp=None):
        if x < 100:
            raise SlideReadError("ü.png", "is damaged", [(0, 0, 100, 300)])
        return original(self, x, y, width, height, mpp)

    monkeypatch.setattr(Slide, "read_region", broken)
    slide = Slide(road / "slides" / "ü.png", 0.25)
    with pytest.raises(SlideReadError):
        classify_cells(clf, slide, here, mpp=0.25)
    found = classify_cells(clf, slide, here, mpp=0.25, on_error="skip")
    lost = (here["x"] < 100 + 15).to_numpy()
    assert 0 < lost.sum() < len(here)
    assert found["label"].isna().tolist() == lost.tolist()
    assert found["probability"].isna().tolist() == lost.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": 5000.0}, r"row \d+: x, y = 5000, .* lies outside .* of 420 x 300 px"),
        ({"x": np.nan}, r"table, row \d+: x, y are \[nan"),
        ({"image": 3}, "table, row .*: image 3 is no file name"),
    ],
)
def test_bad_rows_are_named(change, message, clf, cells, road):
    bad = cells.astype({"image": object}).copy()
    (column, value), *_ = change.items()
    bad.loc[bad.index[4], column] = value
    slide = Slide(road / "slides" / bad["image"].iloc[4 if column != "image" else 3], 0.25)
    with pytest.raises(ValueError, match=message):
        classify_cells(clf, slide, bad, mpp=0.25)


def test_other_mistakes_are_named(clf, cells, road):
    slide = Slide(road / "slides" / "ü.png", 0.25)
    with pytest.raises(ValueError, match="none of its images is named 'array'"):
        classify_cells(clf, np.zeros((300, 420, 3), np.uint8), cells)
    with pytest.raises(ValueError, match=r"table: .* it has no 'x'"):
        classify_cells(clf, slide, {"image": ["a"]})
    with pytest.raises(TypeError, match="estimator: got int"):
        classify_cells(3, slide, cells)
    with pytest.raises(ValueError, match="on_error: got 'x'"):
        classify_cells(clf, slide, cells, on_error="x")


def test_slides_are_named_in_either_form_of_unicode(clf, cells, road):
    slide = Slide(road / "slides" / "ü.png", 0.25)
    expected = classify_cells(clf, slide, cells, mpp=0.25)
    decomposed = unicodedata.normalize("NFD", "ü.png")
    renamed = cells.assign(image=cells["image"].replace("ü.png", decomposed))
    found = classify_cells(clf, slide, renamed, mpp=0.25)
    assert found["label"].tolist() == expected["label"].tolist()


def test_the_folder_of_a_slide_counts_for_nothing(clf, cells, road):
    slide = Slide(road / "slides" / "ü.png", 0.25)
    expected = classify_cells(clf, slide, cells, mpp=0.25)
    below = cells.assign(image="day1/" + cells["image"])
    found = classify_cells(clf, slide, below, mpp=0.25)
    assert set(found["image"]) == {"day1/ü.png"}
    pd.testing.assert_frame_equal(found.assign(image="ü.png"), expected)
