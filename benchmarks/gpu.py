"""Training on a GPU: patches per second of each stage, and the paper's whole schedule.

    python benchmarks/gpu.py [--samples 24800] [--epochs 3] [--paper] [--out FILE]

Each stage is trained in five ways: bfloat16 with each step recorded as a CUDA graph (the
default), the same compiled, the same compiled in batches of 256, float32, and bfloat16 kernel by
kernel, which is what a callback that watches batches brings about. The first epoch, with its
recording, is left out. Predictions are timed too. With ``--paper`` one fit of
``STNCellClassifier(**PAPER)`` follows, compiled, in batches of 256 (the paper names no size): 50,
200 and 100 epochs, each sample shown twice an epoch, on ``--samples`` synthetic patches of 128 px.
The paper's 31,000 patches leave 24,800 for each fit of a five-fold cross-validation.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _evaluate import commit, environment

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells

#: Samples an epoch where only rates are measured.
RATED = 6144
RESULTS = Path(__file__).resolve().parent / "results" / "gpu.json"

WAYS = {
    "graph, bfloat16": {"precision": "bfloat16"},
    "graph, bfloat16, compiled": {"precision": "bfloat16", "compile": True},
    "graph, bfloat16, compiled, batches of 256": {
        "precision": "bfloat16",
        "compile": True,
        "batch_size": 256,
    },
    "graph, float32": {"precision": "float32"},
    "kernel by kernel, bfloat16": {"precision": "bfloat16", "watched": True},
}


class Watcher(Callback):
    """Wants to see each batch, so that steps are made one by one."""

    def on_batch_end(self, net, **kwargs):
        """Do nothing."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=24800)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    X, y, centers = cells(options.samples)
    some = X[:RATED], y[:RATED], centers[:RATED]
    record = {
        "commit": commit(),
        "environment": environment(),
        "gpu": torch.cuda.get_device_name(),
        "samples": options.samples,
        "rated": RATED,
        "epochs": options.epochs,
        "rows": [],
    }
    for name, estimator, stage in jobs():
        row = {"job": name}
        for way, settings in WAYS.items():
            row[way] = rate(estimator, stage, *some, options.epochs, **settings)
        record["rows"].append(row)
        print(row, flush=True)
        write(record, options.out)
    record["predict"] = predict_rates(X, y, centers)
    print(record["predict"], flush=True)
    if options.paper:
        record["paper"] = paper(X, y, centers)
        print(record["paper"], flush=True)
    write(record, options.out)


def cells(n, distinct=2000):
    """Synthetic patches of 128 px, some of them several times: only their number matters."""
    X, y, centers = make_cells(min(n, distinct), patch_size=128, offset=0, random_state=0)
    copies = -(-n // len(X))
    return (
        np.tile(X, (copies, 1, 1, 1))[:n],
        np.tile(y, copies)[:n],
        np.tile(centers, (copies, 1))[:n],
    )


def jobs():
    stn = STNCellClassifier(random_state=0, device="cuda", classifier="inception")
    dense = clone(stn).set_params(localizer="dense")
    baseline = CiresanBaseline(random_state=0, device="cuda")
    return [
        ("stage 1, classifier", stn, "classifier"),
        ("stage 2, heatmap localizer", stn, "localizer"),
        ("stage 2, dense localizer", dense, "localizer"),
        ("stage 3, heatmap", stn, "joint"),
        ("stage 3, dense", dense, "joint"),
        ("baseline", baseline, "classifier"),
    ]


def rate(estimator, stage, X, y, centers, epochs, watched=False, **settings):
    """Measure samples per second, median over the epochs but the first."""
    name = "epochs" if isinstance(estimator, CiresanBaseline) else f"{stage}_epochs"
    callbacks = [Watcher()] if watched else None
    estimator = clone(estimator).set_params(**{name: epochs + 1}, callbacks=callbacks, **settings)
    estimator.fit(X, y, centers=centers, stages=(stage,))
    counts = np.unique(y, return_counts=True)[1]
    n = counts.min() * len(counts)
    seconds = [row["seconds"] for row in estimator.history_[1:]]
    return round(n / statistics.median(seconds))


def predict_rates(X, y, centers):
    rates = {}
    for name, estimator, _ in jobs()[-3:]:
        epochs = {key: 0 for key in estimator.get_params() if key.endswith("epochs")}
        estimator.set_params(**epochs).fit(X[:99], y[:99], centers=centers[:99])
        estimator.predict_proba(X[:2000])
        begin = time.perf_counter()
        estimator.predict_proba(X)
        rates[f"predict, {name}"] = round(len(X) / (time.perf_counter() - begin))
    return rates


def paper(X, y, centers):
    estimator = STNCellClassifier(
        **PAPER, batch_size=256, compile=True, device="cuda", random_state=0
    )
    torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    estimator.fit(X, y, centers=centers)
    seconds = time.perf_counter() - begin
    stages = {}
    for row in estimator.history_:
        stages[row["stage"]] = stages.get(row["stage"], 0.0) + row["seconds"]
    return {
        "seconds": round(seconds, 1),
        "stages": {name: round(value, 1) for name, value in stages.items()},
        "last losses": {row["stage"]: round(row["train_loss"], 4) for row in estimator.history_},
        "gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20),
    }


def write(record, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)


if __name__ == "__main__":
    main()
