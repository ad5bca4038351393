"""From annotated cells to the hotspot of a slide
================================================

Two slides are painted. The cells of one, annotated in a SlideRunner database, train the guided
spatial transformer network; it then finds the mitotic figures of the other, and the field with
most of them. Everything that other programs open lies in the folder ``--out`` in the end: slides
as pyramid TIFFs, the database, the detections and fields for QuPath, a density map.

The default is a small slide and a short training, about a minute. ``--side 8192 --thorough``
takes some minutes and is what the numbers in the documentation are about.

    python examples/plot_slide.py [--out slide_demo] [--side 3072] [--thorough] [--seed 0]
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from _slide_cells import other_cells, paint_slide, some_of_each, vary_stain

from stnclf import STNCellClassifier, save
from stnclf.annotations import read_annotations, write_annotations
from stnclf.metrics import detection_score
from stnclf.scan import density_map, hotspots, scan
from stnclf.slides import Slide, extract_patches

MITOSIS, LEVEL_0 = "mitotic figure", 0.25
# The networks look at 128 px of 0.25 um in half their resolution, so half of it is enough.
MPP, SIZES = 0.5, {"patch_size": 64, "cell_size": 32}
CUT = {"size": 64, "cell_size": 32, "mpp": MPP, "image_size": 96}
STAGES = ("classifier", "localizer")
QUICK = {"first": (4, 3), "last": (8, 2), "copies": 3, "most": 400}
THOROUGH = {"first": (6, 3), "last": (10, 3), "copies": 4, "most": 6000}


def main():
    options = read_options()
    out, start = options.out, time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    effort = THOROUGH if options.thorough else QUICK

    def say(text):
        print(f"{time.perf_counter() - start:5.0f} s  {text}", flush=True)

    # Slides, and a database with the annotations of the upper three quarters of the first.
    n_rare = 600 if options.thorough else 150
    rare = {"n_mitoses": n_rare, "n_granulocytes": n_rare}
    cells = paint_slide(out / "training.tif", options.side, options.seed, **rare)
    border = 0.75 * options.side
    cells = cells[cells["y"] < border]
    write_annotations(cells, out / "training.sqlite", overwrite=True)
    truth = paint_slide(out / "slide.tif", options.side, options.seed + 1)
    say(f"two slides of {options.side} px; {len(cells)} cells in training.sqlite")

    # Patches around annotated cells, and a first, short training.
    cells = read_annotations(out / "training.sqlite")
    first = train(out, some_of_each(cells, effort["most"], seed=0), *effort["first"], tta=False)
    say("first training")

    # What it finds where nobody annotated a cell is a class of its own.
    found = scan(first, out / "training.tif", mpp=MPP, min_probability=0)
    others = other_cells(found[found["y"] < border], cells, LEVEL_0)
    say(f"{len(others)} other cells")
    cells = pd.concat([cells, others])
    clf = train(
        out, some_of_each(cells, effort["most"], seed=1), *effort["last"], copies=effort["copies"]
    )
    save(clf, out / "model.safetensors")
    say("second training, with the other cells and with other stains")

    # The other slide.
    slide = Slide(out / "slide.tif")
    found = scan(clf, slide, labels=[MITOSIS], mpp=MPP, out=out / "detections.csv")
    score = detection_score(truth, found, mpp=LEVEL_0, labels=[MITOSIS])[MITOSIS]
    say(
        f"{len(found)} mitotic figures: precision {score['precision']:.3f}, recall "
        f"{score['recall']:.3f}, F1 {score['f1']:.3f}"
    )
    # Ten high-power fields, or one where the slide has no room for ten.
    area = 2.37 if options.side >= 7200 else 0.237
    fields = hotspots(found, slide, area_mm2=area, label=MITOSIS, n=3)
    best = hotspots(truth, slide, area_mm2=area, label=MITOSIS).loc[0]
    for field in fields.itertuples():
        n_true = count_inside(truth[truth["label"] == MITOSIS], field)
        say(
            f"field of {area} mm2 at ({field.x:.0f}, {field.y:.0f}): {field.count} found, "
            f"{n_true} there; the truly best field has {best['count']}"
        )

    # Files for other programs.
    write_annotations(found, out / "detections.geojson")
    write_annotations(fields, out / "fields.geojson", object_type="annotation")
    image, _ = density_map(found, slide, label=MITOSIS, fields=fields)
    Image.fromarray(image).save(out / "density.png")
    say(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))}")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("slide_demo"), help="folder for all files")
    parser.add_argument("--side", type=int, default=3072, help="of the slides, in pixels")
    parser.add_argument("--thorough", action="store_true", help="train on more, for longer")
    parser.add_argument("--seed", type=int, default=0, help="decides slides and training")
    return parser.parse_args()


def train(root, cells, classifier_epochs, localizer_epochs, copies=1, **more):
    """Cut patches around cells and train on them, and on copies that are stained in other ways."""
    X, y, centers, _ = extract_patches(cells, root, **CUT)
    X = np.concatenate([X, *(vary_stain(X, seed) for seed in range(1, copies))])
    y, centers = np.tile(y, copies), np.tile(centers, (copies, 1))
    clf = STNCellClassifier(
        classifier_epochs=classifier_epochs,
        localizer_epochs=localizer_epochs,
        random_state=0,
        **SIZES,
        **more,
    )
    # Without the joint stage, in which the localizer may choose a neighbour of the cell that the
    # label is about: on a slide every cell is looked at for itself.
    return clf.fit(X, y, centers=centers, stages=STAGES)


def count_inside(cells, field):
    off_x, off_y = np.abs(cells["x"] - field.x), np.abs(cells["y"] - field.y)
    return int(((off_x <= field.width / 2) & (off_y <= field.height / 2)).sum())


if __name__ == "__main__":
    main()
