"""Scans of real images: white blood cells in photographs, mitotic figures in a mosaic of crops.

bccd   photographs of blood smears, scanned at a third of their size, as the protocol of the other
       benchmarks shows them. Three quarters of the photographs train; their cells are cut out
       with `extract_patches`. The true places are the middles of the boxes.
amibr  crops of 128 px with a mitotic figure in the middle, joined to two square mosaics: one of
       the crops of three quarters of the slides, which trains, one of the rest. Dark spots off
       the middles are a class of their own. The true places are the middles; a second mitotic
       figure in a crop that nobody marked counts against the network.
"""

import csv
import math
import time

import numpy as np
import pandas as pd
from _slide_cells import other_cells, some_of_each
from PIL import Image
from protocols import SMALLEST_BOX

from stnclf import STNCellClassifier
from stnclf.annotations import read_annotations
from stnclf.metrics import detection_score
from stnclf.scan import scan
from stnclf.slides import Slide, extract_patches, write_pyramid_tiff

# Photographs have no resolution; their pixels are called micrometres.
BCCD_MPP, BCCD_RADIUS = 3.0, 20.0
WHITE, MITOSIS = "WBC", "mitotic figure"
BCCD = {"classifier_epochs": 40, "localizer_epochs": 30, "random_state": 0}
AMIBR = {"classifier_epochs": 20, "localizer_epochs": 6, "random_state": 0}
STAGES = ("classifier", "localizer")
CROP, CROP_MPP = 128, 0.25


def measure_real(data, work):
    """Measure both, if they are there; yield a row for each."""
    for name, measure in (("bccd", measure_bccd), ("amibr", measure_amibr)):
        if (data / name).is_dir():
            yield {"method": name, **measure(data / name, work)}


def apart(names, seed=0):
    """Part names into three quarters, and the others."""
    names = np.unique(names)
    names = np.random.default_rng(seed).permutation(names)
    n_train = math.ceil(0.75 * len(names))
    return set(names[:n_train].tolist()), set(names[n_train:].tolist())


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
    start = time.perf_counter()
    model = STNCellClassifier(patch_size=128, cell_size=64, **BCCD)
    model.fit(X, y, centers=centers, stages=STAGES)
    seconds = time.perf_counter() - start
    found = []
    for name in sorted(others):
        slide = Slide(folder / "JPEGImages" / name, mpp=1.0)
        how = {"labels": [WHITE], "mpp": BCCD_MPP, "nms_radius_um": BCCD_RADIUS * BCCD_MPP}
        found.append(scan(model, slide, tissue=False, min_probability=0.1, **how))
    truth = cells[cells["image"].isin(others)]
    return {
        "n_train": len(names),
        "n_test": len(others),
        "fit_seconds": round(seconds, 1),
        "radius_px": BCCD_RADIUS,
        "settings": BCCD,
        **scores(truth, pd.concat(found), WHITE, 1.0, BCCD_RADIUS * BCCD_MPP),
    }


def measure_amibr(folder, work):
    with open(folder / "AMI-BR.csv", newline="", encoding="utf-8") as file:
        slide_of = {f"{row['dataset']}_{row['uid']}": row["slide"] for row in csv.DictReader(file)}
    crops = sorted(folder.glob("patches/*/*.png"))
    names, others = apart([slide_of[path.stem] for path in crops])
    training = [path for path in crops if slide_of[path.stem] in names]
    cells = mosaic(work / "amibr_train.tif", training)
    with Slide(work / "amibr_train.tif") as slide:
        dark = other_cells(slide, cells)
    cells = pd.concat([cells, some_of_each(dark, 2 * len(cells), seed=0)])
    X, y, centers, _ = extract_patches(cells, work, size=64, mpp=0.5, image_size=96)
    start = time.perf_counter()
    model = STNCellClassifier(patch_size=64, cell_size=32, **AMIBR)
    model.fit(X, y, centers=centers, stages=STAGES)
    seconds = time.perf_counter() - start
    test = [path for path in crops if slide_of[path.stem] in others]
    truth = mosaic(work / "amibr_test.tif", test)
    how = {"labels": [MITOSIS], "mpp": 0.5, "min_probability": 0.1}
    found = scan(model, work / "amibr_test.tif", tissue=False, **how)
    return {
        "n_train": len(training),
        "n_test": len(test),
        "fit_seconds": round(seconds, 1),
        "settings": AMIBR,
        **scores(truth, found, MITOSIS, CROP_MPP, 7.5),
    }


def mosaic(path, crops):
    """Join crops to a square slide, row by row; give a table of their middles."""
    side = math.ceil(math.sqrt(len(crops)))
    pixels = np.full((side * CROP, side * CROP, 3), 255, np.uint8)
    places = CROP * np.array([(i % side, i // side) for i in range(len(crops))])
    for (left, top), crop in zip(places, crops):
        with Image.open(crop) as image:
            pixels[top : top + CROP, left : left + CROP] = np.asarray(image.convert("RGB"))
    write_pyramid_tiff(pixels, path, CROP_MPP, compression="deflate")
    x, y = (places + CROP // 2).T.astype(float)
    return pd.DataFrame({"image": path.name, "x": x, "y": y, "label": MITOSIS})


def scores(truth, found, label, mpp, radius_um):
    """Score what has a probability of at least one half, and the order of all."""
    how = {"mpp": mpp, "radius_um": radius_um, "labels": [label]}
    half = detection_score(truth, found[found["probability"] >= 0.5], **how)[label]
    every = detection_score(truth, found, **how)[label]
    wanted = ("n_truth", "n_detections", "precision", "recall", "f1")
    return {
        **{name: half[name] for name in wanted},
        "average_precision": every["average_precision"],
    }
