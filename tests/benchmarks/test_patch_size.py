"""The benchmark of cells that get smaller in their patches: its data, its store and its page."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import patch_size


def test_cells_get_smaller_in_their_patches():
    for ratio, side in [(1.5, 72), (4.0, 192)]:
        cells, patch = patch_size.synthetic(ratio, 12, seed=1)
        assert patch == side
        assert cells.X.shape == (12, side + 48, side + 48, 3)
        off = np.abs(cells.centers - (side + 47) / 2)
        assert off.max() <= (side - 48) / 2
        assert off.max() > 0.5 * (side - 48) / 2


def test_patch_sizes_are_measured_once(monkeypatch, tmp_path):
    monkeypatch.setitem(patch_size.EPOCHS, "ciresan", {"epochs": 1})
    out = tmp_path / "p.json"
    line = ["--n", "12", "--methods", "ciresan", "--out", str(out)]
    patch_size.main([*line, "--ratios", "2"])
    first = json.loads(out.read_text(encoding="utf-8"))["rows"]
    patch_size.main([*line, "--ratios", "2", "3"])
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert rows[:1] == first
    assert [row["ratio"] for row in rows] == [2, 3]
    assert all(0 < row["macro_f1"] <= 1 and row["median_error"] > 0 for row in rows)
    assert len(patch_size.table({"rows": rows}).splitlines()) == 4


def test_the_mean_over_seeds_is_shown():
    row = {"method": "stn", "ratio": 2.0, "title": "STN", "median_error": 3.0, "machine": "A"}
    rows = [
        {**row, "seed": seed, "macro_f1": f1, "fit_cpu_seconds": seconds}
        for seed, f1, seconds in [(0, 0.8, 10.0), (1, 0.9, 20.0)]
    ]
    expected = "| 2 | STN | 0.850 (0.800 to 0.900) | 3.0 | 15 | 0, 1 |"
    assert patch_size.table({"rows": rows}).endswith(expected)
    assert patch_size.table({"rows": rows[1:]}).endswith("| 2 | STN | 0.900 | 3.0 | 20 | 1 |")
    other = {**rows[1], "method": "cnn", "title": "CNN", "machine": "B"}
    found = patch_size.table({"rows": [*rows, other]})
    assert found.splitlines()[-2:] == [expected, "| 2 | CNN | 0.900 | 3.0 | 20* | 1 |"]
    axes = patch_size.draw({"rows": [*rows, other]}).axes
    drawn = [[len(line.get_xdata()) for line in axis.lines] for axis in axes]
    assert drawn[0][:4] == [1, 0, 0, 1]  # STN, zoom, context, CNN
    assert drawn[1][:4] == [1, 0, 0, 0]


def test_the_page_of_patch_sizes_is_that_of_the_stored_results():
    store = patch_size.read_store(patch_size.RESULTS)
    assert patch_size.PAGE.read_text(encoding="utf-8") == patch_size.page(store)
