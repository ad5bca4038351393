"""Speed: images per second of each stage, of the baseline and of predict.

    python benchmarks/speed.py [--samples 4096] [--epochs 1] [--repeats 3] [--threads N]
        [--jobs NAME ...]
    python benchmarks/speed.py --page-only

Each job is timed in three ways, one after the other in every repeat:

    bare      a loop over the same batches, micro-batches, precision and threads, and nothing else:
              what the estimator's own housekeeping is measured against
    stnclf    fit or predict of the estimator, from the call to its return
    float32   the same with precision="float32"
"""

import copy
import math
import statistics
import time

import numpy as np
import torch
from _run import carry_out, parser, table

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf._utils.checks import uses_bfloat16
from stnclf._utils.printable import counted
from stnclf._utils.threads import Workers
from stnclf.sampling import Augmentation, CellDataset, Frame, TrainingBatches, patch_batches
from stnclf.sampling._batch import as_float
from stnclf.training import stage_loss
from stnclf.training._stage_run import MICRO_BATCH

KEY = ("part", "job")
FRAME = Frame((192, 192), (128, 128), (64, 64))
BATCH = 64
AUGMENT = Augmentation()


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


def main(arguments=None):
    line = parser(__doc__, "speed.json")
    line.add_argument("--samples", type=int, default=4096)
    line.add_argument("--epochs", type=int, default=1)
    line.add_argument("--repeats", type=int, default=3)
    line.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), metavar="NAME")
    carry_out(line.parse_args(arguments), KEY, measure, sections, "performance.md")


def measure(options, store):
    n = options.samples
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n, 192, 192, 3), dtype=np.uint8)
    y, centers = np.arange(n) % 3, 95.5 + rng.uniform(-20, 20, (n, 2))
    facts = {name: getattr(options, name) for name in ("samples", "epochs", "repeats")}
    store.note("stages", facts)
    for name in options.jobs:
        row = {"part": "stages", **rates(name, X, y, centers, options)}
        print(row, flush=True)
        store.put(row)


def rates(name, X, y, centers, options):
    """Time the ways of one job, interleaved; return rates in images per second."""
    estimator, stage_name = JOBS[name]
    estimator = copy.deepcopy(estimator)
    n_passes = len(X) * (options.epochs if stage_name else 1)
    data = CellDataset(X, np.arange(len(X)), y, centers, np.ones(len(X), np.float32), FRAME)
    ways = {"bare": bare, "stnclf": package, "float32": package}
    exact = copy.deepcopy(estimator).set_params(precision="float32")
    found = {way: [] for way in ways}
    start(estimator, X[:BATCH], y[:BATCH], centers[:BATCH])  # warm caches and thread pools
    for _ in range(options.repeats):
        for way, function in ways.items():
            fitted = start(copy.deepcopy(exact if way == "float32" else estimator), X, y, centers)
            begin = time.perf_counter()
            function(fitted, stage_name, data, options.epochs)
            found[way].append(n_passes / (time.perf_counter() - begin))
    row = {"job": name}
    for way, values in found.items():
        row[way] = [round(f(values), 1) for f in (statistics.median, min, max)]
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
    epoch = TrainingBatches(data, (0, 1), BATCH, around, True, AUGMENT)
    for _ in range(epochs):
        yield from epoch


def sections(store):
    """Write the table of rates; median, lowest and highest of the repeats."""
    lines, ways = [], ("bare", "stnclf", "float32")
    for row in store.rows:
        rate = {way: row[way][0] for way in ways}
        cells = ["{:.0f} ({:.0f} to {:.0f})".format(*row[way]) for way in ways]
        cells += [f"{rate['stnclf'] / rate[way]:.2f}" for way in ("bare", "float32")]
        lines.append([row["job"], *cells])
    facts = store.data["stages"]
    text = (
        f"{facts['samples']} images of 192 px, patches of 128 px, "
        f"{counted(facts['epochs'], 'epoch')}, {facts['repeats']} repeats. "
        f"{store.where(store.rows)}"
    )
    header = ["job", *ways, "stnclf / bare", "stnclf / float32"]
    return {"stages": f"{text}\n\n{table(header, lines)}"}


if __name__ == "__main__":
    main()
