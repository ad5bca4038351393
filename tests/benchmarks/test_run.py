"""The store, the comparison of settings and the pages that all benchmarks share."""

import importlib
import json

import _run
import pytest
import torch
from _evaluate import build

from stnclf import CiresanBaseline, STNCellClassifier

KEY = ("method", "seed")
PAGES = {
    "accuracy": "accuracy.md",
    "ablation": "ablation.md",
    "amibr": "amibr.md",
    "detection": "scan_results.md",
    "ensemble": "performance.md",
    "gpu": "performance.md",
    "patch_size": "patch_size.md",
    "road": "scan_results.md",
    "scan": "scan_results.md",
    "speed": "performance.md",
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_those_of_the_stored_results(name):
    if name in ("scan", "road", "detection"):
        pytest.importorskip("tifffile", reason="needs the extra [slides]")
    script = importlib.import_module(name)
    path = _run.RESULTS / f"{name}.json"
    sections = script.sections(_run.Store(path, ()))
    page = (_run.DOCS / PAGES[name]).read_text(encoding="utf-8")
    assert page == _run.filled(page, sections)
    assert len(sections) == {"scan": 3, "accuracy": 3}.get(name, 1)
    assert all(section.count("\n|") >= 2 for section in sections.values())


def test_every_page_and_every_result_has_its_benchmark():
    # The tutorial's page is a notebook's: test_tutorial.py compares it.
    assert {path.stem for path in _run.RESULTS.glob("*.json")} <= {*PAGES, "tutorial"}
    made = [
        path.name for path in _run.DOCS.glob("*.md") if ": made by benchmarks" in path.read_text()
    ]
    assert sorted(made) == sorted(set(PAGES.values()))


def test_a_row_is_stored_in_the_place_of_the_one_with_its_key(tmp_path):
    path = tmp_path / "results" / "a.json"
    for method, seed, value in [("a", 0, 1), ("b", 0, 2), ("a", 1, 3), ("a", 0, 4)]:
        _run.Store(path, KEY).put({"method": method, "seed": seed, "value": value})
    store = _run.Store(path, KEY)
    found = [(row["method"], row["seed"], row["value"]) for row in store.rows]
    assert found == [("a", 0, 4), ("b", 0, 2), ("a", 1, 3)]
    assert [row["environment"] for row in store.rows] == [0, 0, 0]
    assert set(store.environments[0]["versions"]) > {"python", "torch", "numpy"}
    store.note("a set", {"n": 7})
    assert json.loads(path.read_text())["data"] == {"a set": {"n": 7}}
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_two_processes_may_store_in_one_file(tmp_path):
    path = tmp_path / "a.json"
    first, second = _run.Store(path, KEY), _run.Store(path, KEY)
    first.put({"method": "a", "seed": 0})
    second.note("x", 1)
    second.put({"method": "b", "seed": 0})
    first.put({"method": "a", "seed": 1})
    store = _run.Store(path, KEY)
    assert [(row["method"], row["seed"]) for row in store.rows] == [("a", 0), ("b", 0), ("a", 1)]
    assert store.data == {"x": 1}


def test_a_row_is_done_where_its_settings_are_the_same(tmp_path):
    store = _run.Store(tmp_path / "a.json", KEY)
    row = {"method": "a", "seed": 0, "settings": {"flip": True, "lr": 0.1}}
    assert not store.is_done(row)
    store.put(row)
    assert store.is_done({**row, "settings": {"lr": 0.1, "augment__flip": True}})
    assert not store.is_done({**row, "settings": {"flip": True, "lr": 0.2}})
    assert not store.is_done({**row, "seed": 1})


def test_where_tells_machines_apart(tmp_path, monkeypatch):
    store = _run.Store(tmp_path / "a.json", KEY)
    for cpu, method in [("One", "a"), ("Two", "b"), ("Two", "c")]:
        here = {"cpu": cpu, "threads": 1, "versions": {"torch": "2.9+cpu"}}
        monkeypatch.setattr(_run, "environment", lambda here=here: here)
        monkeypatch.setattr(_run, "commit", lambda cpu=cpu: f"{cpu.lower()}-of-the-commits")
        store.put({"method": method, "seed": 0})
    assert store.where(store.rows, lambda row: row["method"]) == (
        "One, 1 thread, torch 2.9 (a); Two, 1 thread, torch 2.9 (b; c); "
        "commit one-of-the, two-of-the. Times on different machines do not compare."
    )
    assert store.where(store.rows[1:]) == "Two, 1 thread, torch 2.9; commit two-of-the."


def test_chips_of_one_name_differ_in_bfloat16(tmp_path, monkeypatch):
    store = _run.Store(tmp_path / "a.json", KEY)
    for has, method in [(True, "a"), (False, "b"), (None, "c")]:
        here = {"cpu": "One", "threads": 2, "versions": {"torch": "2.9"}}
        here |= {} if has is None else {"bfloat16": has}  # older rows do not say it
        monkeypatch.setattr(_run, "environment", lambda here=here: here)
        monkeypatch.setattr(_run, "commit", lambda: "0123456789ab")
        store.put({"method": method, "seed": 0})
    assert store.where(store.rows, lambda row: row["method"]) == (
        "One with bfloat16, 2 threads, torch 2.9 (a); One, 2 threads, torch 2.9 (b; c); "
        "commit 0123456789. Times on different machines do not compare."
    )


@pytest.mark.parametrize("has", [True, False])
def test_environment_says_whether_training_computes_in_bfloat16(has, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has, raising=False)
    assert _run.environment()["bfloat16"] is has


def settings_at_1f0a5e9(method):
    """Settings of the first stored row of a method, made before parameters changed their names."""
    rows = json.loads((_run.RESULTS / "accuracy.json").read_text())["rows"]
    return next(
        row["settings"] for row in rows if row["method"] == method and row["protocol"] == "amibr"
    )


@pytest.mark.parametrize("method", ["stn", "cnn", "stn-paper", "ciresan", "svc", "rf"])
def test_stored_rows_are_recognised(method):
    from accuracy import SETTINGS

    if method in ("svc", "rf"):
        pytest.importorskip("skimage")
    chosen = {**SETTINGS[method]["all"], **SETTINGS[method].get("amibr", {})}
    estimator = build(method, 96, 64, seed=0, settings=chosen)
    stored, now = settings_at_1f0a5e9(method), _run.parameters(estimator)
    assert _run.canonical(stored) == _run.canonical(now)
    name = {"ciresan": "epochs", "svc": "gridsearchcv__estimator__C"}.get(method, "random_state")
    name = "cellfeatures__ring_width" if method == "rf" else name
    assert _run.canonical({**now, name: 3}) != _run.canonical(now)


OLD_NAMES = {
    "default": {"rotate": True, "flip": True, "color_jitter": 0.1, "center_jitter": 0.03},
    "paper": {"rotate": "copy"},
    None: {"rotate": False},
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_augmentation_has_one_form_whatever_it_is_given_as(name):
    now = _run.canonical(_run.parameters(STNCellClassifier(augment=name)))
    augment = {key: value for key, value in now.items() if key.startswith("augment")}
    assert augment == _run.canonical(OLD_NAMES[name])
    one = STNCellClassifier()._NAMED["augment"][name]
    assert _run.canonical(_run.parameters(STNCellClassifier(augment=one))) == now
    other = _run.made(STNCellClassifier, augment=name, augment__scale=0.2)
    assert _run.canonical(_run.parameters(other)) == {**now, "augment__scale": 0.2}


def test_learning_rates_have_one_form_too():
    old = {"classifier_lr": 3e-3, "localizer_lr": 3e-3, "joint_lr": 5e-4}
    now = _run.canonical(_run.parameters(STNCellClassifier()))
    assert {key: value for key, value in now.items() if key.endswith("_lr")} == old
    one = _run.made(STNCellClassifier, optimizer__lr=0.01, optimizer__weight_decay=0.0)
    found = _run.canonical(_run.parameters(one))
    assert [found[key] for key in old] == [0.01] * 3
    assert found["optimizer__weight_decay"] == 0.0
    assert found["optimizer__schedule"] == now["optimizer__schedule"]
    baseline = _run.canonical(_run.parameters(_run.made(CiresanBaseline, optimizer__lr=0.02)))
    assert baseline["lr"] == 0.02


def test_the_default_classifier_has_the_name_of_what_it_is():
    for localizer, classifier in [("heatmap", "shared"), ("dense", "context")]:
        settings = {"localizer": localizer, "classifier": "auto"}
        assert _run.canonical(settings)["classifier"] == classifier
    known = _run.canonical(_run.parameters(STNCellClassifier()))
    assert known == _run.canonical(_run.parameters(STNCellClassifier(classifier="shared")))


def test_sections_go_between_their_marks():
    text = "a\n<!-- x: made by b.py -->\nold\n<!-- end of x -->\nz\n"
    made = _run.filled(text, {"x": r"new \1 {0}"})
    assert made == "a\n<!-- x: made by b.py -->\n\nnew \\1 {0}\n\n<!-- end of x -->\nz\n"
    assert _run.filled(made, {"x": r"new \1 {0}"}) == made
    with pytest.raises(ValueError, match="the page has 0 places for 'y', wants one"):
        _run.filled(text, {"y": "new"})


def test_a_mean_of_several_has_its_range():
    assert _run.mean_and_range([0.5]) == "0.500"
    assert _run.mean_and_range([0.5, 0.25, 0.9], 2) == "0.55 (0.25 to 0.90)"
    assert _run.table(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
    # Words stand to the left, what begins with a digit or a dash to the right.
    made = _run.table(["a", "b", "c"], [[1, "x", "-"], [2, "3 to y", "4"]])
    assert made.splitlines()[1] == "| --- | --- | ---: |"


def test_times_have_a_range_where_machines_must_have_differed():
    assert _run.seconds([100.0, 148.0]) == "124"
    assert _run.seconds(x for x in [100.0, 151.0, 400.0]) == "217 (100 to 400)"


def test_data_is_asked_for():
    import accuracy

    with pytest.raises(SystemExit, match="--data is needed"):
        accuracy.main(["--out", "none.json"])
