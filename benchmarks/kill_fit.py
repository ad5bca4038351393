"""Kill `fit` at random moments, resume it from its checkpoint, and compare the weights.

    python benchmarks/kill_fit.py 30 [--seed 0]

Each run trains the same small classifier, in a process that is ended by SIGKILL one to three times
and started again, and ends with a process that is left alone. Two moments out of three are random
times within what an uninterrupted run takes; the others lie in the writing of a random
checkpoint: half of it written, all of it written but not yet named, or just named. Needs Linux.

Right is a run whose weights and history are those of the uninterrupted one, bit for bit. The exit
status is 1 if there is another.
"""

import argparse
import collections
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from stnclf import STNCellClassifier
from stnclf._serialization.container import Reader
from stnclf.datasets import make_cells

EPOCHS = {"classifier_epochs": 4, "localizer_epochs": 4, "joint_epochs": 3}
INSIDE = ("half written", "not yet named", "just named")


def train(checkpoint, result, moment=None):
    """Fit, and write down the weights' digest; die in the writing of a checkpoint if told so."""
    torch.set_num_threads(1)
    if moment is not None:
        die_in_writing(*moment)
    X, y, centers = make_cells(24, patch_size=56, offset=4, random_state=0)
    model = STNCellClassifier(
        **EPOCHS, batch_size=8, validation_fraction=0.25, random_state=0, checkpoint=checkpoint
    ).fit(X, y, centers=centers)
    digest = hashlib.sha256()
    for name, tensor in model.net_.module_.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in model.history_]
    result.write_text(json.dumps([digest.hexdigest(), rows]))


def die_in_writing(number, place):
    """Have this process killed in the writing of its checkpoint of this number."""
    fsync, replace, count = os.fsync, os.replace, iter(range(number))

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def patched_fsync(descriptor):
        file = not os.path.isdir(f"/proc/self/fd/{descriptor}")
        if place == INSIDE[0] and file and next(count, None) is None:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            die()
        fsync(descriptor)

    def patched_replace(source, target):
        last = place != INSIDE[0] and next(count, None) is None
        if last and place == INSIDE[1]:
            die()
        replace(source, target)
        if last:
            die()

    os.fsync, os.replace = patched_fsync, patched_replace


def start(*arguments):
    """Begin a training in a process of its own; a fork spares the imports."""
    process = multiprocessing.get_context("fork").Process(target=train, args=arguments)
    process.start()
    return process


def stage_of(checkpoint):
    """Name the stage that a killed process was in, from the last thing that it wrote."""
    if not checkpoint.exists():
        return "classifier"
    with open(checkpoint, "rb") as file:
        facts = Reader(file, checkpoint.stat().st_size).facts
    names = ["classifier", "localizer", "joint"]
    over = facts["epoch"] == EPOCHS[f"{names[facts['stage']]}_epochs"]
    return names[min(facts["stage"] + over, 2)]


def kill(checkpoint, result, rng, seconds):
    """Start a training and kill it; give the moment, or None if it was over before."""
    if rng.random() < 1 / 3:
        place = INSIDE[rng.integers(3)]
        process = start(checkpoint, result, (int(rng.integers(0, sum(EPOCHS.values()))), place))
    else:
        place, process = "random time", start(checkpoint, result)
        process.join(rng.uniform(0, seconds))
        process.kill()
    process.join()
    return place if process.exitcode == -signal.SIGKILL else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n", type=int, help="number of runs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, begin = np.random.default_rng(options.seed), time.perf_counter()
    stages, places, n_right = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.json"
        for _ in range(2):  # the first one also fills the caches
            since = time.perf_counter()
            start(None, whole).join()
            seconds = time.perf_counter() - since
        print(f"uninterrupted: {len(json.loads(whole.read_text())[1])} epochs, {seconds:.1f} s")
        for run in range(options.n):
            checkpoint = Path(folder) / f"{run}.checkpoint"
            result = Path(folder) / f"{run}.json"
            moments, wanted = [], int(rng.integers(1, 4))
            while len(moments) < wanted:
                place = kill(checkpoint, result, rng, seconds)
                if place is not None:
                    moments.append(f"{stage_of(checkpoint)} ({place})")
                    stages[stage_of(checkpoint)] += 1
                    places[place] += 1
                elif moments:
                    break  # it came to its end after a resumption
                else:
                    checkpoint.unlink()
            result.unlink(missing_ok=True)
            start(checkpoint, result).join()
            right = result.exists() and result.read_text() == whole.read_text()
            n_right += right
            print(
                f"run {run}: killed in {', '.join(moments)}: {'same' if right else 'OTHER'}",
                flush=True,
            )
    print(f"kills by stage: {dict(stages)}")
    print(f"kills by moment: {dict(places)}")
    print(
        f"{n_right} of {options.n} runs ended with the weights and history of the uninterrupted "
        f"one, seed {options.seed}, {time.perf_counter() - begin:.0f} s"
    )
    return 0 if n_right == options.n else 1


if __name__ == "__main__":
    sys.exit(main())
