"""Scans of small slides: the right cells, whatever the tiles, threads and interruptions."""

import copy
import os
import signal
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from stnclf import CiresanBaseline, Optimizer, STNCellClassifier, save
from stnclf.annotations import read_annotations, write_annotations
from stnclf.metrics import detection_score
from stnclf.scan import scan
from stnclf.slides import Slide, extract_patches, write_pyramid_tiff
from tests import processes

MPP = 0.25
# Cells are 11 px wide and at least 22 px apart; training at 0.25 um, nothing closer than 2 um.
HOW = {"mpp": MPP, "nms_radius_um": 2.0}


def make_field(height, width, n, seed=0):
    """Discs and crosses on coloured noise, and a table of them; not square on purpose."""
    rng = np.random.default_rng(seed)
    image = rng.integers(80, 110, (height, width, 3), dtype=np.uint8)
    image[:, :, 1] -= 60
    points = np.empty((0, 2))
    while len(points) < n:
        point = np.round(rng.uniform((12, 12), (width - 12, height - 12)))
        if (np.hypot(*(points - point).T) >= 22).all():
            points = np.concatenate([points, point[None]])
    labels = np.where(np.arange(n) % 2, "disc", "cross")
    yy, xx = np.mgrid[:height, :width]
    for (x, y), label in zip(points, labels):
        dx, dy = np.abs(xx - x), np.abs(yy - y)
        disc = dx**2 + dy**2 <= 14
        cross = (np.minimum(dx, dy) == 0) & (np.maximum(dx, dy) <= 5)
        image[disc if label == "disc" else cross] = (240, 70, 90)
    return image, pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": labels})


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    from PIL import Image

    root = tmp_path_factory.mktemp("training")
    image, truth = make_field(300, 420, 120)
    Image.fromarray(image).save(root / "a.png")
    X, y, centers, _ = extract_patches(truth.assign(image="a.png"), root, size=32, mpp=None)
    return X, y, centers


@pytest.fixture(scope="module")
def heat(patches):
    X, y, centers = patches
    clf = STNCellClassifier(
        patch_size=32,
        batch_size=16,
        classifier_epochs=8,
        localizer_epochs=10,
        tta=False,  # a scan takes long with it; `glimpses` has it
        random_state=0,
    )
    return clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))


@pytest.fixture(scope="module")
def glimpses(heat, patches):
    X, y, centers = patches
    clf = clone(heat).set_params(classifier="context", n_glimpses=2, tta=True)
    return clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))


@pytest.fixture(scope="module")
def apart(heat, patches):
    """A localizer and a classifier that share no layers."""
    X, y, centers = patches
    clf = clone(heat).set_params(classifier="context")
    return clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))


@pytest.fixture(scope="module")
def dense(patches):
    X, y, centers = patches
    clf = STNCellClassifier(
        patch_size=32,
        localizer="dense",
        batch_size=16,
        classifier_epochs=1,
        tta=False,
        random_state=0,
    )
    return clf.fit(X, y, centers=centers, stages=("classifier",))


@pytest.fixture(scope="module")
def baseline(patches):
    X, y, centers = patches
    clf = CiresanBaseline(
        patch_size=32, batch_size=16, epochs=25, optimizer=Optimizer(lr=3e-3), random_state=0
    )
    return clf.fit(X, y, centers=centers)


@pytest.fixture(scope="module")
def field():
    return make_field(230, 330, 60, seed=1)


def by_place(table):
    return table.sort_values(["label", "y", "x"], ignore_index=True)


def assert_same_cells(a, b):
    """Compare two tables up to the rounding of positions and probabilities."""
    pd.testing.assert_frame_equal(by_place(a), by_place(b), rtol=0, atol=0.02)


def test_windows_in_all_symmetries_find_them_too(glimpses, field):
    image, truth = field
    found = scan(glimpses, Slide(image, mpp=MPP), labels=["disc"], **HOW)
    score = detection_score(truth, found, mpp=MPP, radius_um=0.5, labels=["disc"])["disc"]
    assert score["recall"] == 1
    # Peaks on nothing, which training does not show, may be named too, but less surely.
    assert score["average_precision"] > 0.95


def test_every_cell_is_found_where_it_is(heat, field):
    image, truth = field
    found = scan(heat, Slide(image, mpp=MPP), labels=["disc"], **HOW)
    assert found.columns.tolist() == [
        *["image", "x", "y", "label", "probability"],
        *["probability_cross", "probability_disc"],
    ]
    score = detection_score(truth, found, mpp=MPP, radius_um=0.5, labels=["disc"])["disc"]
    assert score["precision"] == score["recall"] == 1
    assert (found["image"] == "array").all()
    assert (found["probability"] == found["probability_disc"]).all()
    np.testing.assert_allclose(found[["probability_cross", "probability_disc"]].sum(axis=1), 1)
    assert found["probability"].is_monotonic_decreasing
    assert found["probability"].min() >= 0.5
    everything = scan(heat, Slide(image, mpp=MPP), min_probability=0, **HOW)
    scores = detection_score(truth, everything, mpp=MPP, radius_um=0.5)
    assert [scores[label]["recall"] for label in ("cross", "disc")] == [1, 1]


def test_the_baselines_map_finds_them_too(baseline, field):
    image, truth = field
    found = scan(baseline, Slide(image, mpp=MPP), labels=["disc"], stride=4, **HOW)
    score = detection_score(truth, found, mpp=MPP, radius_um=1.0)["disc"]
    assert score["f1"] > 0.8
    found = scan(baseline, Slide(image, mpp=MPP), labels=["disc"], **HOW)
    assert detection_score(truth, found, mpp=MPP, radius_um=1.0)["disc"]["f1"] > 0.6


WAYS = {
    "heat": ("heat", {}),
    "glimpses": ("glimpses", {}),
    "dense": ("dense", {}),
    "baseline": ("baseline", {}),
    "map": ("baseline", {"stride": 4}),
}


@pytest.mark.parametrize("way", WAYS)
def test_tiles_of_any_size_give_the_same(way, field, request):
    name, more = WAYS[way]
    estimator, slide = request.getfixturevalue(name), Slide(field[0][:150, :220], mpp=MPP)
    how = {**HOW, **more, "min_probability": 0}
    whole = scan(estimator, slide, tile_size=1000, **how)
    assert len(whole) > 20
    for tile_size in np.random.default_rng(0).integers(20, 200, 2).tolist():
        assert_same_cells(scan(estimator, slide, tile_size=tile_size, **how), whole)


@pytest.mark.parametrize("way", WAYS)
def test_any_number_of_jobs_gives_exactly_the_same(way, field, request):
    name, more = WAYS[way]
    estimator, slide = request.getfixturevalue(name), Slide(field[0][:130, :200], mpp=MPP)
    how = {**HOW, **more, "tile_size": 60}  # twelve tiles
    one = scan(estimator, slide, n_jobs=1, **how)
    for n_jobs in (5, -1):
        pd.testing.assert_frame_equal(scan(estimator, slide, n_jobs=n_jobs, **how), one)


def offsets(found, truth, zoom):
    """How far, in pixels of training, each disc of the truth is from what is nearest to it."""
    off = []
    for row in truth[truth["label"] == "disc"].itertuples():
        place = zoom * (np.array([row.x, row.y]) + 0.5) - 0.5
        nearest = np.hypot(*(found[["x", "y"]].to_numpy() - place).T).argmin()
        off.append((found.loc[nearest, ["x", "y"]].to_numpy(dtype=float) - place) / zoom)
    return np.array(off)


def offsets_at(estimator, field, zoom):
    """Offsets of what is found at the resolution of training, and at a finer level 0."""
    image, truth = field
    plain = offsets(scan(estimator, Slide(image, mpp=MPP), labels=["disc"], **HOW), truth, 1)
    large = Slide(image.repeat(zoom, axis=0).repeat(zoom, axis=1), mpp=MPP / zoom)
    return plain, offsets(scan(estimator, large, labels=["disc"], **HOW), truth, zoom)


@pytest.mark.parametrize("zoom", [2, 3])
def test_positions_are_those_of_level_0(heat, apart, field, zoom):
    plain, found = offsets_at(apart, field, zoom)
    assert np.abs(plain).max() < 1
    # Half a pixel of level 0 would be more than this.
    assert np.abs(found - plain).max() < 0.1
    plain, found = offsets_at(heat, field, zoom)
    assert np.abs(plain).max() < 1
    # With shared layers one of two peaks on a cell, all but equally probable, may be another one.
    moved = np.abs(found - plain).max(axis=1)
    assert np.median(moved) < 0.05
    assert (moved < 0.1).mean() > 0.9


def test_the_estimator_knows_its_resolution(heat, field):
    slide = Slide(field[0], mpp=MPP)
    how = {"labels": ["disc"], "nms_radius_um": 2.0}
    there = scan(heat, slide, mpp=2 * MPP, **how)
    knows = copy.copy(heat).set_params(mpp=2 * MPP)
    pd.testing.assert_frame_equal(scan(knows, slide, **how), there)
    here = scan(knows, slide, mpp=MPP, **how)  # what is given counts
    pd.testing.assert_frame_equal(here, scan(heat, slide, mpp=MPP, **how))
    assert len(here) != len(there)
    with pytest.raises(ValueError, match="no usable resolution"):
        scan(knows, field[0], **how)


def test_without_any_resolution_pixels_are_taken_as_they_are(heat, field):
    image, _ = field
    found = scan(heat, image, min_probability=0)
    # Duplicates are no further apart than a quarter of the cell window, 4 px or 1 um.
    how = {"mpp": MPP, "min_probability": 0}
    assert_same_cells(found, scan(heat, Slide(image, mpp=MPP), **how))
    assert_same_cells(found, scan(heat, Slide(image, mpp=MPP), nms_radius_um=1.0, **how))
    with pytest.raises(ValueError, match=r"nms_radius_um: got 2 um, and .* has no resolution"):
        scan(heat, image, nms_radius_um=2.0)


def test_labels_choose_rows_and_nothing_else(heat, field):
    slide = Slide(field[0], mpp=MPP)
    everything = scan(heat, slide, **HOW)
    for label in ("cross", "disc"):
        part = everything[everything["label"] == label].reset_index(drop=True)
        pd.testing.assert_frame_equal(scan(heat, slide, labels=[label], **HOW), part)
    low = scan(heat, slide, labels=["disc"], **{**HOW, "min_probability": 0.0})
    assert (low["probability"] < 0.5).any()
    assert set(low["label"]) == {"disc"}


def test_of_duplicates_the_most_probable_stays(heat, field):
    slide, how = Slide(field[0], mpp=MPP), {"mpp": MPP, "min_probability": 0}
    many = scan(heat, slide, nms_radius_um=0.01, **how)
    few = scan(heat, slide, nms_radius_um=8.0, **how)
    assert len(few) < len(many)
    # The rule, in a plain loop.
    kept = []
    for row in many.sort_values(
        ["probability", "y", "x"], ascending=[False, True, True]
    ).itertuples():
        if all(np.hypot(other.x - row.x, other.y - row.y) > 32 for other in kept):
            kept.append(row)
    assert [(row.x, row.y) for row in kept] == list(zip(few["x"], few["y"]))


def test_only_tissue_is_looked_at(heat, field):
    image = field[0].copy()
    image[:, 150:] = 255
    image[::9, 150::9] = 0  # specks without colour
    slide = Slide(image, mpp=MPP)
    found = scan(heat, slide, min_probability=0, **HOW)
    assert len(found) > 10
    assert found["x"].max() < 150 + 3 * 32  # a cell of the mask beyond the edge, and the peak
    share = found.attrs["left_out"]["share"]
    assert share == pytest.approx((image.shape[1] - 150) / image.shape[1], abs=0.15)
    area = np.prod(image.shape[:2]) * MPP**2 / 1e6
    assert found.attrs["left_out"]["mm2"] == pytest.approx(share * area)
    anywhere = scan(heat, slide, min_probability=0, tissue=False, **HOW)
    assert anywhere.attrs["left_out"] == {"share": 0, "mm2": 0}
    assert anywhere["x"].max() > 300
    assert len(scan(heat, np.full((200, 300, 3), 255, np.uint8))) == 0
    assert len(scan(heat, np.full((200, 300, 3), 255, np.uint8), tissue=False)) == 0


def test_the_slides_own_format(heat, field, tmp_path):
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    pytest.importorskip("tifffile", reason="needs the extra [slides]")
    image, _ = field
    write_pyramid_tiff(image, tmp_path / "a.tif", MPP, 64, compression="deflate")
    found = scan(heat, tmp_path / "a.tif", **HOW)
    assert (found["image"] == "a.tif").all()
    pd.testing.assert_frame_equal(
        found.drop(columns="image"),
        scan(heat, Slide(image, mpp=MPP), **HOW).drop(columns="image"),
    )


def test_a_network_without_localizer_makes_a_map(patches, field):
    X, y, centers = patches
    sizes = {"patch_size": 16, "cell_size": 16, "batch_size": 16, "classifier": "inception"}
    clf = STNCellClassifier(classifier_epochs=10, tta=False, random_state=0, **sizes)
    clf.fit(X, y, centers=centers, stages=("classifier",))
    image, truth = field
    with pytest.raises(ValueError, match="stride: got None, wants 1 to 16 px"):
        scan(clf, Slide(image, mpp=MPP), **HOW)
    found = scan(clf, Slide(image, mpp=MPP), stride=4, labels=["disc"], **HOW)
    assert detection_score(truth, found, mpp=MPP, radius_um=1.0)["disc"]["recall"] > 0.9


def test_out_is_the_table(heat, field, tmp_path):
    out = tmp_path / "a.csv"
    found = scan(heat, Slide(field[0], mpp=MPP), out=out, **HOW)
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.json"]
    pd.testing.assert_frame_equal(read_annotations(out), found, check_dtype=False)
    assert read_annotations(out)["x"].tolist() == found["x"].tolist()
    write_annotations(found, tmp_path / "a.geojson")
    again = read_annotations(tmp_path / "a.geojson")
    np.testing.assert_array_equal(again[["x", "y"]], found[["x", "y"]])
    assert again["probability_disc"].tolist() == found["probability_disc"].tolist()
    none = scan(heat, np.full((50, 60, 3), 255, np.uint8), out=out)
    assert out.read_text() == ",".join(none.columns) + "\n"


KILLED = """
    import os, signal, sys
    from stnclf import load
    from stnclf._utils import progress, run
    from stnclf.scan import scan
    from stnclf.slides import Slide
    import numpy as np

    run.INTERVAL = 0.0
    left, add = [int(sys.argv[4])], progress.Progress.add

    def count(self, *arguments):
        add(self, *arguments)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    progress.Progress.add = count
    scan(load(sys.argv[1]), Slide(np.load(sys.argv[2]), mpp=0.25), mpp=0.25, nms_radius_um=2.0,
         tile_size=100, out=sys.argv[3], resume=True, n_jobs=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_scan_goes_on_where_it_was(heat, field, tmp_path, monkeypatch):
    save(heat, tmp_path / "model.safetensors")
    np.save(tmp_path / "image.npy", field[0])
    whole, out = tmp_path / "whole.csv", tmp_path / "a.csv"
    slide = Slide(field[0], mpp=MPP)
    how = {**HOW, "tile_size": 100}
    table = scan(heat, slide, out=whole, **how)
    for after in (9, 8):
        arguments = [tmp_path / "model.safetensors", tmp_path / "image.npy", out, after]
        done = processes.run(textwrap.dedent(KILLED), *arguments)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not out.exists()
    read = []
    original = Slide.read_region
    monkeypatch.setattr(
        Slide, "read_region", lambda *args: (read.append(args[1:]), original(*args))[1]
    )
    again = scan(heat, slide, out=out, resume=True, **how)
    # 35 tiles; the other thread may have noted one more before each death.
    assert 35 - 17 - 2 <= len(read) <= 35 - 17
    pd.testing.assert_frame_equal(again, table)
    assert out.read_bytes() == whole.read_bytes()
    assert not Path(f"{out}.progress").exists()


def interrupted(*args):
    raise KeyboardInterrupt


def test_only_the_same_run_goes_on(heat, dense, field, tmp_path, monkeypatch):
    out, slide = tmp_path / "a.csv", Slide(field[0], mpp=MPP)
    with monkeypatch.context() as patch:
        patch.setattr(Slide, "read_region", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scan(heat, slide, out=out, **HOW)
    assert os.listdir(tmp_path) == ["a.csv.progress"]
    for estimator, other, more in (
        (dense, slide, {}),
        (heat, Slide(field[0][:-1], mpp=MPP), {}),
        (heat, Slide(field[0][::-1].copy(), mpp=MPP), {}),
        (heat, slide, {"min_probability": 0.6}),
        (heat, slide, {"nms_radius_um": 9.0}),
        (heat, slide, {"labels": ["disc"]}),
        (heat, slide, {"mpp": 0.26}),
        (heat, slide, {"tta": False}),
    ):
        with pytest.raises(ValueError, match=r"begun with another (mo|slide|la|min|nms|mpp|tta)"):
            scan(estimator, other, out=out, resume=True, **{**HOW, **more})
    assert len(scan(heat, slide, out=out, resume=True, **HOW)) > 40
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.json"]


def test_a_slide_that_has_changed_is_refused(heat, field, tmp_path, monkeypatch):
    pytest.importorskip("tifffile", reason="needs the extra [slides]")
    image, out = field[0].copy(), tmp_path / "a.csv"
    write_pyramid_tiff(image, tmp_path / "a.tif", MPP, 64, compression="deflate")
    with monkeypatch.context() as patch:
        patch.setattr(Slide, "read_region", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scan(heat, tmp_path / "a.tif", out=out, **HOW)
    image[:9] = 255
    write_pyramid_tiff(image, tmp_path / "a.tif", MPP, 64, compression="deflate")
    with pytest.raises(ValueError, match="begun with another slide"):
        scan(heat, tmp_path / "a.tif", out=out, resume=True, **HOW)
    assert sorted(os.listdir(tmp_path)) == ["a.csv.progress", "a.tif"]


def test_a_folder_that_goes_away_is_named(heat, field, tmp_path, monkeypatch):
    folder, original = tmp_path / "results", Slide.read_region
    folder.mkdir()

    def remove(self, *args):
        for name in ("a.csv.progress", "a.csv.lock"):
            (folder / name).unlink(missing_ok=True)
        if folder.exists():
            folder.rmdir()
        return original(self, *args)

    monkeypatch.setattr(Slide, "read_region", remove)
    with pytest.raises(OSError, match=r"could not be written: .*results/a\.csv") as error:
        scan(heat, Slide(field[0], mpp=MPP), out=folder / "a.csv", tile_size=200, **HOW)
    assert error.value.filename.startswith(str(folder / "a.csv"))


def test_a_slide_that_cannot_be_read_leaves_nothing(heat, tmp_path, field, monkeypatch):
    original, calls = Slide.read_region, []

    def fail(self, *args):
        calls.append(args)
        if len(calls) == 4:
            raise ValueError("'a.tif': cannot be read as a slide or image (damaged).")
        return original(self, *args)

    monkeypatch.setattr(Slide, "read_region", fail)
    with pytest.raises(ValueError, match=r"a\.tif"):
        scan(heat, Slide(field[0], mpp=MPP), out=tmp_path / "a.csv", tile_size=50, n_jobs=2, **HOW)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ["mitosis"]}, r"labels: got \['mitosis'\], wants .*\['cross', 'disc'\]"),
        ({"labels": "disc"}, "labels: got 'disc'"),
        ({"labels": []}, r"labels: got \[\]"),
        ({"mpp": None}, "mpp: .*has 0.25 um per pixel; wants those of the images"),
        ({"mpp": -1}, "mpp: got -1"),
        ({"min_probability": 1.2}, "min_probability: got 1.2"),
        ({"nms_radius_um": 0}, "nms_radius_um: got 0"),
        ({"stride": 8}, "stride: got 8; the heatmap localizer looks at whole tiles"),
        ({"stride": 0}, "stride: got 0"),
        ({"tile_size": 1.5}, "tile_size: got 1.5"),
        ({"tta": "all"}, "tta: got 'all', wants True, False or 'undecided'"),
        ({"tta": 1}, "tta: got 1, wants"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
        ({"resume": True}, "resume: there is nothing to resume without out="),
        ({"out": "."}, "out: .* is a folder"),
    ],
)
def test_bad_arguments_are_named(heat, field, arguments, message):
    with pytest.raises(ValueError, match=message):
        scan(heat, Slide(field[0], mpp=MPP), **{**HOW, **arguments})


def test_a_stride_that_leaves_gaps_is_refused(dense, field):
    with pytest.raises(ValueError, match="stride: got 33, wants 1 to 32 px"):
        scan(dense, Slide(field[0], mpp=MPP), stride=33, **HOW)


def test_what_else_is_refused(heat, field, tmp_path):
    slide = Slide(field[0])
    with pytest.raises(ValueError, match="has no usable resolution"):
        scan(heat, slide, mpp=0.25)
    with pytest.raises(FileNotFoundError, match="no such file"):
        scan(heat, tmp_path / "none.svs", mpp=0.25)
    with pytest.raises(FileNotFoundError, match="out: the folder"):
        scan(heat, slide, out=tmp_path / "none" / "a.csv")
    with pytest.raises(NotFittedError):
        scan(STNCellClassifier(), slide)
    with pytest.raises(TypeError, match="estimator: got dict"):
        scan({}, slide)
    grey = STNCellClassifier(classifier_epochs=0, localizer_epochs=0, joint_epochs=0)
    grey.fit(np.zeros((4, 20, 20), np.uint8), [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"estimator: .* 1 channel, slides have 3"):
        scan(grey, slide)
    assert os.listdir(tmp_path) == []
