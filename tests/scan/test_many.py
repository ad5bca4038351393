"""Many slides: the tables of one by one, whatever runs them; a bad slide stops nobody."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from joblib import parallel_config

import stnclf
from stnclf.scan import scan, scan_slides
from stnclf.scan._many import is_done, names_of_tables
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
    assert sorted(os.listdir(tmp_path)) == ["a b.csv", "ü.csv"]
    again = scan_slides(clf, slides, out=tmp_path, resume=True, **HOW)
    for a, b in zip(again, tables):
        pd.testing.assert_frame_equal(a, b, check_dtype=False)


def test_finished_tables_are_kept_with_resume_only(clf, slides, tables, tmp_path):
    (tmp_path / "ü.csv").write_text("image,x,y,label\na,1,2,b\n")
    found = scan_slides(clf, slides, out=tmp_path, resume=True, **HOW)
    assert found[0]["x"].tolist() == [1.0]
    pd.testing.assert_frame_equal(found[1], tables[1])
    found = scan_slides(clf, slides, out=tmp_path, **HOW)
    pd.testing.assert_frame_equal(found[0], tables[0])


def test_without_resume_a_scan_begins_anew(clf, slides, tables, tmp_path):
    progress = tmp_path / "ü.csv.progress"
    progress.write_text('{"fingerprint": "of another run"}\n')
    with pytest.raises(ValueError, match="another slide, model or settings"):
        scan_slides(clf, slides[:1], out=tmp_path, resume=True, **HOW)
    progress.write_text('{"fingerprint": "of another run"}\n')
    (found,) = scan_slides(clf, slides[:1], out=tmp_path, **HOW)
    pd.testing.assert_frame_equal(found, tables[0])
    assert os.listdir(tmp_path) == ["ü.csv"]


def test_a_bad_slide_fails_when_the_others_are_done(clf, slides, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ValueError, match=r"bad\.png"):
        scan_slides(clf, [bad, *slides], out=out, **HOW)
    assert sorted(os.listdir(out)) == ["a b.csv", "ü.csv"]
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


def test_done_is_a_table_without_progress(tmp_path):
    out = tmp_path / "a.csv"
    assert not is_done(out)
    out.touch()
    assert is_done(out)
    (tmp_path / "a.csv.progress").touch()
    assert not is_done(out)
