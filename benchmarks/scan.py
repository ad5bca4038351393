"""Whole slides: square millimetres a second, F1 of mitotic figures, the best field, memory.

    python benchmarks/scan.py [--parts slides real huge] [--methods NAME ...] [--side 8192]
        [--train-seed 11] [--test-seeds 21] [--work DIR] [--data DIR]
        [--out benchmarks/results/scan.json] [--page docs/scan_results.md]

slides  A slide is painted and the cells of its upper three quarters are cut out at 0.5 um per
        pixel, in patches of 64 px with a window of 32 px: the networks look at patches of 128 px
        at 0.25 um. Dark spots that nobody annotated are a class of their own. Copies of the
        patches that are stained in other ways are added. That trains

            heatmap   the STN with the heatmap localizer, over whole tiles
            context   the same with classifier="context": pixels of the window and of one of twice
                      its size
            dense     the STN with the paper's localizer, patch by patch
            baseline  the plain network: patch by patch, and as maps at strides of 16 and 8 px of
                      0.25 um

            several   as heatmap, with small slides of other seeds beside the large one: it sees
                      several stains
            several-context
                      the same with classifier="context"

        and each of them scans slides of other seeds with one thread. ``threshold`` is the least
        probability that gives the best F1 on the lower quarter of the training slides.
        ``windows/s`` are those that cover the tissue at the stride of the method (the heatmap
        localizer: that of the dense one), over the time of the scan, reading included; ``of
        predict`` is that over the windows that ``predict`` manages in memory.
real    needs --data: BCCD's white cells in whole photographs, and mitotic figures in a mosaic of
        AMi-Br's crops; see `_scan_real`
huge    memory of a scan of 40,000 x 40,000 px with more and more tissue on it (needs the model
        ``heatmap.safetensors`` in --work)

A later run replaces what it measures and keeps the rest. --work keeps slides and models, which
are not made again.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _evaluate import commit, environment
from _scan_huge import measure_huge, scan_huge
from _scan_page import page
from _scan_real import measure_real
from _slide_cells import (
    count_inside,
    other_cells,
    paint_slide,
    some_of_each,
    threshold_of_best_f1,
    with_other_stains,
)

from stnclf import CiresanBaseline, STNCellClassifier, load, save
from stnclf._utils.files import write_atomically
from stnclf.metrics import detection_score
from stnclf.scan import hotspots, scan
from stnclf.slides import Slide, extract_patches
from stnclf.slides._tissue import find_slide_tissue

MPP, LEVEL_0 = 0.5, 0.25
SIZES = {"patch_size": 64, "cell_size": 32, "random_state": 0}
CUT = {"size": 64, "mpp": MPP, "image_size": 96}
MITOSIS = "mitotic figure"
PARTS = ("slides", "real", "huge")
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "scan.json"
PAGE = ROOT / "docs" / "scan_results.md"

TRAINING = {"mitoses": 600, "granulocytes": 600, "tumour_cells": 1500, "other_cells": 4000}
COPIES, ANNOTATED = 3, 0.75


def stn(classifier_epochs, localizer_epochs, more_slides=None, **parameters):
    """Give the stages, the parameters and the strides of an STN, and what else it learns from."""
    epochs = {"classifier_epochs": classifier_epochs, "localizer_epochs": localizer_epochs}
    return {
        "stages": ("classifier", "localizer"),
        "parameters": {**parameters, **epochs, "color_jitter": 0.2},
        "strides": (None,),
        **({"more_slides": more_slides, "copies": 2} if more_slides else {}),
    }


MORE_SLIDES = {"number": 8, "side": 2048, "mitoses": 75, "granulocytes": 75}
# The stages, the parameters of the estimator, and the strides of its scans. Where layers are
# shared, the second stage teaches places and classes together: it is as long, in proportion, as by
# default.
METHODS = {
    "heatmap": stn(28, 18),
    "context": stn(40, 6, classifier="context"),
    "dense": stn(40, 6, localizer="dense", classifier="context"),
    "baseline": {
        "stages": ("classifier",),
        "parameters": {"epochs": 15, "schedule": "one-cycle", "lr": 3e-3},
        "strides": (None, 8, 4),
    },
    "several": stn(46, 29, MORE_SLIDES),
    "several-context": stn(100, 8, MORE_SLIDES, classifier="context"),
}
N_WINDOWS = 1024


def main():
    options = read_options()
    if options.huge_slide:
        print(json.dumps(scan_huge(*options.huge_slide, labels=[MITOSIS], mpp=MPP)))
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        for name in options.parts:
            measure = {"slides": measure_slides, "real": add_real, "huge": add_huge}[name]
            measure(options, work)
    record = read_store(options.out)
    write_atomically(options.page, page(record).encode())


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=["slides", "huge"])
    parser.add_argument("--side", type=int, default=8192, help="of the slides, in pixels")
    parser.add_argument("--train-seed", type=int, default=11)
    parser.add_argument("--test-seeds", type=int, nargs="+", default=[21])
    parser.add_argument("--work", type=Path, help="folder that keeps slides and models")
    parser.add_argument("--data", type=Path, help="folder with bccd and amibr, for the part real")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--huge-slide", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def read_store(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def put(path, part, facts, row=None):
    """Store what a part is about, and one row of it in the place of the earlier one."""
    record = read_store(path)
    made = {"commit": commit(), "environment": environment()}
    here = {**made, **facts}
    rows = [] if row is None else [{**row, **made}]
    key = ("method", "stride")
    before = record.get(part, {})
    for old in before.get("rows", []):
        if all([old.get(name) for name in key] != [new.get(name) for name in key] for new in rows):
            # Rows of former runs may have been made on the machine of their part.
            rows.append({"environment": before["environment"], **old})
    record[part] = {**here, "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


def measure_slides(options, work):
    rare = {"n_mitoses": TRAINING["mitoses"], "n_granulocytes": TRAINING["granulocytes"]}
    large = painted(work, options.side, options.train_seed, **rare)
    tests = [painted(work, options.side, seed) for seed in options.test_seeds]
    facts = {
        "side": options.side,
        "train_seed": options.train_seed,
        "training": {**TRAINING, "copies": COPIES, "annotated": ANNOTATED, "methods": METHODS},
    }
    for name in options.methods:
        slides = [large, *more_slides(name, options.train_seed, work)]
        model, seconds = trained(name, slides, work)
        for stride in METHODS[name]["strides"]:
            threshold = best_threshold(model, stride, slides)
            row = {"method": name, "stride": stride, "fit_seconds": round(seconds, 1)}
            row["threshold"] = threshold
            row["slides"] = [measure_scan(model, stride, *test, threshold) for test in tests]
            print(json.dumps(row), flush=True)
            put(options.out, "slides", facts, row)


def painted(work, side, seed, **cells):
    """Give a slide's path and truth; painted unless it is there."""
    path = work / f"slide_{side}_{seed}{'_train' if cells else ''}.tif"
    table = path.with_suffix(".csv")
    if not table.exists():
        paint_slide(path, side, seed, **cells).to_csv(table, index=False)
    return path, pd.read_csv(table)


def more_slides(name, seed, work):
    """Paint the small slides that a method learns from beside the large one."""
    more = METHODS[name].get("more_slides")
    if more is None:
        return []
    rare = {"n_mitoses": more["mitoses"], "n_granulocytes": more["granulocytes"]}
    seeds = range(100 * seed, 100 * seed + more["number"])
    return [painted(work, more["side"], seed, **rare) for seed in seeds]


def training_patches(slides, copies):
    """Cut cells out of the annotated parts of slides: X, y, centers."""
    parts = [annotated_cells(*slide) for slide in slides]
    cells = pd.concat(parts, ignore_index=True)
    X, y, centers, _ = extract_patches(cells, slides[0][0].parent, **CUT)
    return with_other_stains(X, y, centers, copies)


def annotated_cells(path, truth):
    """Choose cells of the annotated part of a slide."""
    with Slide(path) as slide:
        border = ANNOTATED * slide.size[1]
        others = other_cells(slide, truth)
    cells = pd.concat([truth, others])
    cells = cells[cells["y"] < border]
    most = {"tumour cell": TRAINING["tumour_cells"], "other cell": TRAINING["other_cells"]}
    parts = [
        some_of_each(rows, most.get(label, len(rows)), seed=1)
        for label, rows in cells.groupby("label")
    ]
    return pd.concat(parts)


def trained(name, slides, work):
    """Train a method on slides, unless that is done; give the model and its seconds."""
    path = work / f"{name}.safetensors"
    times = path.with_suffix(".json")
    if not times.exists():
        X, y, centers = training_patches(slides, METHODS[name].get("copies", COPIES))
        print(f"{name}: {len(X)} patches", flush=True)
        start = time.perf_counter()
        kind = CiresanBaseline if name == "baseline" else STNCellClassifier
        model = kind(**SIZES, **METHODS[name]["parameters"])
        model.fit(X, y, centers=centers, stages=METHODS[name]["stages"])
        seconds = time.perf_counter() - start
        save(model, path)
        times.write_text(json.dumps(seconds), encoding="utf-8")
    return load(path, device="cpu"), json.loads(times.read_text(encoding="utf-8"))


def best_threshold(model, stride, slides):
    """Choose the least probability on the parts of the slides that were not trained on."""
    found, truths = [], []
    how = {"labels": [MITOSIS], "mpp": MPP, "min_probability": 0.1, "stride": stride}
    for path, truth in slides:
        with Slide(path) as slide:
            width, height = slide.size
            top = int(ANNOTATED * height)
            part = Slide(slide.read_region(0, top, width, height - top), mpp=LEVEL_0)
        truth = truth[truth["y"] >= top]
        truths.append(truth.assign(image=path.name, y=truth["y"] - top))
        found.append(scan(model, part, **how).assign(image=path.name))
    return threshold_of_best_f1(pd.concat(truths), pd.concat(found), LEVEL_0, MITOSIS)


def measure_scan(model, stride, path, truth, threshold):
    """Scan a slide, and let predict look at windows of it in memory."""
    slide = Slide(path)
    tissue = find_slide_tissue(slide, True)
    patch = SIZES["patch_size"]
    step = (stride or patch - SIZES["cell_size"]) * MPP / LEVEL_0
    columns, rows = (int(np.ceil(side / step)) for side in slide.size)
    x, y = (v.ravel() * step for v in np.meshgrid(np.arange(columns), np.arange(rows)))
    places = np.stack([x, y], 1)[tissue.touches(np.stack([x, y, x + step, y + step], 1))]
    chosen = places[np.linspace(0, len(places) - 1, N_WINDOWS).astype(int)] + step / 2 - patch
    windows = np.stack([slide.read_region(*place, patch, patch, MPP) for place in chosen])
    if model.image_shape_[0] > patch:  # predict wants images of the size it was trained on
        around = (model.image_shape_[0] - patch) // 2
        windows = np.pad(windows, [(0, 0), (around,) * 2, (around,) * 2, (0, 0)], mode="reflect")
    model.predict(windows[:64])
    start, cpu = time.perf_counter(), time.process_time()
    model.predict(windows)
    predict = time.perf_counter() - start, time.process_time() - cpu
    start, cpu = time.perf_counter(), time.process_time()
    found = scan(model, path, labels=[MITOSIS], mpp=MPP, min_probability=0.1, stride=stride)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    mm2 = tissue.mask.sum() * (tissue.scale * LEVEL_0 / 1000) ** 2
    likely = found[found["probability"] >= threshold]
    score = detection_score(truth, likely, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    half = found[found["probability"] >= 0.5]
    half = detection_score(truth, half, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    every = detection_score(truth, found, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    return {
        "slide": path.name,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "tissue_mm2": round(float(mm2), 3),
        "mm2_per_second": round(float(mm2) / seconds, 4),
        "windows": len(places),
        "windows_per_second": round(len(places) / seconds, 1),
        "predict_windows_per_second": round(len(windows) / predict[0], 1),
        "of_predict": round(len(places) / seconds / len(windows) * predict[0], 3),
        "of_predict_cpu": round(len(places) / cpu / len(windows) * predict[1], 3),
        **{name: score[name] for name in ("n_truth", "precision", "recall", "f1")},
        "f1_at_half": half["f1"],
        "average_precision": every["average_precision"],
        "field": best_field(slide, truth, likely),
    }


def best_field(slide, truth, found):
    """Mitotic figures in the field that was found, and in the truly best one."""
    truth = truth[truth["label"] == MITOSIS]
    best = hotspots(truth, slide)["count"].max()
    fields = hotspots(found, slide)
    true = count_inside(truth, fields.loc[0]) if len(fields) else 0
    return {"true": true, "best": int(best)}


def add_real(options, work):
    if options.data is None:
        raise SystemExit("the part real needs --data, a folder with bccd and amibr")
    for row in measure_real(options.data, work):
        print(json.dumps(row), flush=True)
        put(options.out, "real", {}, row)


def add_huge(options, work):
    slide, _ = painted(work, options.side, options.test_seeds[0])
    for row in measure_huge(Path(__file__), work / "heatmap.safetensors", slide, work):
        print(json.dumps(row), flush=True)
        put(options.out, "huge", {}, row)


if __name__ == "__main__":
    main()
