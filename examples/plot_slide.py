"""
From annotated cells to the hotspot of a slide
==============================================

Slides are synthetic. The cells of all but the last, annotated in a SlideRunner database, train the
guided spatial transformer network; it then finds the mitotic figures of the last slide, and the
field with most of them.

By default there are two small slides. ``python examples/plot_slide.py --size 8192`` takes slides
of 4 mm2 and fields of ten high-power fields, as in practice, learns from eight small slides more,
and takes a quarter of an hour. All files are made in a temporary folder, or in the one that
``--out`` names and that is kept.
"""

# %%
# Slides
# ------
# `make_slide` paints a slide and says where its cells are. As a tiled pyramid TIFF it is what
# OpenSlide and QuPath open. Mitotic figures are rare; there are more of them than usual on the
# slides that the network learns from. Each slide has a stain of its own, and a network that saw
# one stain only finds less on the next slide: better a few cells of many slides than many of one.

import argparse
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

# The gallery runs this file in its own folder, and without a name.
sys.path.insert(
    0, str(Path(globals().get("__file__", "plot_slide.py")).resolve().parents[1] / "benchmarks")
)

from _slides import (
    count_inside,
    other_cells,
    paint_slide,
    some_of_each,
    threshold_of_best_f1,
    with_other_stains,
)

from stnclf import Augmentation, STNCellClassifier, save
from stnclf.annotations import read_annotations, write_annotations
from stnclf.metrics import detection_score
from stnclf.scan import density_map, hotspots, scan
from stnclf.slides import Slide, extract_patches

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=3072, help="side of the slides in pixels")
parser.add_argument("--seed", type=int, default=11, help="of the first slide")
parser.add_argument("--out", type=Path, help="folder for all files")
options = parser.parse_args()
temporary = None if options.out else tempfile.TemporaryDirectory()
out = options.out or Path(temporary.name)
out.mkdir(parents=True, exist_ok=True)
start = time.perf_counter()

MITOSIS = "mitotic figure"
is_large = options.size >= 8192
n_rare = 600 if is_large else 200
sides, seeds = {"training.tif": options.size}, [options.seed]
if is_large:
    sides |= {f"training_{i}.tif": 2048 for i in range(8)}
    seeds += [100 * options.seed + i for i in range(8)]
parts = []
for (name, side), seed in zip(sides.items(), seeds):
    n = n_rare if side == options.size else 75
    parts.append(paint_slide(out / name, side, seed, n_mitoses=n, n_granulocytes=n))
truth = pd.concat(parts, ignore_index=True)
unseen = paint_slide(out / "slide.tif", options.size, options.seed + 10)

# %%
# A database of annotations
# -------------------------
# The upper three quarters of each slide are annotated for training. The database is one that
# SlideRunner reads; `read_annotations` reads it back as a table.

border = 0.75 * truth["image"].map(sides)
write_annotations(truth[truth["y"] < border], out / "training.sqlite", overwrite=True)
cells = read_annotations(out / "training.sqlite")
cells["label"].value_counts()

# %%
# Patches
# -------
# On a slide the network will meet more than what was annotated: nuclei of other cells, debris.
# Dark spots where nobody annotated a cell are a class of their own. One slide also shows one
# stain only, so that copies of the patches are stained in other ways.
#
# The networks look at patches of 128 pixels at 0.25 um in half their resolution; half of it is
# enough.

chosen = [cells[cells["label"] != "tumour cell"]]
for name, side in sides.items():
    here = cells[cells["image"] == name]
    with Slide(out / name) as slide:
        others = other_cells(slide, here)
    common = [here[here["label"] == "tumour cell"], others[others["y"] < 0.75 * side]]
    chosen.append(some_of_each(pd.concat(common), 6 * n_rare, seed=1))
chosen = pd.concat(chosen, ignore_index=True)
X, y, centers, _ = extract_patches(chosen, out, size=64, mpp=0.5, image_size=96)
X, y, centers = with_other_stains(X, y, centers, copies=2 if is_large else 3)
print(f"{len(X)} patches, {time.perf_counter() - start:.0f} s")

# %%
# Training
# --------
# Without the joint stage, in which the localizer may choose a neighbour of the cell that the
# label is about: on a slide every cell is looked at for itself.

clf = STNCellClassifier(
    patch_size=64,
    cell_size=32,
    mpp=0.5,
    classifier_epochs=100 if is_large else 8,
    localizer_epochs=8 if is_large else 3,
    augment=Augmentation(color=0.2),
    random_state=0,
)
clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))
save(clf, out / "model.safetensors")
print(f"trained, {time.perf_counter() - start:.0f} s")

# %%
# How sure is sure enough?
# ------------------------
# The lower quarters of the training slides say from which probability on a detection is more
# often right than it is worth: the least one that gives the best F1 there. A detection counts if
# it is within 7.5 um of a mitotic figure, one for each.

seen, known = [], []
for name, side in sides.items():
    top = side * 3 // 4
    with Slide(out / name) as slide:
        lower = Slide(slide.read_region(0, top, side, side - top), mpp=slide.mpp)
    here = truth[(truth["image"] == name) & (truth["y"] >= top)]
    known.append(here.assign(y=here["y"] - top))
    seen.append(scan(clf, lower, labels=[MITOSIS], min_probability=0.1).assign(image=name))
least = threshold_of_best_f1(pd.concat(known), pd.concat(seen), lower.mpp, MITOSIS)
print(f"detections count from a probability of {least} on")

# %%
# Scan
# ----
# The localizer runs over whole tiles of the other slide, and the classifier names what it finds.

slide = Slide(out / "slide.tif")
found = scan(clf, slide, labels=[MITOSIS], min_probability=least, out=out / "found.csv")
score = detection_score(unseen, found, mpp=slide.mpp, labels=[MITOSIS])[MITOSIS]
print(f"{len(found)} mitotic figures, {time.perf_counter() - start:.0f} s")
print(", ".join(f"{name} {score[name]:.3f}" for name in ("precision", "recall", "f1")))

# %%
# Hotspot
# -------
# The field with most mitotic figures: ten high-power fields, 2.37 mm2, or one on a small slide.

area = 2.37 if is_large else 0.237
fields = hotspots(found, slide, area_mm2=area, label=MITOSIS)
best = hotspots(unseen, slide, area_mm2=area, label=MITOSIS).loc[0, "count"]
for field in fields.itertuples():
    held = count_inside(unseen[unseen["label"] == MITOSIS], field)
    print(f"field of {area} mm2: holds {held} mitotic figures, the best field {best}")

# %%
# For the eye, and for QuPath
# ---------------------------
# Detections and the field go into GeoJSON files that QuPath opens over the slide.

write_annotations(found, out / "detections.geojson", overwrite=True)
write_annotations(fields, out / "field.geojson", object_type="annotation", overwrite=True)
thumbnail, scale = slide.thumbnail(1024)
density, _ = density_map(found, slide, label=MITOSIS, sigma_um=100, fields=fields)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
left.imshow(thumbnail)
left.scatter(found["x"] / scale, found["y"] / scale, s=12, facecolors="none", edgecolors="red")
left.set_title("mitotic figures that were found")
right.imshow(density)
right.set_title("their density, and the field")
for axes in (left, right):
    axes.axis("off")
figure.savefig(out / "figure.png")

# %%
# The files go with the temporary folder.

slide.close()
if temporary is not None:
    temporary.cleanup()
