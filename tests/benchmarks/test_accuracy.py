"""The evaluation behind demo and accuracy benchmark, with a quick stand-in as the estimator."""

import json
import runpy
import sys
from pathlib import Path

import _evaluate
import accuracy
import numpy as np
import protocols
import pytest
import torch
from _run import Store, parameters
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import f1_score
from sklearn.svm import SVC

from stnclf.datasets import make_cells
from stnclf.geometry import cell_theta, patch_origin
from stnclf.report import evaluate

ROOT = Path(__file__).resolve().parents[2]


class DarkestSpot(ClassifierMixin, BaseEstimator):
    """Take the darkest pixel for the cell, and its blue value for the class."""

    fitted = 0

    def __init__(self, patch_size=None, cell_size=8, strength=1, random_state=None):
        self.patch_size = patch_size
        self.cell_size = cell_size
        self.strength = strength
        self.random_state = random_state

    def fit(self, X, y, centers=None):
        assert np.hypot(*(self.transform(X) - centers).T).max() == 0
        type(self).fitted += 1
        self.classes_, coded = np.unique(y, return_inverse=True)
        blue = self._blue(X)
        self.means_ = np.array([blue[coded == i].mean() for i in range(len(self.classes_))])
        self.patch_size_ = (self.patch_size, self.patch_size)
        return self

    def _blue(self, X):
        x, y = self.transform(X).astype(int).T
        return X[np.arange(len(X)), y, x, 2]

    def predict_proba(self, X):
        weight = np.exp(-((self._blue(X)[:, None] - self.means_) ** 2))
        return weight / weight.sum(axis=1, keepdims=True)

    def transform(self, X):
        spot = X[..., 0].reshape(len(X), -1).argmin(axis=1)
        return np.stack([spot % X.shape[2], spot // X.shape[2]], axis=1)

    def localize(self, X):
        points = self.transform(X) - patch_origin(X.shape[1:3], self.patch_size_)
        return cell_theta(points, self.patch_size_, (self.cell_size, self.cell_size))


def make_set(n=60, n_groups=12):
    """Cells whose class is the blue value (0, 5, 10) of their one black pixel."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], n // 3)
    centers = rng.integers(10, 22, (n, 2)).astype(float)
    X = np.full((n, 32, 40, 3), 200, np.uint8)
    for image, (cx, cy), label in zip(X, centers.astype(int), y):
        image[cy, cx] = (0, 0, 5 * "abc".index(label))
    return protocols.CellSet(X, y, centers, rng.permutation(n) % n_groups)


@pytest.fixture
def cells(monkeypatch):
    made = make_set()
    protocol = protocols.Protocol(
        **{**vars(protocols.PROTOCOLS["bccd"]), "patch_size": 24, "cell_size": 8}
    )
    monkeypatch.setattr(protocols, "load", lambda *_, **__: (made, protocol))
    return made


@pytest.fixture
def build(monkeypatch):
    """Every method is the stand-in; its parameter can be set from the table."""
    settings = {"all": {"strength": 1}}
    monkeypatch.setattr(accuracy, "SETTINGS", {"stn": settings, "svc": settings})
    monkeypatch.setattr(accuracy, "N_FOLDS", 3)
    monkeypatch.setattr(
        accuracy,
        "build",
        lambda method, patch_size, cell_size, *, seed, settings, n_jobs: DarkestSpot(
            patch_size, cell_size, random_state=seed, **settings
        ),
    )
    monkeypatch.setattr(DarkestSpot, "fitted", 0)
    return settings["all"]


def run(tmp_path, *more):
    options = ["--data", str(tmp_path), "--protocols", "bccd", "--methods", "stn"]
    accuracy.main([*options, "--out", str(tmp_path / "out.json"), *more])
    return json.loads((tmp_path / "out.json").read_text())


def test_folds_split_no_group_and_cover_every_sample():
    cells = make_set()
    splits = _evaluate.folds(cells.y, cells.groups, 4, seed=0)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(60))
    for train, test in splits:
        assert not set(cells.groups[train]) & set(cells.groups[test])
    other = _evaluate.folds(cells.y, cells.groups, 4, seed=1)
    assert any(not np.array_equal(a, b) for (_, a), (_, b) in zip(splits, other))


def test_a_fold_is_predicted_in_the_order_of_its_samples():
    cells = make_set()
    train, test = np.arange(0, 60, 2), np.arange(59, 0, -2)
    result = _evaluate.run_fold(DarkestSpot(24), cells, train, test)
    np.testing.assert_array_equal(result.y_pred, cells.y[test])
    np.testing.assert_array_equal(result.centers, cells.centers[test])
    np.testing.assert_allclose(result.corners.mean(axis=1), cells.centers[test])
    np.testing.assert_allclose(np.ptp(result.corners, axis=1), 8)
    assert result.fit_seconds > 0 < result.predict_seconds


def test_a_title_says_what_differs_from_the_defaults():
    epochs = dict(zip(_evaluate.STAGE_EPOCHS, (3, 2, 1)))
    for method, settings, name in [
        ("stn", {}, "STN"),
        ("stn", epochs, "STN, 3/2/1 epochs"),
        ("stn", {**epochs, "augment__scale": 0.2}, "STN, 3/2/1 epochs, augment__scale=0.2"),
        ("ciresan", {"epochs": 7}, "CNN baseline (Ciresan), 7 epochs"),
        ("stn-paper", epochs, "STN as published, 3/2/1 of 50/200/100 epochs"),
        ("stn-paper", {}, "STN as published"),
        ("stn-paper-full", {}, "STN as published"),
        ("ciresan-full", {"epochs": 200}, "CNN baseline (Ciresan), 200 epochs"),
        ("cnn-128", {"classifier_epochs": 9}, "modern CNN on the whole patch, seen at 128 px"),
        ("svc", {}, "features + SVC"),
        ("rf", {"grid": {"max_depth": [1]}}, "features + random forest, tuned"),
    ]:
        before = dict(settings)
        assert _evaluate.title(method, settings) == name
        assert settings == before


def test_classical_machines_are_tuned_on_folds_that_share_no_group():
    pytest.importorskip("skimage")
    X, y, centers = make_cells(60, patch_size=64, image_size=64, offset=8, random_state=0)
    cells = protocols.CellSet(X, y, centers, np.arange(60) % 7)
    train, test = _evaluate.folds(y, cells.groups, 3, seed=0)[0]
    grid = {"C": [0.001, 5], "gamma": [0.01]}
    settings = {"grid": grid, "scoring": "f1_macro"}
    svc = _evaluate.build("svc", 64, 32, seed=3, settings=settings)
    result = _evaluate.run_fold(svc, cells, train, test)
    features, scaler, search = (step for _, step in svc.steps)
    inputs = scaler.transform(features.transform(X[train]))
    inner = _evaluate.folds(y[train], cells.groups[train], 3, seed=3)
    for C, score in zip(grid["C"], search.cv_results_["mean_test_score"]):
        scores = []
        for a, b in inner:
            machine = SVC(C=C, gamma=0.01, class_weight="balanced").fit(inputs[a], y[train][a])
            scores.append(f1_score(y[train][b], machine.predict(inputs[b]), average="macro"))
        assert score == pytest.approx(np.mean(scores))
    assert search.best_params_ == {"C": 5, "gamma": 0.01}
    assert (result.y_pred == y[test]).mean() > 0.5
    known = parameters(svc)
    assert known["gridsearchcv__param_grid"] == grid
    assert json.loads(json.dumps(known)) == known
    assert not hasattr(_evaluate.build("svc", 64, 32, seed=3)[-1], "param_grid")
    with pytest.raises(ValueError, match=r"method must be one of .* got 'knn'"):
        _evaluate.build("knn", 64, 32, seed=0)


def test_probabilities_keep_a_column_for_a_class_that_was_not_trained():
    cells = make_set()
    train = np.flatnonzero(cells.y != "b")
    result = _evaluate.run_fold(DarkestSpot(24), cells, train, np.array([0, 59]))
    np.testing.assert_allclose(result.proba, [[1, 0, 0], [0, 0, 1]], atol=1e-6)


def test_joined_folds_are_in_the_order_of_test():
    cells = make_set()
    splits = _evaluate.folds(cells.y, cells.groups, 3, seed=0)
    parts = [_evaluate.run_fold(DarkestSpot(24), cells, *split) for split in splits]
    whole = _evaluate.joined(parts)
    np.testing.assert_array_equal(whole.centers, cells.centers[whole.test])
    assert whole.fit_seconds == pytest.approx(sum(part.fit_seconds for part in parts))
    assert len(whole.corners) == len(whole.proba) == 60


def test_build_refuses_an_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .* got 'vgg'"):
        _evaluate.build("vgg", 64, 32, seed=0)


def test_accuracy_stores_every_fold_and_the_scores_of_all(cells, build, tmp_path, capsys):
    store = run(tmp_path)
    assert [row["fold"] for row in store["rows"]] == [0, 1, 2]
    assert sum(row["n_test"] for row in store["rows"]) == 60
    runs = accuracy.complete_runs(Store(tmp_path / "out.json", accuracy.KEY))
    scores = runs["bccd"]["STN"][0]
    assert scores["macro_f1"] == 1.0
    assert scores["localization"]["mean"] == 0.0
    assert scores["localization"]["classes"]["b"]["n"] == 20
    want = np.hypot(*(cells.centers - [19.5, 15.5]).T)
    assert scores["center_guess"]["median"] == pytest.approx(np.median(want), abs=1e-4)
    printed = capsys.readouterr().out
    assert "bccd stn seed 0 fold 2: macro_f1 1.000" in printed
    assert "| STN " in printed


def test_accuracy_goes_on_where_it_was_interrupted(cells, build, tmp_path):
    before = run(tmp_path)
    assert DarkestSpot.fitted == 3
    store = Store(tmp_path / "out.json", accuracy.KEY)
    del store.rows[1]
    store.write()
    assert accuracy.complete_runs(store) == {}  # two of three folds are no result
    after = run(tmp_path)
    assert DarkestSpot.fitted == 4
    assert sorted(row["fold"] for row in after["rows"]) == [0, 1, 2]
    by_fold = sorted(after["rows"], key=lambda row: row["fold"])
    assert [row["confusion"] for row in by_fold] == [row["confusion"] for row in before["rows"]]


def test_accuracy_recomputes_what_had_other_settings(cells, build, tmp_path):
    run(tmp_path)
    build["strength"] = 2
    store = run(tmp_path)
    assert DarkestSpot.fitted == 6
    assert len(store["rows"]) == 3
    assert {row["settings"]["strength"] for row in store["rows"]} == {2}
    run(tmp_path, "--seeds", "0", "1")
    assert DarkestSpot.fitted == 9


def test_one_fold_alone(cells, build, tmp_path):
    store = run(tmp_path, "--folds", "1")
    assert [row["fold"] for row in store["rows"]] == [1]


def test_a_trial_on_few_samples_does_not_replace_the_real_thing(cells, build, tmp_path):
    run(tmp_path)
    store = run(tmp_path, "--max-samples", "45")
    assert len(store["rows"]) == 6
    runs = accuracy.complete_runs(Store(tmp_path / "out.json", accuracy.KEY))
    assert {name: methods["STN"][0]["n"] for name, methods in runs.items()} == {
        "bccd": 60,
        "bccd/max45": 45,
    }


def test_joined_rows_give_what_the_samples_would_give():
    rng = np.random.default_rng(3)
    cells = make_set()
    pred, points = rng.choice(["a", "b", "c"], 60), cells.centers + rng.normal(0, 9, (60, 2))
    rows = []
    for test in np.split(rng.permutation(60), [25, 40]):
        scores = evaluate(cells.y[test], pred[test], labels=["a", "b", "c"])
        rows.append(
            {key: scores[key] for key in ("labels", "confusion")}
            | {"errors": accuracy.error_tenths(cells, test, points[test])}
            | {"fit_seconds": 2.0, "predict_seconds": 0.5, "fit_cpu_seconds": 3.0}
        )
    got = accuracy.joined(rows)
    want = evaluate(cells.y, pred, centers_true=cells.centers, centers_pred=points)
    for key in ("confusion", "classes", "balanced_accuracy"):
        assert got[key] == want[key]
    assert got["fit_seconds"] == 9.0  # CPU time
    assert got["localization"]["mean"] == pytest.approx(want["localization"]["mean"], abs=0.05)
    assert got["localization"]["within"] == pytest.approx(
        want["localization"]["within"], abs=1 / 60
    )


def test_summaries_are_means_over_seeds(cells, build, tmp_path):
    run(tmp_path, "--seeds", "3")
    store = Store(tmp_path / "out.json", accuracy.KEY)
    second = [{**row, "seed": 4} for row in store.rows]
    labels = second[0]["labels"]
    for row in second:  # all called by the first name
        sums = np.sum(row["confusion"], axis=1)
        row["confusion"] = [[int(n), *[0] * (len(labels) - 1)] for n in sums]
        row["fit_cpu_seconds"] += 2.0
    store.rows += second
    runs = accuracy.complete_runs(store)["bccd"]["STN"]
    one, two = (runs[seed]["macro_f1"] for seed in (3, 4))
    assert one > two > 0
    (table,) = accuracy.summaries(store).values()
    (line,) = [line for line in table.splitlines() if line.startswith("| STN;")]
    assert f"2 seeds, macro F1 {two:.3f} to {one:.3f}" in line
    assert f" {(one + two) / 2:.3f} " in line
    assert f" {(runs[3]['fit_seconds'] + runs[4]['fit_seconds']) / 2:.1f} " in line
    page = accuracy.sections(store)["accuracy"]
    assert page.index(line) < page.index("| STN, seed 3 ") < page.index("| STN, seed 4 ")


def test_the_page_alone_needs_no_data(cells, build, tmp_path, capsys):
    run(tmp_path)
    capsys.readouterr()
    accuracy.main(["--page-only", "--out", str(tmp_path / "out.json")])
    assert "## BCCD" in capsys.readouterr().out
    accuracy.main(["--page-only", "--out", str(tmp_path / "none.json")])
    assert "No complete set" in capsys.readouterr().out
    assert not (tmp_path / "none.json").exists()


def test_the_demo_writes_table_numbers_and_figure(cells, build, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_evaluate, "build", accuracy.build)
    arguments = ["demo.py", "--data", "some/folder", "--out", str(tmp_path / "demo")]
    monkeypatch.setattr(sys, "argv", arguments)
    demo = runpy.run_path(str(ROOT / "benchmarks/demo.py"))
    demo["SETTINGS"]["bccd"] = {"stn": {}, "svc": {}}
    demo["main"]()
    printed = capsys.readouterr().out
    assert "STN, fold 5/5: 1.000 correct" in printed
    assert "avg / total" in printed
    record = json.loads((tmp_path / "demo/scores.json").read_text())
    assert record["methods"]["STN"]["accuracy"] == 1.0
    assert record["n_samples"] == 60
    assert "| centre guess" in (tmp_path / "demo/table.md").read_text()
    assert (tmp_path / "demo/examples.png").stat().st_size > 10_000


def test_every_method_has_settings_a_place_and_an_estimator_of_its_kind():
    assert set(accuracy.SETTINGS) == set(_evaluate.METHODS)
    assert set(accuracy.ORDER) - set(_evaluate.METHODS) == {"oracle", "zoom"}
    assert set(accuracy.USUAL) < set(_evaluate.METHODS)
    for method in _evaluate.METHODS[:-2]:
        settings = accuracy.SETTINGS[method]["all"]
        estimator = _evaluate.build(method, 160, 48, seed=3, settings=settings)
        assert (estimator.patch_size, estimator.cell_size, estimator.random_state) == (160, 48, 3)
        assert {k: v for k, v in parameters(estimator).items() if k in settings} == settings
    paper = _evaluate.build("stn-paper-full", 160, 48, seed=0)
    assert [getattr(paper, key) for key in _evaluate.STAGE_EPOCHS] == [50, 200, 100]


@pytest.mark.parametrize(("method", "view"), [("cnn", 64), ("cnn-128", 128), ("cnn-160", 160)])
def test_the_whole_patch_is_seen_at_its_size(method, view):
    X, y, centers = make_cells(9, patch_size=64, image_size=64, offset=4, random_state=0)
    network = _evaluate.build(method, 64, 48, seed=0, settings={"classifier_epochs": 1})
    module = network.fit(X, y, centers=centers).net_.module_
    assert module.classifier.view == (view, view)
    (start,) = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)][:1]
    assert start.stride == ((1, 1) if view == 64 else (2, 2))


def test_rare_cells_are_scored_by_fold_and_found_ones_are_the_rare(tmp_path):
    store = Store(tmp_path / "a.json", accuracy.KEY)
    for fold, (confusion, tenths) in enumerate(
        [([[3, 1], [2, 4]], [10, 90, 200]), ([[5, 0], [0, 5]], [30, 80])]
    ):
        row = {"protocol": "chula", "method": "stn", "seed": 0, "fold": fold, "title": "STN"}
        row |= {"n_folds": 5, "max_samples": None, "labels": ["common", "rare"], "settings": {}}
        row |= {"confusion": confusion, "errors": {"common": [999], "rare": tenths}}
        store.put({**row, "fit_cpu_seconds": 10.0 + 10 * fold, "predict_seconds": 1.0})
        store.put({**row, "max_samples": 9, "fit_cpu_seconds": 0.0, "predict_seconds": 1.0})
    (text,) = accuracy.rare_cells(store, ["chula"]).values()
    first = (2 * 3 / (2 * 3 + 1 + 2) + 2 * 4 / (2 * 4 + 1 + 2)) / 2
    f1 = f"{(first + 1) / 2:.3f} ({first:.3f} to 1.000)"
    assert text.splitlines()[2:] == [f"| STN | 0, 1 | {f1} | 8.0 | 60 % | 15 (10 to 20) |"]


def test_the_whole_schedule_has_the_score_of_its_data_set_and_all_cells(tmp_path):
    store = Store(tmp_path / "a.json", accuracy.KEY)
    store.note("amibr", {"title": "AMi-Br: mitoses", "headline": "balanced_accuracy"})
    row = {"protocol": "amibr", "method": "stn-paper-full", "seed": 0, "title": "STN as published"}
    row |= {"n_folds": 5, "max_samples": None, "labels": ["a", "b"], "settings": {}}
    row |= {"confusion": [[9, 1], [2, 2]], "errors": {"a": [10, 90], "b": [70]}}
    for fold in range(5):
        store.put({**row, "fold": fold, "fit_cpu_seconds": 7.0, "predict_seconds": 1.0})
    store.put({**row, "method": "stn-paper", "fold": 0, "fit_cpu_seconds": 1.0})
    (text,) = accuracy.whole_schedule(store).values()
    cells = "all 5 | 0.700 (0.700 to 0.700) | 7.0 | 67 % | 7"
    assert text.splitlines()[2:] == [f"| AMi-Br | STN as published | {cells} |"]


def test_where_the_published_localizer_looks_is_drawn_from_the_middle(tmp_path):
    class Cells:
        X = np.zeros((4, 21, 41, 3), np.uint8)
        centers = np.array([[20.0, 10.0], [25.0, 10.0], [20.0, 4.0], [11.0, 19.0]])

    found = accuracy.looks(Cells, [1, 3], np.array([[22.4, 8.0], [20.0, 10.6]]))
    assert found == {"meant": [[5, 0], [-9, 9]], "found": [[2, -2], [0, 1]]}
    store = Store(tmp_path / "results.json", accuracy.KEY)
    for fold, points in enumerate(([[5, 0], [-9, 9]], [[1, 1], [3, -4]])):
        row = dict.fromkeys(accuracy.KEY) | {"fold": fold, "method": "stn-paper-full"}
        store.put({**row, "looks": {"meant": points, "found": [[x, -y] for x, y in points]}})
    x, y = accuracy.draw_looks(store).axes
    assert (x.get_title(), y.get_title()) == (
        "x: correlation 1.00, slope 1.00",
        "y: correlation -1.00, slope -1.00",
    )
    np.testing.assert_array_equal(y.lines[1].get_xydata(), [[0, 0], [9, -9], [1, -1], [-4, 4]])


def test_rare_cells_are_drawn_over_the_width_of_their_patches(tmp_path):
    store = Store(tmp_path / "a.json", accuracy.KEY)
    row = {"seed": 0, "n_folds": 5, "max_samples": None, "labels": ["common", "rare"]}
    row |= {"settings": {}, "errors": None, "title": "STN", "fit_cpu_seconds": 7.0}
    for name, fold, right in [
        ("chula-216", 0, 6),
        ("chula", 0, 8),
        ("chula", 1, 9),
        ("bccd", 0, 1),
    ]:
        confusion = [[right, 10 - right], [10 - right, right]]
        store.put({**row, "protocol": name, "method": "stn", "fold": fold, "confusion": confusion})
    lines = [line for line in accuracy.draw(store).axes[0].lines if line.get_marker() != "None"]
    *folds, mean = lines
    assert [line.get_ydata().tolist() for line in folds] == [[0.8, 0.9], [0.6]]
    assert mean.get_label() == "STN"
    # The first method, a little to the left of the others.
    np.testing.assert_allclose(mean.get_xydata(), [[10 / 3 - 0.06, 0.85], [4.5 - 0.06, 0.6]])
    (text,) = accuracy.rare_cells(store).values()
    starts = [line.split(" |")[:3] for line in text.splitlines()[2:]]
    assert starts == [["| 3.3", " STN", " 0, 1"], ["| 4.5", " STN", " 0"]]
