"""Whole slides: square millimetres a second, F1 of mitotic figures, and the best field.

    python benchmarks/scan.py [--side 8192] [--train-seed 11] [--test-seeds 21 22] [--work DIR]
        [--methods NAME ...] [--huge] [--out benchmarks/results/scan.json] [--table-only]

A slide is painted and its cells are cut out at 0.5 um per pixel, in patches of 64 px with a
window of 32 px: at that resolution the networks look at patches of 128 px at 0.25 um, too.
Cells that nobody annotated are a class of their own: a first, short training says where they
are. Four copies of every patch, three of them stained in other ways, train

heatmap   the STN with the heatmap localizer, over whole tiles
dense     the STN with the paper's localizer, patch by patch
baseline  the plain network: patch by patch, and as maps at strides of 16 and 8 px of 0.25 um

and each of them scans slides of other seeds, with one thread. ``windows/s`` are those that cover
the slide at the stride of the method (the heatmap localizer: that of the dense one), over the
time of the scan, reading included; ``of predict`` is that over the windows that ``predict``
manages in memory. ``field`` is how many of the mitotic figures of the truly best field of
2.37 mm2 are in the field that was found. --huge measures the memory of a scan of 40,000 x
40,000 px.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _evaluate import commit, environment
from _slide_cells import other_cells, paint_slide, some_of_each, vary_stain

from stnclf import CiresanBaseline, STNCellClassifier, load, save
from stnclf._scan_slide import find_slide_tissue
from stnclf.metrics import detection_score
from stnclf.scan import hotspots, scan
from stnclf.slides import Slide, extract_patches, write_pyramid_tiff

MPP, LEVEL_0 = 0.5, 0.25
PATCH, CELL, IMAGE = 64, 32, 96
MITOSIS = "mitotic figure"
HUGE = 40_000
RESULTS = Path(__file__).resolve().parent / "results" / "scan.json"

SIZES = {"patch_size": PATCH, "cell_size": CELL, "random_state": 0}
TRAINING = {"copies": 4, "tumour_cells": 1500, "other_cells": 6000}
FIRST = {"classifier_epochs": 6, "localizer_epochs": 3, "tta": False}
# The stages, the parameters of the estimator, and the strides of its scans.
METHODS = {
    "heatmap": {
        "stages": ("classifier", "localizer"),
        "parameters": {"classifier_epochs": 10, "localizer_epochs": 3},
        "strides": (None,),
    },
    "dense": {
        "stages": ("classifier", "localizer"),
        "parameters": {"classifier_epochs": 10, "localizer_epochs": 6, "localizer": "dense"},
        "strides": (None,),
    },
    "baseline": {
        "stages": ("classifier",),
        "parameters": {"epochs": 20, "schedule": "one-cycle", "lr": 3e-3},
        "strides": (None, 8, 4),
    },
}


def main():
    options = read_options()
    if options.table_only:
        print(table(json.loads(options.out.read_text(encoding="utf-8"))))
        return
    if options.huge_slide:
        print(json.dumps(scan_huge(*options.huge_slide)))
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        record = measure(options, work)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draft = options.out.with_suffix(".tmp")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, options.out)
    print("\n" + table(record))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8192, help="of the slides, in pixels")
    parser.add_argument("--train-seed", type=int, default=11)
    parser.add_argument("--test-seeds", type=int, nargs="+", default=[21, 22])
    parser.add_argument("--mitoses", type=int, default=600, help="on the training slide")
    parser.add_argument("--work", type=Path, help="folder that keeps slides and models")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--huge", action="store_true", help="measure the memory of a large slide")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table-only", action="store_true", help="print what is stored")
    parser.add_argument("--huge-slide", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options, work):
    rare = {"n_mitoses": options.mitoses, "n_granulocytes": options.mitoses}
    slide, truth = painted(work, options.side, options.train_seed, **rare)
    tests = [painted(work, options.side, seed) for seed in options.test_seeds]
    models = trained(options.methods, slide, truth, work)
    rows = []
    for name, (model, seconds) in models.items():
        for stride in METHODS[name]["strides"]:
            row = {"method": name, "stride": stride, "fit_seconds": round(seconds, 1)}
            row["slides"] = [measure_scan(model, stride, *test) for test in tests]
            rows.append(row)
            print(as_line(row), flush=True)
    record = {
        "commit": commit(),
        "environment": environment(),
        "side": options.side,
        "train_seed": options.train_seed,
        "training": {**TRAINING, "mitoses": options.mitoses, "first": FIRST, "methods": METHODS},
        "rows": rows,
    }
    if options.huge:
        record["huge"] = measure_huge(work, tests[0][0])
        print(record["huge"], flush=True)
    return record


def painted(work, side, seed, **cells):
    """Give a slide's path and truth; painted unless it is there."""
    path = work / f"slide_{side}_{seed}{'_train' if cells else ''}.tif"
    table = path.with_suffix(".csv")
    if not table.exists():
        paint_slide(path, side, seed, **cells).to_csv(table, index=False)
    return path, pd.read_csv(table)


def trained(names, slide, truth, work):
    """Train the methods on one slide; give each model and the seconds that it took."""
    cut = {"size": PATCH, "mpp": MPP, "image_size": IMAGE}
    few = some_of_each(truth, 600, seed=0)
    X, y, centers, _ = extract_patches(few, slide.parent, **cut)
    first = STNCellClassifier(**SIZES, **FIRST)
    first.fit(X, y, centers=centers, stages=METHODS["heatmap"]["stages"])
    found = scan(first, slide, mpp=MPP, min_probability=0)
    others = other_cells(found, truth, LEVEL_0)
    tumour = truth[truth["label"] == "tumour cell"]
    parts = [
        truth[truth["label"] != "tumour cell"],
        some_of_each(tumour, TRAINING["tumour_cells"], seed=1),
        some_of_each(others, TRAINING["other_cells"], seed=1),
    ]
    X, y, centers, _ = extract_patches(pd.concat(parts), slide.parent, **cut)
    n = TRAINING["copies"]
    X = np.concatenate([X, *(vary_stain(X, seed) for seed in range(1, n))])
    y, centers = np.tile(y, n), np.tile(centers, (n, 1))
    print(f"{len(X)} patches", flush=True)
    models = {}
    for name in names:
        kind = CiresanBaseline if name == "baseline" else STNCellClassifier
        start = time.perf_counter()
        model = kind(**SIZES, **METHODS[name]["parameters"])
        model.fit(X, y, centers=centers, stages=METHODS[name]["stages"])
        models[name] = model, time.perf_counter() - start
        save(model, work / f"{name}.safetensors")
        print(f"{name}: {models[name][1]:.0f} s to train", flush=True)
    return models


def measure_scan(model, stride, path, truth):
    """Scan a slide, and let predict look at windows of it in memory."""
    slide = Slide(path)
    tissue = find_slide_tissue(slide, True)
    step = (stride or PATCH - CELL) * MPP / LEVEL_0
    columns, rows = (int(np.ceil(side / step)) for side in slide.size)
    x, y = (v.ravel() * step for v in np.meshgrid(np.arange(columns), np.arange(rows)))
    places = np.stack([x, y], 1)[tissue.touches(np.stack([x, y, x + step, y + step], 1))]
    chosen = places[np.linspace(0, len(places) - 1, 2048).astype(int)] + step / 2 - PATCH
    windows = np.stack([slide.read_region(*place, PATCH, PATCH, MPP) for place in chosen])
    if model.image_shape_[0] > PATCH:  # predict wants images of the size it was trained on
        around = (model.image_shape_[0] - PATCH) // 2
        windows = np.pad(windows, [(0, 0), (around,) * 2, (around,) * 2, (0, 0)], mode="reflect")
    model.predict(windows[:64])
    start = time.perf_counter()
    model.predict(windows)
    predict_rate = len(windows) / (time.perf_counter() - start)
    start = time.perf_counter()
    found = scan(model, path, labels=[MITOSIS], mpp=MPP, min_probability=0.1, stride=stride)
    seconds = time.perf_counter() - start
    mm2 = tissue.mask.sum() * (tissue.scale * LEVEL_0 / 1000) ** 2
    likely = found[found["probability"] >= 0.5]
    score = detection_score(truth, likely, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    every = detection_score(truth, found, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    return {
        "slide": path.name,
        "seconds": round(seconds, 2),
        "tissue_mm2": round(mm2, 3),
        "mm2_per_second": round(mm2 / seconds, 4),
        "windows": len(places),
        "windows_per_second": round(len(places) / seconds, 1),
        "predict_windows_per_second": round(predict_rate, 1),
        "of_predict": round(len(places) / seconds / predict_rate, 3),
        **{name: score[name] for name in ("n_truth", "precision", "recall", "f1")},
        "average_precision": every["average_precision"],
        "field": best_field(slide, truth, likely),
    }


def best_field(slide, truth, found):
    """Mitotic figures in the field that was found, and in the truly best one."""
    truth = truth[truth["label"] == MITOSIS]
    best = hotspots(truth, slide)["count"].max()
    fields = hotspots(found, slide)
    if not len(fields):
        return {"true": 0, "best": int(best)}
    field = fields.loc[0]
    inside = (np.abs(truth["x"] - field["x"]) <= field["width"] / 2) & (
        np.abs(truth["y"] - field["y"]) <= field["height"] / 2
    )
    return {"true": int(inside.sum()), "best": int(best)}


def measure_huge(work, path):
    """Scan a slide of 1.6 gigapixels in a process of its own, and see how much memory it takes."""
    huge = work / "huge.tif"
    if not huge.exists():
        pixels = np.memmap(work / "huge.raw", np.uint8, "w+", shape=(HUGE, HUGE, 3))
        square = Slide(path).read_region(0, 0, *Slide(path).size)
        side = len(square)
        for top in range(0, HUGE, side):
            for left in range(0, HUGE, side):
                part = pixels[top : top + side, left : left + side]
                part[:] = square[: part.shape[0], : part.shape[1]]
        write_pyramid_tiff(pixels, huge, LEVEL_0)
        (work / "huge.raw").unlink()
    arguments = ["--huge-slide", work / "heatmap.safetensors", huge]
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def scan_huge(model, path):
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = scan(load(model, device="cpu"), path, labels=[MITOSIS], mpp=MPP, n_jobs=2)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"side": HUGE, "seconds": round(seconds), "cells": len(found), "peak_mib": round(peak)}


def title(row):
    name = row["method"]
    if row["stride"] is not None:
        return f"{name}, map at {row['stride'] * MPP / LEVEL_0:.0f} px"
    return name if name == "heatmap" else f"{name}, patches"


def mean(row, name):
    return float(np.mean([slide[name] or 0.0 for slide in row["slides"]]))


def as_line(row):
    return (
        f"{title(row)}: {mean(row, 'mm2_per_second'):.3f} mm2/s, F1 {mean(row, 'f1'):.3f}, "
        f"{mean(row, 'of_predict'):.2f} of predict"
    )


def table(record):
    """All rows as a Markdown table."""
    slides = [slide["slide"] for slide in record["rows"][0]["slides"]]
    where = record["environment"]
    about = (
        f"{len(slides)} slide(s) of {record['side']} px; {where['cpu']}, {where['threads']} "
        f"thread(s), torch {where['versions']['torch']}, commit {record['commit']}."
    )
    lines = [
        about,
        "",
        "| method | mm2/s | windows/s | of predict | precision | recall | F1 | AP | field |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record["rows"]:
        fields = ", ".join(f"{s['field']['true']} of {s['field']['best']}" for s in row["slides"])
        scores = ("precision", "recall", "f1", "average_precision")
        cells = [f"{mean(row, 'mm2_per_second'):.3f}", f"{mean(row, 'windows_per_second'):.0f}"]
        cells += [
            f"{mean(row, 'of_predict'):.2f}",
            *(f"{mean(row, s):.3f}" for s in scores),
            fields,
        ]
        lines.append(f"| {title(row)} | {' | '.join(cells)} |")
    if "huge" in record:
        huge = record["huge"]
        size = f"{huge['side']} x {huge['side']} px"
        lines += ["", f"{size}: {huge['seconds']} s, {huge['peak_mib']} MiB at most, 2 jobs."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
