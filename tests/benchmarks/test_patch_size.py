"""The benchmark of cells that get smaller in their patches: its data, its store and its table."""

import json

import numpy as np
import patch_size
from _run import RESULTS, Store


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
    table = patch_size.sections(Store(out, patch_size.KEY))["patch sizes"]
    assert table.count("| CNN baseline (Ciresan) |") == 2


def test_the_mean_over_seeds_is_shown(tmp_path):
    store = Store(tmp_path / "none.json", patch_size.KEY)
    store.environments = [
        {"cpu": cpu, "threads": 1, "versions": {"torch": "2.9"}} for cpu in ("A", "B")
    ]

    def last_lines(rows, n):
        store.rows = rows
        return patch_size.sections(store)["patch sizes"].splitlines()[-n:]

    row = {"method": "stn", "ratio": 2.0, "title": "STN", "median_error": 3.0, "n": 9}
    row |= {"environment": 0, "commit": "c"}
    rows = [
        {**row, "seed": seed, "macro_f1": f1, "fit_cpu_seconds": seconds}
        for seed, f1, seconds in [(0, 0.8, 10.0), (1, 0.9, 20.0)]
    ]
    expected = "| 2 | STN | 0.850 (0.800 to 0.900) | 3.0 | 15 | 0, 1 |"
    assert last_lines(rows, 1) == [expected]
    assert last_lines(rows[1:], 1) == ["| 2 | STN | 0.900 | 3.0 | 20 | 1 |"]
    other = {**rows[1], "method": "cnn", "title": "CNN", "environment": 1}
    assert last_lines([*rows, other], 2) == [expected, "| 2 | CNN | 0.900 | 3.0 | 20* | 1 |"]
    axes = patch_size.draw(store).axes
    drawn = [[len(line.get_xdata()) for line in axis.lines] for axis in axes]
    assert drawn[0][:4] == [1, 0, 1, 0]  # STN, context, CNN, Ciresan
    assert drawn[1][:4] == [1, 0, 0, 0]


def test_stored_rows_are_recognised():
    store = Store(RESULTS / "patch_size.json", patch_size.KEY)
    for row in store.rows:
        assert store.is_done({**row, "settings": patch_size.EPOCHS[row["method"]]}), row
    assert len(store.rows) > 20
