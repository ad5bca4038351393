"""The steps of the road: what each is trained on, and the table."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tifffile", reason="needs the extra [slides]")

import road as benchmark
from _run import Store


class Recorded:
    """Stands for the estimator; keeps what it was trained on."""

    fits = []

    def __init__(self, **parameters):
        self.mpp = parameters["mpp"]

    def fit(self, X, y, centers, neighbors):
        n_nowhere = int(np.isnan(centers).any(axis=1).sum())
        self.fits.append((len(X), n_nowhere, neighbors is not None))
        return self


def test_each_step_adds_to_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SLIDES", {"train": 2, "choose": 1, "score": 1})
    monkeypatch.setattr(benchmark, "CELLS", {"n_mitoses": 4, "n_granulocytes": 3})
    monkeypatch.setattr(benchmark, "STNCellClassifier", Recorded)
    Recorded.fits = []
    seen = []

    def found(model, path, **how):
        # All mitotic figures and, half as probable, as many wrong ones.
        truth = pd.read_csv(path.with_suffix(".csv"))
        right = truth[truth["label"] == benchmark.MITOSIS].assign(probability=0.8)
        return pd.concat([right, right.assign(x=right["x"] + 100, probability=0.4)])

    def worst(model, slides, truth, **how):
        seen.append(sorted(path.name for path in slides))
        place = {"image": slides[0].name, "x": [90.0 + 40 * len(seen)], "y": [100.0]}
        return pd.DataFrame({**place, "label": "background", "probability": 0.9})

    monkeypatch.setattr(benchmark, "scan", found)
    monkeypatch.setattr(benchmark, "hard_negatives", worst)
    store = Store(tmp_path / "road.json", benchmark.KEY)
    benchmark.walk(store, 3, 512, tmp_path)
    # 14 annotated cells, as many without a cell, and one mistake more in each round.
    assert Recorded.fits == [(14, 0, False), (28, 14, True), (29, 15, True), (30, 16, True)]
    assert seen == [["road_512_300.tif", "road_512_301.tif"]] * 2
    assert [row["step"] for row in store.rows] == list(benchmark.STEPS)
    assert all(row["f1"] == row["f1_at_half"] == 1.0 for row in store.rows)
    assert store.rows[0]["threshold"] == pytest.approx(0.6)
    benchmark.walk(store, 3, 512, tmp_path)
    assert len(Recorded.fits) == 4  # nothing is made again
    text = benchmark.sections(store)["road"]
    assert "| mined twice | 1 | 2 | 1.000 | 1.000 | 1.000 |" in text
