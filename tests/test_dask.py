"""Cross-validation, search and scans on a Dask cluster of two processes: as in this process."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

import stnclf
from stnclf.annotations import read_annotations
from stnclf.scan import hard_negatives, scan_slides
from stnclf.slides import Slide
from tests.cli.lines import with_options
from tests.cli.test_main import SCAN
from tests.conftest import QUICK, make_blobs

distributed = pytest.importorskip("distributed", reason="needs the extra [distributed]")

NAMES = ("ü.png", "a b.tif")
HOW = {"mpp": 0.25, "nms_radius_um": 2, "tile_size": 100}


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def clf(road):
    return stnclf.load(road / "model.safetensors")


@pytest.fixture
def slides(road):
    return [Slide(road / "slides" / name, 0.25) for name in NAMES]


def test_scores_and_searches_are_the_same(client):
    X, y, centers = make_blobs(16)
    how = {"cv": 2, "scoring": "neg_log_loss", "n_jobs": 2}
    clf = stnclf.STNCellClassifier(**QUICK)
    cnn = stnclf.CiresanBaseline(epochs=1, optimizer=stnclf.Optimizer(), random_state=0)

    def measure():
        scores = cross_val_score(clf, X, y, params={"centers": centers}, **how)
        search = GridSearchCV(cnn, {"optimizer__lr": [1e-3, 3e-2]}, **how)
        found = search.fit(X, y, centers=centers)
        return scores, found.cv_results_["mean_test_score"], found.predict_proba(X)

    with joblib.parallel_config(backend="sequential"):
        here = measure()
    with joblib.parallel_config(backend="dask"):
        there = measure()
    assert len(set(here[0])) == len(set(here[1])) == 2
    for a, b in zip(here, there):
        np.testing.assert_array_equal(a, b)


def test_scans_are_the_same(client, clf, slides, tmp_path):
    here = scan_slides(clf, slides, **HOW)
    with joblib.parallel_config(backend="dask"):
        there = scan_slides(clf, slides, out=tmp_path, n_jobs=-1, **HOW)
    for a, b in zip(here, there):
        pd.testing.assert_frame_equal(a, b)
    assert sorted(os.listdir(tmp_path)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]


def test_thresholds_and_mistakes_are_the_same(client, clf, slides, road, tmp_path):
    clf = copy.deepcopy(clf)
    clf.detection_thresholds_ = {"cross": 0.97, "disc": 0.6}
    cells = read_annotations(road / "cells.sqlite")
    here = hard_negatives(clf, slides, cells, n=30, **HOW)
    assert here["probability"].min() >= 0.6
    assert (here["found"] == "cross").any()
    with joblib.parallel_config(backend="dask"):
        there = hard_negatives(clf, slides, cells, n=30, n_jobs=2, out=tmp_path, **HOW)
    pd.testing.assert_frame_equal(here, there)


def test_the_command_takes_an_address(cluster, road, tmp_path, invoke):
    address = cluster.scheduler_address
    slides = [road / "slides" / name for name in NAMES]
    line = ("scan", road / "model.safetensors", *slides, *SCAN, "-o")
    assert invoke(*line, tmp_path / "here")[0] == 0
    code, _, lines = invoke(*line, tmp_path / "there", "--scheduler", address)
    assert code == 0, lines
    for name in ("a b.csv", "ü.csv"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()

    line = ("evaluate", road / "patches", "--folds", 2, "--method", "cnn", "--epochs", 1, "-o")
    assert invoke(*line, tmp_path / "a.json")[0] == 0
    code, _, lines = invoke(*line, tmp_path / "b.json", "--scheduler", address)
    assert code == 0, lines
    a, b = (
        json.loads((tmp_path / name).read_text())["results"]["CNN (Ciresan)"]
        for name in ("a.json", "b.json")
    )
    for scores in (a, b):
        del scores["fit_seconds"], scores["predict_seconds"]
    assert a == b


def test_mining_takes_an_address(cluster, mine_line, tmp_path, invoke):
    assert invoke(*mine_line, "-o", tmp_path / "here")[0] == 0
    address = ("--scheduler", cluster.scheduler_address)
    code, _, lines = invoke(*mine_line, "-o", tmp_path / "there", *address)
    assert code == 0, lines
    assert sorted(os.listdir(tmp_path)) == ["here", "there"]
    assert np.load(tmp_path / "here" / "y.npy").tolist().count("background") == 12
    for path in (tmp_path / "here").iterdir():
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes(), path.name


def test_scores_of_detections_take_an_address(cluster, detect_line, tmp_path, invoke):
    line = with_options(detect_line, "--classifier-epochs", 2, "--localizer-epochs", 3, "-o")
    assert invoke(*line, tmp_path / "a.json")[0] == 0
    address = ("--scheduler", cluster.scheduler_address)
    code, _, lines = invoke(*line, tmp_path / "b.json", *address)
    assert code == 0, lines
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]
    a, b = ((tmp_path / name).read_bytes() for name in ("a.json", "b.json"))
    assert a == b
    assert any(json.loads(a)["detection"]["STN"]["thresholds"])


def test_no_scheduler_there_is_one_line(road, tmp_path, invoke, monkeypatch):
    monkeypatch.setattr("stnclf.cli.common._PATIENCE", 0.2)
    line = ("scan", road / "model.safetensors", road / "slides" / "ü.png", *SCAN)
    line += ("-o", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    code, _, lines = invoke(*line)
    assert code == 1
    assert "--scheduler: no scheduler answers at 'tcp://127.0.0.1:9'" in lines[-1]
    assert os.listdir(tmp_path) == []


def hold_after_a_tile(path):
    """In a worker: note every tile at once, and wait after the first while a file is there."""
    from stnclf._utils import progress, run

    add = progress.Progress.add

    def wait(self, *arguments):
        add(self, *arguments)
        while Path(path).exists():
            time.sleep(0.05)

    run.INTERVAL, progress.Progress.add = 0.0, wait


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_worker_that_dies_costs_time_and_not_results(client, clf, slides, tmp_path):
    here = scan_slides(clf, slides, **HOW)
    hold, out = tmp_path / "hold", tmp_path / "out"
    hold.touch()
    out.mkdir()
    client.run(hold_after_a_tile, str(hold))
    pids = client.run(os.getpid)
    progress = [out / "ü.csv.progress", out / "a b.csv.progress"]

    def kill_one():
        while not all(p.exists() and p.read_bytes().count(b"\n") == 2 for p in progress):
            time.sleep(0.05)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        hold.unlink()

    killer = threading.Thread(target=kill_one)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        there = scan_slides(clf, slides, out=out, n_jobs=-1, **HOW)
    killer.join()
    assert set(client.run(os.getpid).values()) != set(pids.values())
    for a, b in zip(here, there):
        pd.testing.assert_frame_equal(a, b)
    assert sorted(os.listdir(out)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]
