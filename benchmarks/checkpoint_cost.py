"""Measure what `checkpoint=` costs: the file, its writing once an epoch, the hash of the images.

    python benchmarks/checkpoint_cost.py [--epochs 5]

Prints medians, in processor seconds and, since writing also waits for the disk, in seconds.
"""

import argparse
import os
import statistics
import tempfile
import time

import numpy as np
import torch

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.training._checkpoint import CheckpointKeeper
from stnclf.training._fingerprint import fingerprint


def timed(function, times):
    """Have a function note its times."""

    def wrapped(*args, **kwargs):
        wall, cpu = time.perf_counter(), time.process_time()
        result = function(*args, **kwargs)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
        return result

    return wrapped


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=5, help="of each stage")
    options = parser.parse_args()
    torch.set_num_threads(1)
    X, y, centers = make_cells(128, random_state=0)
    epochs = {f"{name}_epochs": options.epochs for name in ("classifier", "localizer", "joint")}
    kinds = {
        "STNCellClassifier()": STNCellClassifier(**epochs),
        "STNCellClassifier(**PAPER)": STNCellClassifier(**{**PAPER, **epochs}),
        "CiresanBaseline()": CiresanBaseline(epochs=options.epochs),
    }
    write = CheckpointKeeper.on_epoch_end
    print(f"torch {torch.__version__}, 1 thread, {options.epochs} epochs of each stage")
    for name, estimator in kinds.items():
        times = []
        CheckpointKeeper.on_epoch_end = timed(write, times)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.checkpoint")
            estimator.set_params(checkpoint=path, random_state=0).fit(X, y, centers=centers)
            size = os.path.getsize(path)
        cpu, wall = (1e3 * statistics.median(column) for column in zip(*times))
        print(f"{name:28} {size / 1e6:5.1f} MB, once an epoch {cpu:.0f} ms CPU, {wall:.0f} ms")
    times, many, (classes, rows) = [], X.repeat(20, axis=0), np.unique(y, return_inverse=True)
    for _ in range(5):
        timed(fingerprint, times)(estimator, [], many, classes, rows, centers, centers, None)
    cpu = statistics.median(column[0] for column in times)
    print(f"hash of the images, once a fit: {cpu / many.nbytes * 1e9:.1f} s CPU per GB")


if __name__ == "__main__":
    main()
