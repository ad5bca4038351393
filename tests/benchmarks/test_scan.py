"""What the scan benchmark and the slide example share, and the tables of the results."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tifffile", reason="needs the extra [slides]")

import _slides
import scan as benchmark
from _run import Store

from stnclf.slides import Slide


def cells(points, label):
    x, y = np.transpose(points)
    return pd.DataFrame({"image": "a.tif", "x": x, "y": y, "label": label})


def test_a_painted_slide_has_its_table(tmp_path):
    path = tmp_path / "a.tif"
    table = _slides.paint_slide(path, 512, 0, n_mitoses=3)
    assert set(table) == {"image", "x", "y", "label"}
    assert (table["image"] == "a.tif").all()
    assert (table["label"] == "mitotic figure").sum() == 3
    assert Slide(path).size == (512, 512)
    assert Slide(path).mpp == pytest.approx(0.25, rel=1e-3)


def test_some_of_each_label():
    table = cells(np.arange(20).reshape(10, 2), ["a"] * 7 + ["b"] * 3)
    chosen = _slides.some_of_each(table, 4, seed=0)
    assert chosen["label"].value_counts().to_dict() == {"a": 4, "b": 3}
    assert len(chosen.drop_duplicates()) == 7
    other = _slides.some_of_each(table, 4, seed=1)
    assert sorted(chosen["x"]) != sorted(other["x"])


def with_spots(height, width, points):
    """Dark spots of 3 um radius, at 0.25 um, on a pale ground."""
    image = np.full((height, width, 3), 230, np.uint8)
    yy, xx = np.mgrid[:height, :width]
    for x, y in points:
        image[np.hypot(xx - x, yy - y) <= 12] = (90, 60, 120)
    return image


def test_other_cells_are_dark_spots_far_from_annotated_ones():
    spots = [(60, 40), (160, 100), (260, 50), (90, 160)]
    slide = Slide(with_spots(200, 320, spots), mpp=0.25)
    # 7.5 um are 30 px: of the first spot something else is annotated beside it.
    others = _slides.other_cells(slide, cells([[60 + 25, 40], [160, 100 + 36]], "mitosis"))
    places = others.sort_values("x")[["x", "y"]].to_numpy()
    np.testing.assert_allclose(places, [(90, 160), (160, 100), (260, 50)], atol=3)
    assert set(others["label"]) == {"other cell"}
    assert set(others["image"]) == {"a.tif"}


def test_stains_vary_from_patch_to_patch_and_glass_stays_light():
    X = np.full((6, 12, 12, 3), 250, np.uint8)
    X[:, 3:9, 3:9] = (120, 60, 150)
    varied = _slides.vary_stain(X, seed=0)
    assert varied.dtype == np.uint8
    np.testing.assert_array_equal(varied, _slides.vary_stain(X, seed=0))
    assert len({patch[6, 6].tobytes() for patch in varied}) == 6
    assert varied[:, 0, 0].min() > 180
    # What was darker stays so, in the sum of all colours.
    assert (varied[:, 6, 6].sum(axis=1) < varied[:, 0, 0].sum(axis=1)).all()


def test_copies_keep_their_labels_and_centres():
    X = np.random.default_rng(0).integers(50, 200, (3, 6, 6, 3), dtype=np.uint8)
    centers = np.array([[1.0, 2.0], [2.0, 3.0], [0.5, 4.0]])
    many, y, where = _slides.with_other_stains(X, np.array(["a", "b", "c"]), centers, 3)
    assert many.shape == (9, 6, 6, 3)
    np.testing.assert_array_equal(many[:3], X)
    assert not np.array_equal(many[3:6], many[6:])
    assert y.tolist() == ["a", "b", "c"] * 3
    np.testing.assert_array_equal(where[3:6], centers)


def test_training_patches_come_from_the_annotated_part(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    truth = _slides.paint_slide(path, 1024, 0, n_mitoses=20, n_granulocytes=20)
    monkeypatch.setattr(benchmark, "TRAINING", {"tumour_cells": 5, "other_cells": 7})
    X, y, centers, neighbors = benchmark.training_patches([(path, truth)], 3)
    rare = truth[(truth["y"] < 768) & (truth["label"] != "tumour cell")]["label"].value_counts()
    wanted = {**rare, "tumour cell": 5, "other cell": 7}
    assert dict(zip(*np.unique(y, return_counts=True))) == {k: 3 * n for k, n in wanted.items()}
    assert X.shape == (len(y), 96, 96, 3)
    assert np.abs(centers - 47.5).max() <= 0.5
    # What is sought and not in the middle; there are some on a slide of 1024 px.
    assert neighbors.shape[0] == len(y)
    assert neighbors.shape[2] == 3
    there = neighbors[~np.isnan(neighbors[:, :, 0])]
    sought = [sorted(set(y)).index(name) for name in benchmark.SOUGHT]
    assert len(there) > 0
    assert set(there[:, 2]) <= set(sought)


def test_the_threshold_comes_from_the_other_part(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    truth = _slides.paint_slide(path, 512, 0, n_mitoses=3)
    places = [[100.0, 10.0], [200.0, 20.0], [300.0, 90.0], [50.0, 60.0]]
    truth = pd.concat(
        [cells(np.add(places, [0, 384]), "mitotic figure"), cells([[9, 9]], "mitotic figure")]
    )

    def found(model, part, *, min_probability, **how):
        assert part.size == (512, 128)
        wrong = cells([[450.0, 60.0], [400.0, 20.0]], "mitotic figure")
        both = pd.concat([cells(places, "mitotic figure"), wrong])
        return both.assign(probability=[0.9, 0.9, 0.8, 0.62, 0.6, 0.3])

    monkeypatch.setattr(benchmark, "scan", found)
    # All four and none of the wrong ones only from above 0.6 to 0.62; of steps of 0.05 the best
    # is 0.35 to 0.6, with one wrong one.
    assert benchmark.best_threshold(None, None, [(path, truth)]) == 0.35


def test_a_scan_is_scored_at_the_threshold_and_at_one_half(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    truth = _slides.paint_slide(path, 512, 0, n_mitoses=4)
    mitoses = truth[truth["label"] == "mitotic figure"]

    def found(model, slide, *, stride, **how):
        assert (slide, stride) == (path, 8)
        wrong = cells([[2.0, 2.0], [2.0, 90.0]], "mitotic figure")
        both = pd.concat([mitoses, wrong])
        return both.assign(probability=[0.9, 0.8, 0.7, 0.45, 0.6, 0.3])

    monkeypatch.setattr(benchmark, "scan", found)
    monkeypatch.setattr(benchmark, "best_field", lambda slide, truth, likely: len(likely))
    row = benchmark.measure_scan(None, 8, path, truth, 0.4)
    assert (row["n_truth"], row["field"]) == (4, 5)
    assert (row["precision"], row["recall"]) == (4 / 5, 1)
    assert row["f1_at_half"] == pytest.approx(3 / 4)
    # Precision is 1 at the first three of four, and 4 / 5 at the last.
    assert row["average_precision"] == pytest.approx((3 + 4 / 5) / 4)
    # 512 px in steps of 8 px at 0.5 um, or 16 px; nearly all of it is tissue.
    assert 0.8 * 32**2 < row["windows"] <= 32**2
    assert row["tissue_mm2"] == pytest.approx(0.128**2, rel=0.2)


def test_cells_of_the_best_field_are_counted_in_the_truth():
    slide = Slide(np.zeros((6000, 8000, 3), np.uint8), mpp=0.25)
    truth = cells([[100, 100]] * 9 + [[7900, 5900]] * 4, "mitotic figure")
    truth = pd.concat([truth, cells([[100, 100]] * 50, "granulocyte")])
    found = cells([[7900, 5900]] * 3 + [[100, 100]] * 2, "mitotic figure")
    assert benchmark.best_field(slide, truth, found) == {"true": 4, "best": 9}
    assert benchmark.best_field(slide, truth, found[:0]) == {"true": 0, "best": 9}


def test_names_are_parted_as_a_whole():
    train, test = _slides.apart(["b", "a", "b", "c", "d", "d", "e"])
    assert train | test == set("abcde")
    assert not train & test
    assert len(train) == 4
    assert _slides.apart(list("edcba")) == (train, test)


def test_a_mosaic_has_its_crops_where_the_table_says(tmp_path):
    from PIL import Image

    crops = []
    for i in range(5):
        pixels = np.full((128, 128, 3), 40 * i, np.uint8)
        pixels[64, 64] = 255
        crops.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels).save(crops[-1])
    table = _slides.mosaic(tmp_path / "m.tif", crops, "mitotic figure")
    assert set(table["label"]) == {"mitotic figure"}
    slide = Slide(tmp_path / "m.tif")
    assert slide.size == (384, 384)
    for i, row in enumerate(table.itertuples()):
        pixels = slide.read_region(int(row.x) - 1, int(row.y), 2, 1)
        assert pixels[0, :, 0].tolist() == [40 * i, 255]


def test_scores_count_from_one_half_and_rank_all():
    truth = cells([[0, 0], [100, 0]], "WBC")
    found = cells([[5, 0], [100, 3], [300, 0]], "WBC").assign(probability=[0.9, 0.4, 0.2])
    row = benchmark.scores(truth, found, "WBC", mpp=1.0, radius_um=20.0)
    assert row["n_truth"] == 2
    assert (row["precision"], row["recall"]) == (1, 0.5)
    assert row["average_precision"] == 1
    every = benchmark.scores(truth, found, "WBC", least=0.1, mpp=1.0, radius_um=20.0)
    assert (every["precision"], every["recall"]) == (pytest.approx(2 / 3), 1)


def slide_row(**more):
    return {
        "slide": "a.tif",
        "tissue_mm2": 4.0,
        "windows": 3200,
        "cpu_seconds": 8.0,
        "precision": 0.8,
        "recall": 0.6,
        "f1": 0.7,
        "f1_at_half": 0.55,
        "average_precision": 0.65,
        "field": {"true": 30, "best": 31},
        **more,
    }


def made_sections(tmp_path, data, *rows):
    store = Store(tmp_path / "none.json", benchmark.KEY)
    store.environments = [{"cpu": "C", "threads": 1, "versions": {"torch": "2.9"}}]
    store.data = data
    store.rows = [{**row, "environment": 0, "commit": "0123456789ab"} for row in rows]
    return benchmark.sections(store)


def test_the_table_has_means_over_slides(tmp_path):
    other = slide_row(f1=0.9, precision=None, field={"true": 7, "best": 7}, cpu_seconds=2.0)
    two = [slide_row(), other]
    training = {
        "annotated": 0.75,
        "mitoses": 600,
        "granulocytes": 500,
        "copies": 3,
        "methods": {
            "heatmap": {},
            "baseline": {},
            "several": {"more_slides": {"number": 8, "side": 2048, "mitoses": 75}},
        },
    }
    row = {"part": "slides", "stride": 8, "threshold": 0.4}
    made = made_sections(
        tmp_path,
        {"slides": {"side": 8192, "train_seed": 11, "training": training}},
        {**row, "method": "baseline", "slides": [slide_row()]},
        {**row, "method": "heatmap", "stride": None, "threshold": 0.7, "slides": two},
    )
    lines = made["slides"].splitlines()
    (row,) = [line for line in lines if line.startswith("| heatmap")]
    assert row == (
        "| heatmap (the default) | 0.800 | 640 | 0.70 | 0.400 | 0.600 | 0.800 | 0.550 | "
        "0.650 | 30 of 31, 7 of 7 |"
    )
    assert lines[lines.index(row) + 1].startswith("| baseline, map at 16 px | 0.500 | ")
    assert "75% of one slide of 8192 px" in lines[0]
    assert "8 more of 2048 px, with 75 mitotic" in lines[0]
    assert lines[0].endswith("C, 1 thread, torch 2.9; commit 0123456789.")


def test_the_table_of_real_images(tmp_path):
    row = {"n_train": 90, "n_test": 30, "n_truth": 31, "precision": None, "recall": 0.0, "f1": 0.0}
    row |= {"part": "real", "method": "bccd", "average_precision": 0.25}
    made = made_sections(tmp_path, {}, row)
    assert set(made) == {"real"}
    assert "(BCCD) | 90 | 30 | 31 | - | 0.000 | 0.000 | 0.250 |" in made["real"]


def test_rates_beside_one_pass(tmp_path):
    row = {"part": "speed", "method": "context", "threads": 2, "tissue_mm2": 3.0}
    row |= {"seconds": 12.0, "pass_seconds": 5.0, "slide": "a.tif", "n_found": 7}
    line = made_sections(tmp_path, {}, row)["speed"].splitlines()[-1]
    assert line == '| heatmap, classifier="context" | 2 | 0.250 | 0.600 | 2.4 |'
