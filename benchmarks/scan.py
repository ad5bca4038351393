"""Cells found on slides and photographs: F1, average precision, the best field, speed.

    python benchmarks/scan.py [--parts slides speed real] [--methods NAME ...] [--side 8192]
        [--train-seed 11] [--test-seeds 21] [--work DIR] [--data DIR]
    python benchmarks/scan.py --page-only

slides  A slide is painted and the cells of its upper three quarters are cut out at 0.5 um per
        pixel, in patches of 64 px with a window of 32 px: the networks see patches of 128 px at
        0.25 um. Dark spots that nobody annotated are a class of their own. For the heatmap
        localizer these and tumour cells are patches without a cell, and mitotic figures and
        granulocytes are neighbours. Copies of the patches that are stained in other ways are
        added. The methods, each scanning slides of other seeds with one thread, are

            heatmap   the STN with the heatmap localizer, over whole tiles
            context   the same with classifier="context"
            dense     the STN with the paper's localizer, patch by patch
            baseline  the plain network: patch by patch, and as maps at strides of 16 and 8 px of
                      0.25 um
            several, several-context
                      as heatmap and context, with small slides of other seeds, and so of other
                      stains, beside the large one

speed   How long heatmap and context, as trained for slides, scan a slide, beside one pass of their
        localizer's layers over the same tiles in the same run, on one thread and on two.

real    needs --data, a folder with bccd and amibr. White cells in photographs of blood, scanned at
        a third of their size; mitotic figures in a mosaic of AMi-Br's crops, where a second figure
        in a crop that nobody marked counts against the network. Three quarters of the photographs
        or slides train.

A later run replaces what it measures. --work keeps slides and models, which are not made again.
"""

import csv
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _run import carry_out, made, parser, table
from _slides import (
    apart,
    count_inside,
    mosaic,
    other_cells,
    paint_slide,
    some_of_each,
    threshold_of_best_f1,
    with_other_stains,
)
from protocols import SMALLEST_BOX

from stnclf import CiresanBaseline, STNCellClassifier, load, save
from stnclf._utils.threads import Workers
from stnclf.annotations import read_annotations
from stnclf.metrics import detection_score
from stnclf.scan import hotspots, scan
from stnclf.scan._heatmap_finder import HeatFinder
from stnclf.scan._plane import Plane
from stnclf.slides import Slide, extract_patches
from stnclf.slides._tissue import find_slide_tissue

KEY = ("part", "method", "stride", "threads")
MPP, LEVEL_0 = 0.5, 0.25
SIZES = {"patch_size": 64, "cell_size": 32, "random_state": 0}
CUT = {"size": 64, "mpp": MPP, "image_size": 96}
MITOSIS = "mitotic figure"
SOUGHT = (MITOSIS, "granulocyte")

TRAINING = {"mitoses": 600, "granulocytes": 600, "tumour_cells": 1500, "other_cells": 4000}
COPIES, ANNOTATED = 3, 0.75


def stn(classifier_epochs, localizer_epochs, more_slides=None, **parameters):
    """Stages, parameters and strides of an STN, and what else it learns from."""
    epochs = {"classifier_epochs": classifier_epochs, "localizer_epochs": localizer_epochs}
    return {
        "stages": ("classifier", "localizer"),
        "parameters": {**parameters, **epochs, "augment__color": 0.2},
        "strides": (None,),
        **({"more_slides": more_slides, "copies": 2} if more_slides else {}),
    }


MORE_SLIDES = {"number": 8, "side": 2048, "mitoses": 75, "granulocytes": 75}
# Stages, parameters of the estimator, and strides of its scans. Where layers are shared, the second
# stage teaches positions and classes together: it is as long, in proportion, as by default.
METHODS = {
    "heatmap": stn(28, 18),
    "context": stn(40, 6, classifier="context"),
    "dense": stn(40, 6, localizer="dense", classifier="context"),
    "baseline": {
        "stages": ("classifier",),
        "parameters": {
            "epochs": 15,
            "optimizer__schedule": "one-cycle",
            "optimizer__lr": 3e-3,
        },
        "strides": (None, 8, 4),
    },
    "several": stn(46, 29, MORE_SLIDES),
    "several-context": stn(100, 8, MORE_SLIDES, classifier="context"),
}

# Photographs have no resolution; their pixels are called micrometres.
BCCD_MPP, BCCD_RADIUS = 3.0, 20.0
REAL = {
    "bccd": "white cells in photographs of blood (BCCD)",
    "amibr": "mitotic figures in a mosaic of crops (AMi-Br)",
}
EPOCHS = {
    "bccd": {"classifier_epochs": 40, "localizer_epochs": 30, "random_state": 0},
    "amibr": {"classifier_epochs": 20, "localizer_epochs": 6, "random_state": 0},
}


def main(arguments=None):
    line = parser(__doc__, "scan.json", threads=1)
    line.add_argument("--parts", nargs="*", choices=("slides", "speed", "real"), default=["slides"])
    line.add_argument("--side", type=int, default=8192, help="of the slides, in pixels")
    line.add_argument("--train-seed", type=int, default=11)
    line.add_argument("--test-seeds", type=int, nargs="+", default=[21])
    line.add_argument("--work", type=Path, help="folder that keeps slides and models")
    line.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    carry_out(line.parse_args(arguments), KEY, measure, sections, "scan_results.md")


def measure(options, store):
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        if "slides" in options.parts:
            measure_slides(options, store, work)
        if "speed" in options.parts:
            measure_speed(options, store, work)
        if "real" in options.parts:
            if options.data is None:
                raise SystemExit("the part real needs --data, a folder with bccd and amibr")
            for name, function in (("bccd", measure_bccd), ("amibr", measure_amibr)):
                if (options.data / name).is_dir():
                    row = {"part": "real", "method": name}
                    row |= function(options.data / name, work)
                    print(json.dumps(row), flush=True)
                    store.put(row)


def measure_slides(options, store, work):
    rare = {"n_mitoses": TRAINING["mitoses"], "n_granulocytes": TRAINING["granulocytes"]}
    large = painted(work, options.side, options.train_seed, **rare)
    tests = [painted(work, options.side, seed) for seed in options.test_seeds]
    made = {**TRAINING, "copies": COPIES, "annotated": ANNOTATED, "methods": METHODS}
    facts = {"side": options.side, "train_seed": options.train_seed, "training": made}
    store.note("slides", json.loads(json.dumps(facts)))
    for name in options.methods:
        slides = [large, *more_slides(name, options.train_seed, work)]
        model, seconds = trained(name, slides, work)
        for stride in METHODS[name]["strides"]:
            threshold = best_threshold(model, stride, slides)
            row = {"part": "slides", "method": name, "stride": stride, "threshold": threshold}
            row["fit_seconds"] = round(seconds, 1)
            row["slides"] = [measure_scan(model, stride, *test, threshold) for test in tests]
            print(json.dumps(row), flush=True)
            store.put(row)


def painted(work, side, seed, **cells):
    """Path and truth of a slide, which is painted unless it is there."""
    path = work / f"slide_{side}_{seed}{'_train' if cells else ''}.tif"
    truth = path.with_suffix(".csv")
    if not truth.exists():
        paint_slide(path, side, seed, **cells).to_csv(truth, index=False)
    return path, pd.read_csv(truth)


def more_slides(name, seed, work):
    """Paint the small slides that a method learns from beside the large one."""
    more = METHODS[name].get("more_slides")
    if more is None:
        return []
    rare = {"n_mitoses": more["mitoses"], "n_granulocytes": more["granulocytes"]}
    seeds = range(100 * seed, 100 * seed + more["number"])
    return [painted(work, more["side"], seed, **rare) for seed in seeds]


def training_patches(slides, copies):
    """Cut cells out of the annotated parts of slides: X, y, centers, neighbors."""
    parts = [annotated_cells(*slide) for slide in slides]
    cells = pd.concat(parts, ignore_index=True)
    sought = pd.concat([truth[truth["label"].isin(SOUGHT)] for _, truth in slides])
    folder = slides[0][0].parent
    X, y, centers, _, neighbors = extract_patches(cells, folder, **CUT, neighbors=sought)
    X, y, centers = with_other_stains(X, y, centers, copies)
    return X, y, centers, np.tile(neighbors, (copies, 1, 1))


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
    """Train a method on slides, unless that is done; return the model and its seconds."""
    path = work / f"{name}.safetensors"
    times = path.with_suffix(".json")
    if not times.exists():
        X, y, centers, neighbors = training_patches(slides, METHODS[name].get("copies", COPIES))
        print(f"{name}: {len(X)} patches", flush=True)
        start = time.perf_counter()
        kind = CiresanBaseline if name == "baseline" else STNCellClassifier
        model = made(kind, **SIZES, **METHODS[name]["parameters"])
        more = {}
        if getattr(model, "localizer", None) == "heatmap":
            centers = np.where(np.isin(y, SOUGHT)[:, None], centers, np.nan)
            more = {"neighbors": neighbors}
        model.fit(X, y, centers=centers, stages=METHODS[name]["stages"], **more)
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
    """Scan a slide; speed and scores."""
    slide = Slide(path)
    tissue = find_slide_tissue(slide, True)
    step = (stride or SIZES["patch_size"] - SIZES["cell_size"]) * MPP / LEVEL_0
    columns, rows = (int(np.ceil(side / step)) for side in slide.size)
    x, y = (v.ravel() * step for v in np.meshgrid(np.arange(columns), np.arange(rows)))
    corners = np.stack([x, y], 1)[tissue.touches(np.stack([x, y, x + step, y + step], 1))]
    start, cpu = time.perf_counter(), time.process_time()
    found = scan(model, path, labels=[MITOSIS], mpp=MPP, min_probability=0.1, stride=stride)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    mm2 = tissue.mask.sum() * (tissue.scale * LEVEL_0 / 1000) ** 2
    how = {"label": MITOSIS, "mpp": LEVEL_0}
    score = scores(truth, found, **how, least=threshold)
    likely = found[found["probability"] >= threshold]
    return {
        "slide": path.name,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "tissue_mm2": round(float(mm2), 3),
        "mm2_per_second": round(float(mm2) / seconds, 4),
        "windows": len(corners),
        "windows_per_second": round(len(corners) / seconds, 1),
        **score,
        "f1_at_half": scores(truth, found, **how)["f1"],
        "field": best_field(slide, truth, likely),
    }


def measure_speed(options, store, work):
    """Time whole scans, and one pass of the localizer's layers over the same tiles."""
    path, _ = painted(work, options.side, options.test_seeds[0])
    large = painted(
        work,
        options.side,
        options.train_seed,
        n_mitoses=TRAINING["mitoses"],
        n_granulocytes=TRAINING["granulocytes"],
    )
    for name in ("heatmap", "context"):
        if name not in options.methods:
            continue
        model, _ = trained(name, [large], work)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with Slide(path) as slide:
                seconds, mm2 = one_pass(model, slide, threads)
            start = time.perf_counter()
            found = scan(model, path, labels=[MITOSIS], mpp=MPP, n_jobs=threads)
            whole = time.perf_counter() - start
            row = {"part": "speed", "method": name, "threads": threads, "slide": path.name}
            row |= {"tissue_mm2": round(mm2, 3), "n_found": len(found)}
            row |= {"seconds": round(whole, 2), "pass_seconds": round(seconds, 2)}
            print(json.dumps(row), flush=True)
            store.put(row)
        torch.set_num_threads(options.threads)


def one_pass(model, slide, n_jobs):
    """Seconds of the localizer's layers over the tiles with tissue, already read; and mm2."""
    tissue = find_slide_tissue(slide, True)
    module, scale = model.net_.module_, slide.scale(MPP)
    finder = HeatFinder(module, model, np.arange(len(model.classes_)), 0.5)
    plane = Plane(slide, MPP, scale, tissue)
    # no_grad is a setting of each thread.
    look, seconds = torch.no_grad()(module.localizer.logits), 0.0
    with torch.no_grad(), Workers(n_jobs, least=n_jobs) as workers:
        tiles = plane.tiles(finder, 1024)
        for start in range(0, len(tiles), 2 * n_jobs):
            views = []
            for block in tiles[start : start + 2 * n_jobs]:
                left, top, right, bottom = box = finder.box(block)
                corner = left * scale, top * scale
                pixels = slide.read_region(*corner, right - left, bottom - top, MPP)
                views.append(finder._standardized(pixels, box, block))
            begin = time.perf_counter()
            workers.map(look, views)
            seconds += time.perf_counter() - begin
    return seconds, float(tissue.mask.sum() * (tissue.scale * LEVEL_0 / 1000) ** 2)


def best_field(slide, truth, found):
    """Mitotic figures in the field that was found, and in the truly best one."""
    truth = truth[truth["label"] == MITOSIS]
    best = hotspots(truth, slide)["count"].max()
    fields = hotspots(found, slide)
    true = count_inside(truth, fields.loc[0]) if len(fields) else 0
    return {"true": true, "best": int(best)}


def measure_bccd(folder, work):
    cells = read_annotations(folder)
    # A handful of boxes are empty; what is listed twice is one cell.
    cells = cells[cells[["width", "height"]].min(axis=1) >= SMALLEST_BOX]
    cells = cells.drop_duplicates(["image", "x", "y", "label"])
    names, others = apart(cells["image"])
    chosen = cells[cells["image"].isin(names)]
    X, y, centers, _ = extract_patches(
        chosen, folder / "JPEGImages", size=128, mpp=BCCD_MPP, slide_mpp=1.0, image_size=192
    )
    model, seconds = fitted("bccd", X, y, centers)
    found = []
    for name in sorted(others):
        slide = Slide(folder / "JPEGImages" / name, mpp=1.0)
        how = {"labels": ["WBC"], "mpp": BCCD_MPP, "nms_radius_um": BCCD_RADIUS * BCCD_MPP}
        found.append(scan(model, slide, tissue=False, min_probability=0.1, **how))
    truth, found = cells[cells["image"].isin(others)], pd.concat(found)
    row = {"n_train": len(names), "n_test": len(others), "fit_seconds": seconds}
    return row | scores(truth, found, "WBC", mpp=1.0, radius_um=BCCD_RADIUS * BCCD_MPP)


def measure_amibr(folder, work):
    with open(folder / "AMI-BR.csv", newline="", encoding="utf-8") as file:
        slide_of = {f"{row['dataset']}_{row['uid']}": row["slide"] for row in csv.DictReader(file)}
    crops = sorted(folder.glob("patches/*/*.png"))
    names, others = apart([slide_of[path.stem] for path in crops])
    training = [path for path in crops if slide_of[path.stem] in names]
    cells = mosaic(work / "amibr_train.tif", training, MITOSIS)
    with Slide(work / "amibr_train.tif") as slide:
        dark = other_cells(slide, cells)
    cells = pd.concat([cells, some_of_each(dark, 2 * len(cells), seed=0)])
    X, y, centers, _ = extract_patches(cells, work, **CUT)
    model, seconds = fitted("amibr", X, y, centers)
    test = [path for path in crops if slide_of[path.stem] in others]
    truth = mosaic(work / "amibr_test.tif", test, MITOSIS)
    how = {"labels": [MITOSIS], "mpp": MPP, "min_probability": 0.1}
    found = scan(model, work / "amibr_test.tif", tissue=False, **how)
    row = {"n_train": len(training), "n_test": len(test), "fit_seconds": seconds}
    return row | scores(truth, found, MITOSIS, mpp=LEVEL_0, radius_um=7.5)


def fitted(name, X, y, centers):
    """Train for a real data set; return the model and its seconds."""
    sizes = {"patch_size": CUT["size"], "cell_size": CUT["size"] // 2}
    if name == "bccd":
        sizes = {"patch_size": 128, "cell_size": 64}
    model = STNCellClassifier(**sizes, **EPOCHS[name])
    start = time.perf_counter()
    model.fit(X, y, centers=centers, stages=("classifier", "localizer"))
    return model, round(time.perf_counter() - start, 1)


def scores(truth, found, label, *, least=0.5, **how):
    """Score the detections of at least some probability, and the order of all."""
    likely = found[found["probability"] >= least]
    one = detection_score(truth, likely, labels=[label], **how)[label]
    every = detection_score(truth, found, labels=[label], **how)[label]
    wanted = ("n_truth", "n_detections", "precision", "recall", "f1")
    return {
        **{name: one[name] for name in wanted},
        "average_precision": every["average_precision"],
    }


def sections(store):
    """Write the tables of both parts."""
    writers = {"slides": slides_table, "speed": speed_table, "real": real_table}
    made = {part: [row for row in store.rows if row["part"] == part] for part in writers}
    return {name: writers[name](store, rows) for name, rows in made.items() if rows}


def title(row):
    """Name a method and how it scanned."""
    if row["stride"] is not None:
        return f"{row['method']}, map at {row['stride'] * MPP / LEVEL_0:.0f} px"
    whole = {
        "heatmap": "heatmap (the default)",
        "context": 'heatmap, classifier="context"',
        "several": "heatmap (the default), several slides",
        "several-context": 'heatmap, classifier="context", several slides',
    }
    return whole.get(row["method"], f"{row['method']}, patches")


def slides_table(store, rows):
    """Speed and scores on synthetic slides; means over the slides."""

    def mean(row, name):
        return float(np.mean([slide[name] or 0.0 for slide in row["slides"]]))

    def rate(row, name):
        return sum(s[name] for s in row["slides"]) / sum(s["cpu_seconds"] for s in row["slides"])

    facts = store.data["slides"]
    training, lines = facts["training"], []
    order = list(training["methods"])
    for row in sorted(rows, key=lambda row: (order.index(row["method"]), -(row["stride"] or 99))):
        measures = ("precision", "recall", "f1", "f1_at_half", "average_precision")
        lines.append(
            [
                title(row),
                f"{rate(row, 'tissue_mm2'):.3f}",
                f"{rate(row, 'windows'):.0f}",
                f"{row['threshold']:.2f}",
                *(f"{mean(row, name):.3f}" for name in measures),
                ", ".join(f"{s['field']['true']} of {s['field']['best']}" for s in row["slides"]),
            ]
        )
    header = ["method", "mm²/s", "windows/s", "threshold", "precision", "recall"]
    header += ["F1", "F1 at 0.5", "AP", "field"]
    names = sorted({slide["slide"] for row in rows for slide in row["slides"]})
    text = (
        f"Trained on {training['annotated']:.0%} of one slide of {facts['side']} px (seed "
        f"{facts['train_seed']}; {training['mitoses']} mitotic figures and "
        f"{training['granulocytes']} granulocytes on the whole of it, {training['copies']} copies "
        f"of each patch), scanned: {', '.join(names)}."
    )
    more = training["methods"].get("several", {}).get("more_slides")
    if more is not None:
        text += f" `several slides`: {more['number']} more of {more['side']} px, with "
        text += f"{more['mitoses']} mitotic figures each."
    return f"{text} {store.where(rows, title)}\n\n{table(header, lines)}"


def speed_table(store, rows):
    """Rates, beside those of one pass."""
    lines = [
        [
            title({**row, "stride": None}),
            row["threads"],
            f"{row['tissue_mm2'] / row['seconds']:.3f}",
            f"{row['tissue_mm2'] / row['pass_seconds']:.3f}",
            f"{row['seconds'] / row['pass_seconds']:.1f}",
        ]
        for row in rows
    ]
    header = ["method", "threads", "scan, mm²/s", "one pass, mm²/s", "times the pass"]
    return f"{store.where(rows, lambda row: row['method'])}\n\n{table(header, lines)}"


def real_table(store, rows):
    """Scores on real images."""

    def number(value):
        return "-" if value is None else f"{value:.3f}"

    lines = [
        [REAL[row["method"]], row["n_train"], row["n_test"], row["n_truth"]]
        + [number(row[name]) for name in ("precision", "recall", "f1", "average_precision")]
        for row in rows
    ]
    header = ["cells", "training", "test", "cells there", "precision", "recall", "F1", "AP"]
    return f"{store.where(rows, lambda row: REAL[row['method']])}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
