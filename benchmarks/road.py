"""What each step of the road is worth: background, neighbours, the worst mistakes, a threshold.

    python benchmarks/road.py [--seeds 0 1 2] [--side 2048] [--work DIR]
    python benchmarks/road.py --page-only

Four slides are painted to train on, one to choose thresholds on, and two to score, each of its
own seed and so of its own stain. Mitotic figures and granulocytes are annotated, nothing else.
The steps, each trained anew:

    cells        patches around the annotated cells alone
    background   and as many without a cell, at a distance from all, and the cells' neighbours
    mined        and the worst mistakes that this model makes on its training slides
    mined twice  and those of the next model

Scores are those of mitotic figures on the slides that were not seen, within 7.5 um: F1 at a
probability of 0.5, F1 at the threshold that is best on the slide for thresholds, and AP.
A step that is stored is not made again.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _run import carry_out, parser, table
from _slides import paint_slide

from stnclf import STNCellClassifier
from stnclf.metrics import choose_thresholds, detection_score
from stnclf.sampling import Augmentation
from stnclf.scan import hard_negatives, scan
from stnclf.slides import extract_patches

KEY = ("seed", "step")
LEVEL_0, MPP, MITOSIS = 0.25, 0.5, "mitotic figure"
SIZES = {"patch_size": 64, "cell_size": 32, "mpp": MPP}
EPOCHS = {"classifier_epochs": 12, "localizer_epochs": 18, "joint_epochs": 0}
CELLS = {"n_mitoses": 60, "n_granulocytes": 60}
SLIDES = {"train": 4, "choose": 1, "score": 2}
STEPS = ("cells", "background", "mined", "mined twice")
ANNOTATED, N_MINED, LEAST = (MITOSIS, "granulocyte"), 200, 0.02


def main(arguments=None):
    line = parser(__doc__, "road.json", threads=1, seeds=[0])
    line.add_argument("--side", type=int, default=2048, help="of the slides, in pixels")
    line.add_argument("--work", type=Path, help="folder that keeps the slides")
    carry_out(line.parse_args(arguments), KEY, measure, sections, "scan_results.md")


def measure(options, store):
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            work = options.work or Path(folder)
            work.mkdir(parents=True, exist_ok=True)
            walk(store, seed, options.side, work)


def walk(store, seed, side, work):
    """Go the whole road with slides of one seed, as far as it is not stored."""
    settings = {"side": side, **SIZES, **EPOCHS, "slides": SLIDES, "n_mined": N_MINED}
    rows = [{"seed": seed, "step": step, "settings": settings} for step in STEPS]
    if all(map(store.is_done, rows)):
        return
    parts, number = {}, 0
    for part, n in SLIDES.items():
        numbers = range(number, number + n)
        parts[part] = pd.concat([painted(work, side, 100 * seed + k) for k in numbers])
        number += n
    truth = parts["train"]
    n_cells, negatives = int(truth["label"].isin(ANNOTATED).sum()), None
    for row in rows:
        start = time.process_time()
        known = row["step"] != "cells"
        model = trained(truth, work, n_cells if known else 0, negatives, seed)
        row |= scores_of(model, parts, work)
        row["cpu_seconds"] = round(time.process_time() - start, 1)
        row["n_mined"] = 0 if negatives is None else len(negatives)
        print(json.dumps({k: v for k, v in row.items() if k != "settings"}), flush=True)
        store.put(row)
        if known and row["step"] != STEPS[-1]:
            found = mistakes(model, truth, work)
            negatives = found if negatives is None else pd.concat([negatives, found])
            negatives = negatives.drop_duplicates(["image", "x", "y"])


def painted(work, side, seed):
    """Paint a slide, unless it is there; return what is annotated."""
    path = work / f"road_{side}_{seed}.tif"
    truth = path.with_suffix(".csv")
    if not truth.exists():
        paint_slide(path, side, seed, **CELLS).to_csv(truth, index=False)
    cells = pd.read_csv(truth)
    return cells[cells["label"].isin(ANNOTATED)]


def trained(truth, work, background, negatives, seed):
    """Train on annotated cells, and on so much background."""
    how = {"size": SIZES["patch_size"], "cell_size": SIZES["cell_size"], "mpp": MPP}
    more = {}
    if background:
        more = {"background": background, "negatives": negatives}
    X, y, centers, _, neighbors = extract_patches(
        truth, work, **how, **more, neighbors=True, random_state=seed
    )
    model = STNCellClassifier(
        **SIZES, **EPOCHS, augment=Augmentation(color=0.2, stain=0.2), random_state=seed
    )
    return model.fit(X, y, centers=centers, neighbors=neighbors if background else None)


def mistakes(model, truth, work):
    """Find the worst mistakes on the training slides."""
    slides = [work / name for name in sorted(set(truth["image"]))]
    found = hard_negatives(model, slides, truth, n=N_MINED, min_probability=0.1)
    return found[["image", "x", "y", "label"]]


def detections(model, truth, work):
    """Scan all slides of a table of cells."""
    names = sorted(set(truth["image"]))
    tables = [
        scan(model, work / name, labels=[MITOSIS], min_probability=LEAST).assign(image=name)
        for name in names
    ]
    return pd.concat(tables, ignore_index=True)


def scores_of(model, parts, work):
    """Choose a threshold on one slide and score the others."""
    how = {"mpp": LEVEL_0, "labels": [MITOSIS]}
    found = {part: detections(model, parts[part], work) for part in ("choose", "score")}
    chosen = choose_thresholds(parts["choose"], found["choose"], **how).get(MITOSIS, 0.5)

    def at(least):
        likely = found["score"][found["score"]["probability"] >= least]
        return detection_score(parts["score"], likely, **how)[MITOSIS]

    return {
        "threshold": round(float(chosen), 3),
        "f1_at_half": at(0.5)["f1"],
        "f1": at(chosen)["f1"],
        "average_precision": at(0.0)["average_precision"],
    }


def sections(store):
    """Write the table."""
    if not store.rows:
        return {}

    def spread(rows, name):
        values = [row[name] or 0.0 for row in rows]
        mean = f"{np.mean(values):.3f}"
        return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"

    lines = []
    for step in STEPS:
        rows = [row for row in store.rows if row["step"] == step]
        if rows:
            names = ("f1_at_half", "f1", "average_precision")
            numbers = [spread(rows, name) for name in names]
            mined = round(np.mean([row["n_mined"] for row in rows]))
            lines.append([step, len(rows), mined, *numbers])
    header = ["step", "seeds", "mined", "F1 at 0.5", "F1 at the chosen threshold", "AP"]
    where = store.where(store.rows, lambda row: row["step"])
    return {"road": f"{where}\n\n{table(header, lines)}"}


if __name__ == "__main__":
    main()
