"""Counts and thresholds of the detection benchmark, by hand."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tifffile", reason="needs the extra [slides]")

import detection as benchmark


def table(rows, **more):
    columns = ["image", "x", "y", "label", *more]
    return pd.DataFrame(rows, columns=columns)


TRUTH = table(
    [
        ("1.png", 10, 10, "a"),
        ("1.png", 50, 10, "b"),
        ("1.png", 90, 10, None),
        ("2.png", 10, 10, "a"),
    ]
)
FOUND = pd.DataFrame(
    [
        ("1.png", 11, 10, "a", 0.9, 0.9, 0.0, 0.1),
        ("1.png", 50, 12, "a", 0.5, 0.5, 0.3, 0.0),  # of another class
        ("1.png", 91, 10, "b", 0.8, 0.1, 0.8, 0.0),  # on a cell that has none
        ("1.png", 30, 40, "b", 0.3, 0.2, 0.3, 0.5),  # on nothing
        ("2.png", 50, 10, "b", 0.1, 0.0, 0.1, 0.9),
    ],
    columns=["image", "x", "y", "label", "probability", *map("probability_{}".format, "abc")],
)


def test_counts_by_hand():
    made = benchmark.counts(TRUTH, FOUND, 6.0)
    # Any cell: the sum of the classes that are cells, 0.9, 0.8, 0.9, 0.5 and 0.1.
    some = (0.02, 0.2, 0.4, 0.52, 0.82)
    at = {t: made["any"]["counts"][benchmark.THRESHOLDS.index(t)] for t in some}
    assert at == {0.02: [3, 2], 0.2: [3, 1], 0.4: [3, 1], 0.52: [3, 0], 0.82: [2, 0]}
    assert made["any"]["n"] == 4
    first = benchmark.THRESHOLDS.index(0.2)
    # The detection on the cell without a class counts neither way.
    assert made["classes"]["a"]["counts"][first] == [1, 1]
    assert made["classes"]["a"]["n"] == 2
    assert made["classes"]["b"]["counts"][first] == [0, 1]
    assert made["classes"]["b"]["n"] == 1


def test_scores_and_thresholds_by_hand():
    made = benchmark.counts(TRUTH, FOUND, 6.0)
    f1 = benchmark.f1_of([made["any"]])
    assert f1[benchmark.THRESHOLDS.index(0.4)] == pytest.approx(2 * 3 / (4 + 4))
    assert f1[benchmark.THRESHOLDS.index(0.52)] == pytest.approx(2 * 3 / (3 + 4))
    both = benchmark.weighted_f1([made])
    # F1 of a is 2/(2+2), of b nothing is right: two thirds of the cells are a.
    assert both[benchmark.THRESHOLDS.index(0.4)] == pytest.approx(2 / 3 * 0.5)
    better = {"n": 4, "counts": [[4, 0] if t == 0.1 else [1, 9] for t in benchmark.THRESHOLDS]}
    worse = {"n": 4, "counts": [[2, 1] if t == 0.1 else [0, 0] for t in benchmark.THRESHOLDS]}
    scores = benchmark.at_chosen([better, worse], benchmark_f1)
    assert scores == pytest.approx([1.0, 4 / 7])


def benchmark_f1(parts):
    return benchmark.f1_of(parts)


def test_images_are_in_the_order_of_their_numbers():
    names = ["img10/img10.bmp", "img2/img2.bmp", "img1/img1.bmp", "img2/img2.bmp"]
    assert benchmark.in_order(names) == ["img1/img1.bmp", "img2/img2.bmp", "img10/img10.bmp"]
    assert np.array_equal(benchmark.in_order(["a_7.jpg", "a_3.jpg"]), ["a_3.jpg", "a_7.jpg"])


def test_nuclei_without_a_class_stay_in_the_table(shared_data):
    shared_data("crchisto_detection")
    root = shared_data("crchisto").parent
    cells, folder = benchmark.crchisto_cells(root)
    assert cells["image"].nunique() == 50
    assert (folder / cells["image"].iloc[0]).exists()
    assert 0.55 < cells["label"].notna().mean() < 0.65
    assert set(cells["label"].dropna()) == {"epithelial", "fibroblast", "inflammatory", "others"}
