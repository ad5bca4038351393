"""Speed: training and prediction, growth, parallel cross-validation, time to fit and to accuracy.

    python benchmarks/speed.py [--samples 4096] [--epochs 1] [--repeats 3] [--threads N]
        [--parts stages growth jobs fit accuracy] [--jobs NAME ...] [--data BCCD]
        [--out benchmarks/results/speed.json] [--page docs/performance.md]

stages    images per second of each stage, of the baseline and of predict, in four ways, one after
          the other in every repeat:
            bare      a loop over the same batches, micro-batches, precision and threads, and
                      nothing else: what the estimator's own housekeeping is measured against
            stnclf    fit or predict of the estimator, from the call to its return
            float32   the same with precision="float32"
            tutorial  a Dataset that turns and crops one image at a time with Pillow, in a
                      DataLoader, and a plain float32 loop over whole batches
          Given are medians with the lowest and highest of the repeats, and the share of this
          machine's float32 matrix product that ``float32`` reaches, counting convolutions and
          dense layers.
growth    seconds for an image and peak memory of an epoch of the localizer, for 1,000 to 37,800
          images of 192 px, in memory and memory-mapped, each in a process of its own
jobs      cross_val_score with n_jobs=1 and n_jobs=2
fit       seconds of the STN's defaults and of the baseline's 200 epochs on the five folds of BCCD,
          fold by fold in turns (needs --data)
accuracy  seconds until the STN reaches the baseline's final score (needs --data)

A later run replaces the parts that it measures and keeps the others.
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
from _speed_page import page
from _speed_parts import cross_validation, growth, parallel, time_to_accuracy

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf._utils.checks import uses_bfloat16
from stnclf._utils.threads import Workers
from stnclf.sampling import CellDataset, Frame, TrainingBatches, patch_batches
from stnclf.sampling._batch import as_float
from stnclf.training import stage_loss
from stnclf.training._net import MICRO_BATCH

FRAME = Frame((192, 192), (128, 128), (64, 64))
BATCH = 64
CHANGES = {"flip": True, "color_jitter": 0.1, "center_jitter": 0.03}
ON_BCCD = {"fit": cross_validation, "accuracy": time_to_accuracy}
PARTS = ("stages", "growth", "jobs", *ON_BCCD)
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
PAGE = ROOT / "docs" / "performance.md"


def stn(**parameters):
    """Two networks, unless the parameters say otherwise: each stage trains its own."""
    parameters = {"classifier": "context", **parameters}
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
    "stage 1, shared": (stn(classifier="shared"), "classifier"),
    "stage 2, shared": (stn(classifier="shared"), "localizer"),
    "stage 3, shared": (stn(classifier="shared"), "joint"),
    "baseline": (baseline(), "classifier"),
    "predict, heatmap": (stn(), None),
    "predict, shared": (stn(classifier="shared"), None),
    "predict, baseline": (baseline(), None),
}


def main():
    options = read_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    record = json.loads(options.out.read_text()) if options.out.exists() else {}
    here = {"commit": commit(), "environment": environment()}
    for part in options.parts:
        if part == "stages":
            found = stages(options)
        elif part == "growth":
            found = growth(options.sizes)
        elif part == "jobs":
            found = parallel(options.repeats)
        elif options.data:
            found = ON_BCCD[part](options.data)
        else:
            print(f"{part}: left out, it needs --data", flush=True)
            continue
        record[part] = {**here, **found}
        write(options.out, json.dumps(record, indent=1) + "\n")
    text = page(record)
    write(options.page, text)
    print(text)


def stages(options):
    rng = np.random.default_rng(0)
    n = options.samples
    X = rng.integers(0, 256, (n, 192, 192, 3), dtype=np.uint8)
    y, centers = np.arange(n) % 3, 95.5 + rng.uniform(-20, 20, (n, 2))
    peaks = {str(kind)[6:]: matrix_product_rate(kind) for kind in (torch.float32, torch.bfloat16)}
    rows = []
    for name in options.jobs or JOBS:
        rows.append(measure(name, X, y, centers, options, peaks["float32"]))
        print(rows[-1], flush=True)
    return {
        "samples": n,
        "epochs": options.epochs,
        "repeats": options.repeats,
        "peak_gflops": {kind: round(rate / 1e9, 1) for kind, rate in peaks.items()},
        "rows": rows,
    }


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 4000, 16000, 37800])
    parser.add_argument("--data", type=Path, help="folder of BCCD, for fit and accuracy")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args()


def measure(name, X, y, centers, options, peak):
    """Time the three ways of one job, interleaved; give rates in images per second."""
    estimator, stage_name = JOBS[name]
    estimator = copy.deepcopy(estimator)
    n_passes = len(X) * (options.epochs if stage_name else 1)
    data = CellDataset(X, np.arange(len(X)), y, centers, np.ones(len(X), np.float32), FRAME)
    # The tutorial is slow and its rate does not depend on the number of images.
    ways = {"bare": bare, "stnclf": package, "float32": package, "tutorial": tutorial}
    some = CellDataset(X, np.arange(len(X) // 4), y, centers, data.weight, FRAME)
    exact = copy.deepcopy(estimator).set_params(precision="float32")
    rates = {way: [] for way in ways}
    start(estimator, X[:BATCH], y[:BATCH], centers[:BATCH])  # warm caches and thread pools
    for _ in range(options.repeats):
        for way, function in ways.items():
            precise = way in ("float32", "tutorial")
            fitted = start(copy.deepcopy(exact if precise else estimator), X, y, centers)
            shown = some if way == "tutorial" else data
            begin = time.perf_counter()
            function(fitted, stage_name, shown, options.epochs)
            seconds = time.perf_counter() - begin
            rates[way].append(n_passes * len(shown) / len(data) / seconds)
    flops = operations(start(estimator, X[:BATCH], y[:BATCH], centers[:BATCH]), stage_name, data)
    row = {"job": name, "megaflop_per_image": round(flops / 1e6, 1)}
    for way, values in rates.items():
        row[way] = [round(f(values), 1) for f in (statistics.median, min, max)]
    row["share_of_peak"] = round(row["float32"][0] * flops / peak, 3)
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
    for replica in replicas:
        replica.bfloat16 = uses_bfloat16(fitted.precision, "cpu")
    optimizer = torch.optim.AdamW(parameters, lr=stage.lr, weight_decay=0.0)

    def gradients(replica, part, total):
        loss, _ = stage_loss(replica, part, stage)
        return torch.autograd.grad(loss.sum() / total, parameters, allow_unused=True)

    with Workers(len(replicas)) as workers:
        for batch in batches(data, stage, epochs, module):
            parts = batch.split(MICRO_BATCH)
            grads = workers.map(gradients, replicas, parts, [len(batch)] * len(parts))
            for parameter, *found in zip(parameters, *grads):
                if found[0] is not None:
                    parameter.grad = sum(found[1:], start=found[0])
            optimizer.step()


def no_grad_scores(module, batch):
    with torch.no_grad():  # a setting of each thread
        return module.scores(as_float(batch))


def chunks(iterable, size):
    group = []
    for item in iterable:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def batches(data, stage, epochs, module):
    around = module.around if stage.classifies == "cell" else None
    epoch = TrainingBatches(data, (0, 1), BATCH, around, True, True, **CHANGES)
    for _ in range(epochs):
        yield from epoch


class PillowCells(torch.utils.data.Dataset):
    """One image at a time: turned about the cell, cropped to the patch, by Pillow."""

    def __init__(self, data, view=None):
        self.data, self.view = data, view
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        (x, y), size = self.data.centers[i], 128
        dx, dy = (0, 0) if self.view else self.rng.uniform(-32, 32, 2)
        image = Image.fromarray(self.data.X[i])
        angle = self.rng.uniform(0, 360)
        image = image.rotate(angle, resample=Image.Resampling.BILINEAR, center=(x, y))
        left, top = round(x - dx - size / 2), round(y - dy - size / 2)
        image = image.crop((left, top, left + size, top + size))
        pixels = self.tensor(image)
        if self.view:  # the window, and twice its size around it
            inner = image.crop((32, 32, 96, 96)).resize(self.view, Image.Resampling.BILINEAR)
            outer = image.resize(self.view, Image.Resampling.BOX)
            pixels = torch.cat([self.tensor(inner), self.tensor(outer)])
        theta = torch.tensor([[0.5, 0.0, dx / 64], [0.0, 0.5, dy / 64]], dtype=torch.float32)
        return pixels, theta, int(self.data.y[i])

    @staticmethod
    def tensor(image):
        """Make a tensor of a Pillow image, channels first."""
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def tutorial(fitted, stage_name, data, epochs):
    module = fitted.net_.module_
    if stage_name is None:
        loader = torch.utils.data.DataLoader(PillowCells(data), batch_size=BATCH)
        with torch.no_grad():
            for pixels, _, _ in loader:
                module.scores(pixels)
        return
    from stnclf.sampling import Batch

    stage = stage_of(fitted, stage_name, epochs)
    optimizer = torch.optim.Adam(learning(module, stage), lr=stage.lr)
    window = stage.classifies == "cell" and module.around is not None
    view = tuple(module.classifier.view) if window else None
    loader = torch.utils.data.DataLoader(PillowCells(data, view), BATCH, shuffle=True)
    for _ in range(epochs):
        for pixels, theta, y in loader:
            optimizer.zero_grad()
            if window:
                loss = torch.nn.functional.cross_entropy(module.classify(pixels), y)
            else:
                place = torch.eye(2, 3).expand(len(y), 2, 3)
                plain = torch.tensor([[1.0] * 3, [0.0] * 3]).expand(len(y), 2, 3)
                pixels, ones = pixels.permute(0, 2, 3, 1), torch.ones(len(y))
                whole = Batch(pixels, place, theta, theta, y, ones, plain)
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
            batch = next(iter(batches(data, stage, 1, module)))
            loss, _ = stage_loss(module, batch, stage)
            torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
    return counter.get_total_flops() / len(batch)


def matrix_product_rate(dtype, n=2048, repeats=9):
    """Operations a second of a large matrix product, on all threads."""
    a = torch.ones(n, n, dtype=dtype)
    a @ a
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begin)
    return 2 * n**3 / min(times)


if __name__ == "__main__":
    main()
