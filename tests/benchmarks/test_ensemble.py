"""The benchmark of ensembles: what it compares, its store and its table."""

import json

import ensemble
import numpy as np
import pytest
from _run import RESULTS, Store


def test_difference_is_the_largest_and_shapes_are_compared():
    one = (np.array([[0.25, 0.75]]), np.array([3.0, 4.0]))
    assert ensemble.difference(one, one) == 0
    assert ensemble.difference(one, (one[0], np.array([3.0, 6.5]))) == 2.5
    with pytest.raises(ValueError, match="broadcast"):
        ensemble.difference((np.zeros((3, 2)),), (np.zeros((4, 2)),))


def test_members_and_files_are_measured_once(tmp_path, capsys, monkeypatch):
    # Exports to ONNX take long: what was measured of them is looked at below.
    jobs = {name: job for name, job in ensemble.JOBS.items() if "ONNX" not in name}
    monkeypatch.setattr(ensemble, "JOBS", jobs)
    out = tmp_path / "e.json"
    line = ["--samples", "12", "--members", "2", "--side", "256", "--repeats", "1"]
    line += ["--out", str(out)]
    ensemble.main(line)
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["job"] for row in rows] == list(ensemble.JOBS)
    for row in rows:
        assert row["saved"] == 0
        assert row["ratio"] == row["ensemble"][0] / row["member"][0]
    ensemble.main(line)
    assert json.loads(out.read_text(encoding="utf-8"))["rows"] == rows
    assert capsys.readouterr().out.count("| `scan` |") == 2


def test_stored_files_change_nothing_and_members_cost_what_they_cost():
    store = Store(RESULTS / "ensemble.json", ensemble.KEY)
    assert [row["job"] for row in store.rows] == list(ensemble.JOBS)
    for row in store.rows:
        assert (row["saved"], "onnx" in row) == (0, "ONNX" in row["job"])
        assert row.get("onnx", 0) < 1e-4
        assert row["ratio"] <= store.data["run"]["members"] + 0.2
