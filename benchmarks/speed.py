"""Images per second of each stage: a bare loop, the estimator, and what a tutorial would do.

    python benchmarks/speed.py [--samples 1024] [--epochs 1] [--repeats 3] [--threads N]
        [--jobs NAME ...] [--out benchmarks/results/speed.json]

All three train the same modules on the same images, one after the other in every repeat:

bare      a loop over the same batches, micro-batches and threads, and nothing else: what the
          estimator's own housekeeping is measured against
stnclf    fit or predict of the estimator, from the call to its return
tutorial  a Dataset that turns and crops one image at a time with Pillow, in a DataLoader,
          and a plain loop over whole batches

Given are medians, with the lowest and highest of the repeats, and the share of this machine's
float32 matrix product that the bare loop reaches, counting convolutions and dense layers.
"""

import argparse
import copy
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _evaluate import commit, environment

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf._workers import Workers
from stnclf.sampling import CellDataset, Frame, TrainingBatches, patch_batches
from stnclf.training import MICRO_BATCH, stage_loss

FRAME = Frame((192, 192), (128, 128), (64, 64))
BATCH = 64
RESULTS = Path(__file__).resolve().parent / "results" / "speed.json"


def stn(**parameters):
    return STNCellClassifier(patch_size=128, random_state=0, **parameters)


def baseline():
    return CiresanBaseline(patch_size=128, random_state=0)


# Name of a job: the estimator, and the stage that it trains (None predicts).
JOBS = {
    "stage 1, classifier": (stn(), "classifier"),
    "stage 2, heatmap localizer": (stn(), "localizer"),
    "stage 2, dense localizer": (stn(localizer="dense"), "localizer"),
    "stage 3, heatmap": (stn(), "joint"),
    "stage 3, dense": (stn(localizer="dense"), "joint"),
    "baseline": (baseline(), "classifier"),
    "predict, heatmap": (stn(), None),
    "predict, baseline": (baseline(), None),
}


def main():
    options = read_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    n = options.samples
    X = rng.integers(0, 256, (n, 192, 192, 3), dtype=np.uint8)
    y, centers = np.arange(n) % 3, 95.5 + rng.uniform(-20, 20, (n, 2))
    peak = matrix_product_rate()
    rows = []
    for name in options.jobs or JOBS:
        rows.append(measure(name, X, y, centers, options, peak))
        print(as_line(rows[-1]), flush=True)
    record = {
        "commit": commit(),
        "environment": environment(),
        "samples": n,
        "epochs": options.epochs,
        "repeats": options.repeats,
        "peak_gflops": round(peak / 1e9, 1),
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draft = options.out.with_suffix(".tmp")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, options.out)
    print("\n" + table(record))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, metavar="NAME")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def measure(name, X, y, centers, options, peak):
    """Time the three ways of one job, interleaved; give rates in images per second."""
    estimator, stage_name = JOBS[name]
    estimator = copy.deepcopy(estimator)
    n_passes = len(X) * (options.epochs if stage_name else 1)
    data = CellDataset(X, np.arange(len(X)), y, centers, np.ones(len(X), np.float32), FRAME)
    ways = {"bare": bare, "stnclf": package, "tutorial": tutorial}
    rates = {way: [] for way in ways}
    start(estimator, X[:BATCH], y[:BATCH], centers[:BATCH])  # warm caches and thread pools
    for _ in range(options.repeats):
        for way, function in ways.items():
            fitted = start(copy.deepcopy(estimator), X, y, centers)
            begin = time.perf_counter()
            function(fitted, stage_name, data, options.epochs)
            rates[way].append(n_passes / (time.perf_counter() - begin))
    flops = operations(start(estimator, X[:BATCH], y[:BATCH], centers[:BATCH]), stage_name, data)
    row = {"job": name, "megaflop_per_image": round(flops / 1e6, 1)}
    for way, values in rates.items():
        row[way] = [round(f(values), 1) for f in (statistics.median, min, max)]
    row["share_of_peak"] = round(row["bare"][0] * flops / peak, 3)
    return row


def start(estimator, X, y, centers):
    """Fit for no epochs: networks with fresh weights and nothing learned."""
    stages = {name: 0 for name in estimator.get_params() if name.endswith("epochs")}
    before = {name: getattr(estimator, name) for name in stages}
    estimator.set_params(**stages, warm_start=False).fit(X, y, centers=centers)
    return estimator.set_params(**before)


def stage_of(fitted, name, epochs):
    prefix = "" if isinstance(fitted, CiresanBaseline) else f"{name}_"
    fitted.set_params(**{f"{prefix}epochs": epochs}, warm_start=True)
    return fitted._stages()[name]


def package(fitted, stage_name, data, epochs):
    if stage_name is None:
        fitted.predict_proba(data.X)
        return
    stage_of(fitted, stage_name, epochs)
    fitted.fit(data.X, data.y, centers=data.centers, stages=(stage_name,))


def learning(module, stage):
    parts = [module if name == "all" else getattr(module, name) for name in stage.learns]
    for part in parts:
        part.train()
    return [p for part in parts for p in part.parameters()]


def bare(fitted, stage_name, data, epochs):
    module = fitted.net_.module_
    if stage_name is None:
        with Workers() as workers, torch.no_grad():
            for group in chunks(patch_batches(data, 8), 4 * workers.n):
                workers.map(no_grad_scores, [module] * len(group), group)
        return
    stage = stage_of(fitted, stage_name, epochs)
    parameters = learning(module, stage)
    shared = {id(p): p for p in parameters}
    replicas = [copy.deepcopy(module, dict(shared)) for _ in range(math.ceil(BATCH / MICRO_BATCH))]
    optimizer = torch.optim.AdamW(parameters, lr=stage.lr, weight_decay=0.0)

    def gradients(replica, part, total):
        loss, _ = stage_loss(replica, part, stage)
        return torch.autograd.grad(loss.sum() / total, parameters, allow_unused=True)

    with Workers(len(replicas)) as workers:
        for batch in batches(data, stage, epochs):
            parts = batch.split(MICRO_BATCH)
            grads = workers.map(gradients, replicas, parts, [len(batch)] * len(parts))
            for parameter, *found in zip(parameters, *grads):
                parameter.grad = sum(found[1:], start=found[0])
            optimizer.step()


def no_grad_scores(module, batch):
    with torch.no_grad():  # a setting of each thread
        return module.scores(batch.images())


def chunks(iterable, size):
    group = []
    for item in iterable:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def batches(data, stage, epochs):
    around = AROUND if stage.classifies == "cell" else None
    epoch = TrainingBatches(data, (0, 1), BATCH, around, True, True, **CHANGES)
    for _ in range(epochs):
        yield from epoch


class PillowCells(torch.utils.data.Dataset):
    """One image at a time: turned about the cell, cropped to the patch, by Pillow."""

    def __init__(self, data, window):
        self.data, self.window = data, window
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        (x, y), size = self.data.centers[i], 64 if self.window else 128
        dx, dy = (0, 0) if self.window else self.rng.uniform(-32, 32, 2)
        image = Image.fromarray(self.data.X[i])
        angle = self.rng.uniform(0, 360)
        image = image.rotate(angle, resample=Image.Resampling.BILINEAR, center=(x, y))
        left, top = round(x - dx - size / 2), round(y - dy - size / 2)
        image = image.crop((left, top, left + size, top + size))
        if self.window:
            image = image.resize((32, 32), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        theta = torch.tensor([[0.5, 0.0, dx / 64], [0.0, 0.5, dy / 64]], dtype=torch.float32)
        return pixels, theta, int(self.data.y[i])


def tutorial(fitted, stage_name, data, epochs):
    module = fitted.net_.module_
    if stage_name is None:
        loader = torch.utils.data.DataLoader(PillowCells(data, False), batch_size=BATCH)
        with torch.no_grad():
            for pixels, _, _ in loader:
                module.scores(pixels)
        return
    from stnclf.sampling import Batch

    stage = stage_of(fitted, stage_name, epochs)
    optimizer = torch.optim.Adam(learning(module, stage), lr=stage.lr)
    window = stage.classifies == "cell"
    loader = torch.utils.data.DataLoader(PillowCells(data, window), BATCH, shuffle=True)
    for _ in range(epochs):
        for pixels, theta, y in loader:
            optimizer.zero_grad()
            if window:
                loss = torch.nn.functional.cross_entropy(module.classify(pixels), y)
            else:
                place = torch.eye(2, 3).expand(len(y), 2, 3)
                whole = Batch(pixels.permute(0, 2, 3, 1), place, theta, y, torch.ones(len(y)))
                loss = stage_loss(module, whole, stage)[0].mean()
            loss.backward()
            optimizer.step()


def operations(fitted, stage_name, data):
    """Floating-point operations for one image, forward and, in training, backward."""
    from torch.utils.flop_counter import FlopCounterMode

    module = fitted.net_.module_
    with FlopCounterMode(display=False) as counter:
        if stage_name is None:
            batch = next(patch_batches(data, 8))
            no_grad_scores(module, batch)
        else:
            stage = stage_of(fitted, stage_name, 1)
            parameters = learning(module, stage)
            batch = next(iter(batches(data, stage, 1)))
            loss, _ = stage_loss(module, batch, stage)
            torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
    return counter.get_total_flops() / len(batch)


def matrix_product_rate(n=2048, repeats=5):
    """Operations a second of a large float32 matrix product, on all threads."""
    a = torch.ones(n, n)
    a @ a
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begin)
    return 2 * n**3 / min(times)


def as_line(row):
    rates = ", ".join(f"{way} {row[way][0]:.0f}" for way in ("bare", "stnclf", "tutorial"))
    return f"{row['job']}: {rates} images/s, {row['share_of_peak']:.0%} of peak"


def table(record):
    """All rows as a Markdown table."""
    lines = [
        "| images/s | bare | stnclf | tutorial | stnclf / bare | stnclf / tutorial | of peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        median = {way: row[way][0] for way in ("bare", "stnclf", "tutorial")}
        cells = [f"{row[way][0]:.0f} ({row[way][1]:.0f} to {row[way][2]:.0f})" for way in median]
        lines.append(
            f"| {row['job']} | {' | '.join(cells)} | {median['stnclf'] / median['bare']:.2f} | "
            f"{median['stnclf'] / median['tutorial']:.1f} | {row['share_of_peak']:.0%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
