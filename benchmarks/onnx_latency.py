"""Exported ONNX models beside the estimators: agreement, and time for one patch.

    python benchmarks/onnx_latency.py [--parts agreement latency] [--repeats 40]
        [--out benchmarks/results/onnx.json] [--page docs/onnx.md]

agreement  largest differences of probabilities, centres and theta over 64 synthetic cells, for
           every network after two epochs a stage on other cells, at a rate of 1e-4
latency    milliseconds for one image of 128 px, and for 64 at once, with one thread and with two:
             onnxruntime  the exported model, all three outputs
             estimator    predict_proba, which pads a batch to 8 images so that the result does
                          not depend on what is predicted beside it
             torch        the estimator's networks alone, on this batch
           one after the other in every repeat; the networks are not trained

A later run replaces the parts that it measures and keeps the others. In the page, what stands
above the tables is left as it is.
"""

import argparse
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _evaluate import commit, environment
from _onnx_page import with_tables

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.classifier import classifiers
from stnclf.datasets import make_cells
from stnclf.networks import LOCALIZERS
from stnclf.onnx import to_onnx
from stnclf.sampling._batch import as_float

ROOT = Path(__file__).resolve().parents[1]
SIDE = 128
STAGES = ("classifier", "localizer", "joint")
OUTPUTS = ("probabilities", "centers", "theta")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=40, help="of one image; a tenth of 64")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "onnx.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "onnx.md")
    options = parser.parse_args()
    record = {}
    if options.out.exists():
        record = json.loads(options.out.read_text(encoding="utf-8"))
    for part in options.parts:
        rows = PARTS[part](options.repeats)
        here = environment()
        for package in ("onnx", "onnxruntime"):
            here["versions"][package] = version(package)
        record[part] = {"commit": commit(), "environment": here, "side": SIDE, "rows": rows}
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = with_tables(options.page.read_text(encoding="utf-8"), record)
    options.page.write_text(page, encoding="utf-8")


def networks(epochs):
    """Name every kind of network, with an estimator that has it."""
    stn = {"random_state": 0}
    for stage in STAGES:
        # Gently, so that no network is so sure that nothing is left to compare.
        stn |= {f"{stage}_epochs": epochs, f"{stage}_lr": 1e-4}
    kinds = {
        f"{localizer}, {classifier}": STNCellClassifier(
            localizer=localizer, classifier=classifier, **stn
        )
        for localizer in LOCALIZERS
        for classifier in classifiers(localizer)
    }
    return kinds | {
        "default, three glimpses": STNCellClassifier(n_glimpses=3, **stn),
        "default, no symmetries": STNCellClassifier(tta=False, **stn),
        "PAPER": STNCellClassifier(**{**PAPER, **stn}),
        "CiresanBaseline": CiresanBaseline(epochs=epochs, lr=1e-4, random_state=0),
    }


def agreement(_):
    X, y, centers = make_cells(128, patch_size=SIDE, random_state=0)
    rows = []
    for name, estimator in networks(2).items():
        estimator.fit(X[:64], y[:64], centers=centers[:64])
        wanted = (f(X[64:]) for f in (estimator.predict_proba, estimator.transform))
        wanted = [*wanted, estimator.localize(X[64:])]
        got = session(estimator).run(list(OUTPUTS), {"images": X[64:]})
        row = {"network": name}
        row |= {key: float(np.abs(a - b).max()) for key, a, b in zip(OUTPUTS, got, wanted)}
        rows.append(row)
        print(row, flush=True)
    return rows


def latency(repeats):
    X, y, _ = make_cells(64, patch_size=SIDE, random_state=0)
    chosen = {"default": "heatmap, shared", "PAPER": "PAPER", "CiresanBaseline": "CiresanBaseline"}
    estimators, rows = networks(0), []
    for name, key in chosen.items():
        estimator = estimators[key].set_params(device="cpu").fit(X, y)
        for threads in (1, 2):
            for images in (X[:1], X):
                few = repeats if len(images) == 1 else max(5, repeats // 10)
                row = {"network": name, "threads": threads, "images": len(images)}
                rows.append(row | compare(estimator, images, threads, few))
                print(rows[-1], flush=True)
    return rows


def compare(estimator, images, threads, repeats):
    torch.set_num_threads(threads)
    exported, module = session(estimator, threads), estimator.net_.module_.eval()
    pixels = torch.from_numpy(images)
    ways = {
        "onnxruntime": lambda: exported.run(None, {"images": images}),
        "estimator": lambda: estimator.predict_proba(images),
        "torch": lambda: scores(module, pixels),
    }
    return measure(ways, repeats)


def scores(module, pixels):
    with torch.no_grad():
        return module.scores(as_float(pixels)).numpy()


def measure(ways, repeats):
    """Give the median, and the 95th percentile, of the milliseconds that each way takes."""
    seconds = {name: [] for name in ways}
    for repeat in range(-max(1, repeats // 10), repeats):  # before 0 to warm up
        for name, function in ways.items():
            start = time.perf_counter()
            function()
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: [round(1000 * float(v), 3) for v in np.percentile(values, [50, 95])]
        for name, values in seconds.items()
    }


def session(estimator, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        to_onnx(estimator, path)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


PARTS = {"agreement": agreement, "latency": latency}

if __name__ == "__main__":
    main()
