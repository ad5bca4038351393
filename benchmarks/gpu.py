"""Training on a GPU: patches per second of each stage, and the paper's whole schedule.

    python benchmarks/gpu.py [--samples 24800] [--epochs 3] [--paper] [--out FILE]
    python benchmarks/gpu.py --page-only

Each stage is trained in five ways: bfloat16 with each step recorded as a CUDA graph (the
default), the same compiled, the same compiled in batches of 256, float32, and bfloat16 kernel by
kernel, which is what a callback that watches batches brings about. The first epoch, with its
recording, is left out. With ``--paper`` one fit of
``STNCellClassifier(**PAPER)`` follows, compiled, in batches of 256 (the paper names no size): 50,
200 and 100 epochs, each sample shown twice per epoch, on ``--samples`` synthetic patches of 128 px
(24,800 are four fifths of the paper's).
"""

import statistics
import time

import numpy as np
import torch
from _run import carry_out, parser, table
from sklearn.base import clone
from skorch.callbacks import Callback

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells

#: Samples per epoch where only rates are measured.
RATED = 6144

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


def main(arguments=None):
    line = parser(__doc__, "gpu.json")
    line.add_argument("--samples", type=int, default=24800)
    line.add_argument("--epochs", type=int, default=3)
    line.add_argument("--paper", action="store_true")
    carry_out(line.parse_args(arguments), ("job",), measure, sections, "performance.md")


def measure(options, store):
    X, y, centers = cells(options.samples)
    some = X[:RATED], y[:RATED], centers[:RATED]
    store.note("run", {"samples": options.samples, "rated": RATED, "epochs": options.epochs})
    for name, estimator, stage in jobs():
        row = {"job": name}
        for way, settings in WAYS.items():
            row[way] = rate(estimator, stage, *some, options.epochs, **settings)
        store.put(row)
        print(row, flush=True)
    if options.paper:
        store.note("paper", paper(X, y, centers))


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


def sections(store):
    """Write the rates of all ways."""
    lines = [[row["job"], *(f"{row[way]:,}" for way in WAYS)] for row in store.rows]
    text = f"{store.data['run']['rated']} patches of 128 px. {store.where(store.rows)}"
    made = f"{text}\n\n{table(['stage', *WAYS], lines)}"
    if "paper" in store.data:
        made += f"\n\nThe paper's whole schedule took {store.data['paper']['seconds']} s."
    return {"gpu": made}


if __name__ == "__main__":
    main()
