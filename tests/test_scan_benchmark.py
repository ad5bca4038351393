"""What the scan benchmark and the slide example share, and the table of the results."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tifffile", reason="needs the extra [slides]")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import _slide_cells  # noqa: E402
import scan as benchmark  # noqa: E402

from stnclf.slides import Slide  # noqa: E402


def cells(points, label):
    x, y = np.transpose(points)
    return pd.DataFrame({"image": "a.tif", "x": x, "y": y, "label": label})


def test_a_painted_slide_has_its_table(tmp_path):
    path = tmp_path / "a.tif"
    table = _slide_cells.paint_slide(path, 512, 0, n_mitoses=3)
    assert set(table) == {"image", "x", "y", "label"}
    assert (table["image"] == "a.tif").all()
    assert (table["label"] == "mitotic figure").sum() == 3
    assert Slide(path).size == (512, 512)
    assert Slide(path).mpp == pytest.approx(0.25, rel=1e-3)


def test_some_of_each_label():
    table = cells(np.arange(20).reshape(10, 2), ["a"] * 7 + ["b"] * 3)
    chosen = _slide_cells.some_of_each(table, 4, seed=0)
    assert chosen["label"].value_counts().to_dict() == {"a": 4, "b": 3}
    assert len(chosen.drop_duplicates()) == 7
    other = _slide_cells.some_of_each(table, 4, seed=1)
    assert sorted(chosen["x"]) != sorted(other["x"])


def test_other_cells_are_those_far_from_annotated_ones():
    truth = cells([[100, 100], [300, 200]], "mitosis")
    found = cells([[100, 131], [100, 129], [300, 200], [331, 200]], "mitosis")
    others = _slide_cells.other_cells(found, truth, 0.25)  # 7.5 um are 30 px
    assert others[["x", "y"]].to_numpy().tolist() == [[100, 131], [331, 200]]
    assert set(others["label"]) == {"other cell"}


def test_stains_vary_from_patch_to_patch_and_glass_stays_light():
    X = np.full((6, 12, 12, 3), 250, np.uint8)
    X[:, 3:9, 3:9] = (120, 60, 150)
    varied = _slide_cells.vary_stain(X, seed=0)
    assert varied.dtype == np.uint8
    np.testing.assert_array_equal(varied, _slide_cells.vary_stain(X, seed=0))
    assert len({patch[6, 6].tobytes() for patch in varied}) == 6
    assert varied[:, 0, 0].min() > 180
    # What was darker stays so, in the sum of all colours.
    assert (varied[:, 6, 6].sum(axis=1) < varied[:, 0, 0].sum(axis=1)).all()


def slide_result(**more):
    return {
        "slide": "a.tif",
        "mm2_per_second": 0.5,
        "windows_per_second": 400.0,
        "of_predict": 1.25,
        "precision": 0.8,
        "recall": 0.6,
        "f1": 0.7,
        "average_precision": 0.65,
        "field": {"true": 30, "best": 31},
        **more,
    }


def test_the_table_has_means_over_slides():
    record = {
        "commit": "0123456789ab",
        "environment": {"cpu": "C", "threads": 1, "versions": {"torch": "2.9"}},
        "side": 8192,
        "rows": [
            {
                "method": "heatmap",
                "stride": None,
                "slides": [
                    slide_result(),
                    slide_result(f1=0.9, precision=None, field={"true": 7, "best": 7}),
                ],
            },
            {"method": "baseline", "stride": 8, "slides": [slide_result()]},
        ],
        "huge": {"side": 40000, "seconds": 100, "cells": 5, "peak_mib": 900},
    }
    lines = benchmark.table(record).splitlines()
    assert lines[0].startswith("2 slide(s) of 8192 px; C, 1 thread(s), torch 2.9, commit 0123")
    assert lines[4] == (
        "| heatmap | 0.500 | 400 | 1.25 | 0.400 | 0.600 | 0.800 | 0.650 | 30 of 31, 7 of 7 |"
    )
    assert lines[5].startswith("| baseline, map at 16 px | 0.500 | ")
    assert lines[-1] == "40000 x 40000 px: 100 s, 900 MiB at most, 2 jobs."


def test_cells_of_the_best_field_are_counted_in_the_truth():
    slide = Slide(np.zeros((6000, 8000, 3), np.uint8), mpp=0.25)
    truth = cells([[1000, 1000]] * 9 + [[7900, 5900]] * 4, "mitotic figure")
    truth = pd.concat([truth, cells([[1000, 1000]] * 50, "granulocyte")])
    found = cells([[7900, 5900]] * 3 + [[1000, 1000]] * 2, "mitotic figure")
    assert benchmark.best_field(slide, truth, found) == {"true": 4, "best": 9}
    assert benchmark.best_field(slide, truth, found[:0]) == {"true": 0, "best": 9}


@pytest.mark.skipif(not benchmark.RESULTS.exists(), reason="nothing has been measured yet")
def test_the_stored_results_can_be_printed():
    record = json.loads(benchmark.RESULTS.read_text(encoding="utf-8"))
    assert benchmark.table(record).count("| heatmap |") == 1
