"""All cells of real images found and classified, five folds by image.

    python benchmarks/detection.py --data ROOT [--sets crchisto bccd] [--folds 0 1 2 3 4]
        [--work DIR]
    python benchmarks/detection.py --page-only

ROOT holds the folders crchisto and crchisto_detection, and bccd. Image i is scanned by the model of
fold i modulo 5, which was trained on the others: all annotated cells are taught, and patches of
background.

crchisto  Nuclei at twice the size, 0.25 um, in four classes, found within 6 px of the original.
          Detection is that of any nucleus, with or without a class: its probability is the sum
          of those of the classes. For detection and class
          together a nucleus of another class, or none near, is wrong; what is found nearest to a
          nucleus that has no class counts neither way. F1 is weighted by the classes' numbers.
bccd      White cells, platelets and red cells of whole photographs at a third of the size, within
          10 px of it.

These images are full of cells of several classes: they are scanned in one pass (``tta=False``).
The threshold of a fold is the one that is best on what the other folds' models found on the
images that they had not seen. Each fold is stored as it is done, and is not made again. --work
keeps the models.
"""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _run import carry_out, needs_data, parser, table
from protocols import SMALLEST_BOX
from scipy.spatial import cKDTree

from stnclf import STNCellClassifier
from stnclf.annotations import read_annotations
from stnclf.metrics import detection_score
from stnclf.persistence import load, save
from stnclf.scan import scan
from stnclf.slides import Slide, extract_patches

KEY = ("set", "fold")
N_FOLDS = 5
THRESHOLDS = [round(0.02 * k, 2) for k in range(1, 46)]
#: Sizes in pixels, micrometres per pixel of patches and images (bccd: pixels are called so), the
#: radius in pixels of the images, patches of background for each image, and what is trained.
SETS = {
    "crchisto": {
        "sizes": {"patch_size": 80, "cell_size": 48, "mpp": 0.25},
        "image_mpp": 0.5,
        "radius": 6.0,
        "background": 30,
        "scan_in": {"tta": False},
        "epochs": {"classifier_epochs": 4, "localizer_epochs": 26, "joint_epochs": 0},
    },
    "bccd": {
        "sizes": {"patch_size": 80, "cell_size": 40, "mpp": 3.0},
        "image_mpp": 1.0,
        "radius": 30.0,
        "background": 10,
        "scan_in": {"tta": False},
        "epochs": {"classifier_epochs": 8, "localizer_epochs": 40, "joint_epochs": 0},
    },
}
NAMES = {"crchisto": "colorectal nuclei (CRCHistoPhenotypes)", "bccd": "blood cells (BCCD)"}


def main(arguments=None):
    line = parser(__doc__, "detection.json", threads=1)
    line.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    line.add_argument(
        "--folds", nargs="*", type=int, choices=range(N_FOLDS), default=range(N_FOLDS)
    )
    line.add_argument("--work", type=Path, help="folder that keeps the models")
    carry_out(line.parse_args(arguments), KEY, measure, sections, "scan_results.md")


def measure(options, store):
    needs_data(options)
    for name in options.sets:
        cells, folder = CELLS[name](options.data)
        for fold in options.folds:
            row = {"set": name, "fold": fold, "settings": SETS[name]}
            if store.is_done(row):
                continue
            work = options.work and options.work / f"{name}-{fold}"
            row |= measure_fold(cells, folder, fold, work, **SETS[name])
            print(name, fold, row["fit_cpu_seconds"], json.dumps(row["classes"])[:300], flush=True)
            store.put(row)


def crchisto_cells(root):
    """All nuclei, with their class where they have one; and the folder of the images."""
    typed = read_annotations(root / "crchisto")
    every = read_annotations(root / "crchisto_detection")
    stems = [Path(name).stem for name in every["image"]]
    every["image"] = [f"{stem}/{stem}.bmp" for stem in stems]
    parts = []
    for name, rows in every.groupby("image"):
        known = typed[typed["image"] == name]
        label = np.full(len(rows), None, dtype=object)
        if len(known):
            # The lists of the classes hold the same points.
            off, which = cKDTree(known[["x", "y"]]).query(rows[["x", "y"]])
            label[off < 1.5] = known["label"].to_numpy()[which[off < 1.5]]
        parts.append(rows.assign(label=label))
    return pd.concat(parts, ignore_index=True), root / "crchisto"


def bccd_cells(root):
    """Cells of all photographs; and their folder."""
    cells = read_annotations(root / "bccd")
    cells = cells[cells[["width", "height"]].min(axis=1) >= SMALLEST_BOX]
    return cells.drop_duplicates(["image", "x", "y", "label"]), root / "bccd" / "JPEGImages"


CELLS = {"crchisto": crchisto_cells, "bccd": bccd_cells}


def in_order(names):
    """Sort names of images by their numbers."""
    return sorted(set(names), key=lambda name: int("".join(filter(str.isdigit, Path(name).stem))))


def measure_fold(cells, folder, fold, work, image_mpp, radius, scan_in, **how):
    """Train on the other folds' images and scan those of one; counts at each threshold."""
    names = in_order(cells["image"])
    test = names[fold::N_FOLDS]
    train = cells[~cells["image"].isin(test)]
    model, fit = trained(train, folder, len(names) - len(test), work, image_mpp, **how)
    start, found = time.process_time(), []
    for name in test:
        slide = Slide(folder / name, mpp=image_mpp)
        table = scan(model, slide, tissue=False, min_probability=THRESHOLDS[0], **scan_in)
        found.append(table.assign(image=name))
    scanned = time.process_time() - start
    truth = cells[cells["image"].isin(test)]
    return {
        "n_train": len(names) - len(test),
        "n_test": len(test),
        "fit_cpu_seconds": round(fit, 1),
        "scan_cpu_seconds": round(scanned, 1),
        **counts(truth, pd.concat(found, ignore_index=True), radius),
    }


def trained(train, folder, n_images, work, image_mpp, sizes, background, epochs):
    """Train on some images, unless that is done; return the model and its CPU seconds."""
    if work is not None and work.with_suffix(".json").exists():
        seconds = json.loads(work.with_suffix(".json").read_text(encoding="utf-8"))
        return load(work.with_suffix(".safetensors")), seconds
    X, y, centers, _, neighbors = extract_patches(
        train,
        folder,
        size=sizes["patch_size"],
        cell_size=sizes["cell_size"],
        mpp=sizes["mpp"],
        slide_mpp=image_mpp,
        background=background * n_images,
        background_distance=sizes["cell_size"] / 2,
        neighbors=True,
        outside="clip",
        random_state=0,
    )
    # A nucleus without a class is one, too: the first class stands for any.
    neighbors[:, :, 2] = np.maximum(neighbors[:, :, 2], 0)
    model = STNCellClassifier(**sizes, **epochs, random_state=0)
    start = time.process_time()
    model.fit(X, y, centers=centers, neighbors=neighbors)
    seconds = time.process_time() - start
    if work is not None:
        work.parent.mkdir(parents=True, exist_ok=True)
        save(model, work.with_suffix(".safetensors"))
        work.with_suffix(".json").write_text(json.dumps(seconds), encoding="utf-8")
    return model, seconds


def counts(truth, found, radius):
    """Count true and false detections at each threshold, of any cell and by class."""
    # Each class that is in the truth; whatever else the model knows is no cell.
    classes = [f"probability_{label}" for label in sorted(set(truth["label"].dropna()))]
    any_cell = [truth.assign(label="cell"), found.assign(label="cell")]
    any_cell[1]["probability"] = found[classes].sum(axis=1)
    known = truth["label"].notna()
    clear = ~nearest_is_unknown(truth, known, found, radius)
    return {
        "any": curve(*any_cell, radius)["cell"],
        "classes": curve(truth[known], found[clear], radius),
    }


def nearest_is_unknown(truth, known, found, radius):
    """Which detections lie nearest to a cell that has no class."""
    result = np.zeros(len(found), dtype=bool)
    for name, rows in found.groupby("image"):
        here = truth["image"] == name
        away = []
        for part in (truth[here & known], truth[here & ~known]):
            if len(part):
                away.append(cKDTree(part[["x", "y"]]).query(rows[["x", "y"]])[0])
            else:
                away.append(np.full(len(rows), np.inf))
        result[rows.index] = (away[1] <= radius) & (away[1] < away[0])
    return result


def curve(truth, found, radius):
    """Count the detections of each class at each threshold; and its average precision."""
    labels, result = sorted(set(truth["label"])), {}
    how = {"mpp": 1.0, "radius_um": radius, "labels": labels}
    every = detection_score(truth, found, **how)
    for label in labels:
        precision = every[label]["average_precision"]
        result[label] = {"n": every[label]["n_truth"], "average_precision": precision, "counts": []}
    for threshold in THRESHOLDS:
        scores = detection_score(truth, found[found["probability"] >= threshold], **how)
        for label in labels:
            one = scores[label]
            result[label]["counts"].append([one["true_positives"], one["false_positives"]])
    return result


def f1_of(parts):
    """F1 at each threshold of counts that are added up."""
    right, wrong = np.sum([part["counts"] for part in parts], axis=0).T
    n = sum(part["n"] for part in parts)
    return 2 * right / np.maximum(1, right + wrong + n)


def weighted_f1(rows):
    """Weighted F1 of the classes at each threshold, over the images of some folds."""
    labels = sorted(rows[0]["classes"])
    parts = {label: [row["classes"][label] for row in rows] for label in labels}
    weights = [sum(part["n"] for part in parts[label]) for label in labels]
    return np.average([f1_of(parts[label]) for label in labels], axis=0, weights=weights)


def at_chosen(rows, scored):
    """Score each fold at the threshold that is best in the others."""
    scores = []
    for row in rows:
        others = [other for other in rows if other is not row]
        if others:
            scores.append(float(scored([row])[scored(others).argmax()]))
    return scores


def sections(store):
    """Write the table of all sets."""
    lines, some = [], []
    for name in SETS:
        rows = [row for row in store.rows if row["set"] == name]
        if not rows:
            continue
        some += rows
        found = best_of(rows, lambda rows: f1_of([row["any"] for row in rows]))
        both = best_of(rows, weighted_f1)
        labels = sorted(rows[0]["classes"])
        precision = {
            label: np.mean([row["classes"][label]["average_precision"] for row in rows])
            for label in labels
        }
        lines.append(
            [
                NAMES[name],
                f"{len(rows)} of {N_FOLDS}",
                found,
                both,
                ", ".join(f"{label} {value:.3f}" for label, value in precision.items()),
                f"{np.mean([row['fit_cpu_seconds'] for row in rows]):.0f}",
            ]
        )
    if not lines:
        return {}
    header = [
        "cells",
        "folds",
        "detection F1",
        "with class, weighted F1",
        "AP by class",
        "fit (CPU s)",
    ]
    where = store.where(some, lambda row: NAMES[row["set"]])
    return {"detection": f"{where}\n\n{table(header, lines)}"}


def best_of(rows, scored):
    """Write the scores at chosen thresholds; of a single fold, which flatters, at its own best."""
    values = at_chosen(rows, scored)
    if not values:
        return f"{scored(rows).max():.3f} at its own best threshold"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
