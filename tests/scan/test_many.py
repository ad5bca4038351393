"""Many slides: the tables of one by one, whatever runs them; a bad slide stops nobody."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config

import stnclf
from stnclf.scan import scan, scan_slides
from stnclf.scan._many import names_of_tables
from stnclf.slides import Slide

HOW = {"mpp": 0.25, "nms_radius_um": 2}


@pytest.fixture(scope="module")
def clf(road):
    return stnclf.load(road / "model.safetensors")


@pytest.fixture
def slides(road):
    return [Slide(road / "slides" / name, 0.25) for name in ("ü.png", "a b.tif")]


@pytest.fixture(scope="module")
def tables(road, clf):
    return [scan(clf, Slide(road / "slides" / name, 0.25), **HOW) for name in ("ü.png", "a b.tif")]


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_tables_are_those_of_scan(backend, clf, slides, tables, tmp_path):
    with parallel_config(backend=backend):
        found = scan_slides(clf, slides, n_jobs=2, out=tmp_path, tile_jobs=2, **HOW)
    for a, b in zip(found, tables):
        pd.testing.assert_frame_equal(a, b)
    assert sorted(os.listdir(tmp_path)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]
    again = scan_slides(clf, slides, out=tmp_path, resume=True, **HOW)
    for a, b in zip(again, tables):
        pd.testing.assert_frame_equal(a, b, check_dtype=False)


def test_each_class_has_its_own_threshold(clf, slides, tmp_path):
    everything = scan(clf, slides[0], min_probability=0, **HOW)
    values = {name: part["probability"].median() for name, part in everything.groupby("label")}
    wanted = everything[everything["probability"] >= everything["label"].map(values)]
    assert 0 < len(wanted) < len(everything)
    one = scan(clf, slides[0], min_probability=values, **HOW)
    pd.testing.assert_frame_equal(one, wanted.reset_index(drop=True))
    chosen = copy.deepcopy(clf)
    chosen.detection_thresholds_ = values
    # Taken by default, by workers too, unless something else is given.
    with parallel_config(backend="loky"):
        found = scan_slides(chosen, slides[:1], n_jobs=2, out=tmp_path, **HOW)
    pd.testing.assert_frame_equal(found[0], one)
    pd.testing.assert_frame_equal(scan(chosen, slides[0], min_probability=0, **HOW), everything)
    # The same thresholds by another way are the same run; others are another one.
    again = scan_slides(clf, slides[:1], out=tmp_path, resume=True, min_probability=values, **HOW)
    pd.testing.assert_frame_equal(again[0], one, check_dtype=False)
    with pytest.raises(ValueError, match="a table of another min probability"):
        scan_slides(clf, slides[:1], out=tmp_path, resume=True, **HOW)


def test_finished_tables_are_kept_with_resume_only(clf, slides, tables, tmp_path):
    scan_slides(clf, slides[:1], out=tmp_path, **HOW)
    before = (tmp_path / "ü.csv").stat().st_mtime_ns
    found = scan_slides(clf, slides, out=tmp_path, resume=True, **HOW)
    assert (tmp_path / "ü.csv").stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(found[0], tables[0], check_dtype=False)
    pd.testing.assert_frame_equal(found[1], tables[1])
    scan_slides(clf, slides, out=tmp_path, **HOW)
    assert (tmp_path / "ü.csv").stat().st_mtime_ns > before


def test_a_table_that_does_not_say_what_it_is_is_not_taken_for_one(clf, slides, tmp_path):
    (tmp_path / "ü.csv").write_text("image,x,y,label\na,1,2,b\n")
    with pytest.raises(
        ValueError, match=r"ü\.csv' is complete, but was made by a run that did not"
    ):
        scan_slides(clf, slides[:1], out=tmp_path, resume=True, **HOW)
    assert (tmp_path / "ü.csv").read_text() == "image,x,y,label\na,1,2,b\n"


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_never_holds_two_models_or_settings(clf, slides, tmp_path, resume):
    scan_slides(clf, slides[:1], out=tmp_path, **HOW)
    other = copy.deepcopy(clf)
    with torch.no_grad():
        next(iter(other.net_.module_.parameters())).add_(0.01)
    names = sorted(os.listdir(tmp_path))
    for estimator, more, word in (
        (other, {}, "model"),
        (clf, {"labels": ["disc"]}, "labels"),
        (clf, {"nms_radius_um": 3}, "nms radius um"),
    ):
        with pytest.raises(ValueError, match=rf"out: .* another {word}.*: 'ü\.csv'"):
            scan_slides(estimator, slides[1:], out=tmp_path, resume=resume, **{**HOW, **more})
    assert sorted(os.listdir(tmp_path)) == names
    scan_slides(other, slides[:1], out=tmp_path, **HOW)  # which replaces the only table


def test_without_resume_a_scan_begins_anew(clf, slides, tables, tmp_path):
    progress = tmp_path / "ü.csv.progress"
    progress.write_text('{"fingerprint": "of another run"}\n')
    with pytest.raises(ValueError, match="an older version"):
        scan_slides(clf, slides[:1], out=tmp_path, resume=True, **HOW)
    progress.write_text('{"fingerprint": "of another run"}\n')
    (found,) = scan_slides(clf, slides[:1], out=tmp_path, **HOW)
    pd.testing.assert_frame_equal(found, tables[0])
    assert sorted(os.listdir(tmp_path)) == ["ü.csv", "ü.csv.json"]


def test_a_bad_slide_fails_when_the_others_are_done(clf, slides, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ValueError, match=r"bad\.png"):
        scan_slides(clf, [bad, *slides], out=out, **HOW)
    assert sorted(os.listdir(out)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]
    with pytest.raises(FileNotFoundError, match="gone"):
        scan_slides(clf, [tmp_path / "gone.png"], **HOW)
    with pytest.raises(TypeError, match="nonsense"):
        scan_slides(clf, slides[:1], nonsense=1)


def test_arguments_are_checked(clf, slides, tmp_path):
    with pytest.raises(FileNotFoundError, match="out: there is no folder"):
        scan_slides(clf, slides, out=tmp_path / "no")
    with pytest.raises(ValueError, match="resume: "):
        scan_slides(clf, slides, resume=True)
    with pytest.raises(ValueError, match=r"would both become 'a\.csv'"):
        scan_slides(clf, ["x/a.png", "y/a.tif"], out=tmp_path)


def test_one_bar_over_slides_or_over_tiles(clf, slides, capsys):
    scan_slides(clf, slides, verbose=1, **HOW)
    assert "2/2" in capsys.readouterr().err
    scan_slides(clf, slides[:1], verbose=1, **HOW)
    assert "tile" in capsys.readouterr().err
    scan_slides(clf, slides[:1], **HOW)
    assert capsys.readouterr().err == ""


def test_names(slides):
    assert names_of_tables([*slides, "x/b.c.svs"]) == ["ü.csv", "a b.csv", "b.c.csv"]


@pytest.mark.skipif(os.name != "posix", reason="names are UTF-8 here")
def test_names_that_are_not_utf_8_are_refused_before_the_work(road, clf, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.png")
    os.symlink(road / "slides" / "ü.png", path)
    with pytest.raises(
        ValueError, match=r"slides: got the file name 'a\\udcff\.csv', wants one in"
    ):
        scan_slides(clf, [path], out=tmp_path, **HOW)
    with pytest.raises(ValueError, match=r"slide: got the file name 'a\\udcff\.png', wants one in"):
        scan(clf, Slide(path, 0.25), out=tmp_path / "a.csv", **HOW)
    assert [name for name in os.listdir(tmp_path) if name.endswith("csv")] == []


def test_slides_are_a_sequence(clf):
    for one in ("a.svs", Path("a.svs"), np.zeros((9, 9, 3), np.uint8), 3):
        with pytest.raises(TypeError, match=r"slides: got .*, wants a sequence of slides"):
            scan_slides(clf, one, mpp=0.25)
    assert scan_slides(clf, [], mpp=0.25) == []
