"""
From annotated cells to the hotspot of a slide
==============================================

Two slides are painted. The cells of one, annotated in a SlideRunner database, train the guided
spatial transformer network; it then finds the mitotic figures of the other slide, and the field
with most of them.

By default the slides are small. ``python examples/plot_slide.py --size 8192`` takes slides of
4 mm2 and fields of ten high-power fields, as in practice, and some minutes. All files are made in
a temporary folder, or in the one that ``--out`` names and that is kept.
"""

# %%
# Two slides
# ----------
# `make_slide` paints a slide and says where its cells are. As a tiled pyramid TIFF it is what
# OpenSlide and QuPath open. Mitotic figures are rare; there are more of them than usual on the
# slide that the network learns from.

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

from _slide_cells import count_inside, other_cells, paint_slide, some_of_each, with_other_stains

from stnclf import STNCellClassifier, save
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
truth = paint_slide(
    out / "training.tif", options.size, options.seed, n_mitoses=n_rare, n_granulocytes=n_rare
)
unseen = paint_slide(out / "slide.tif", options.size, options.seed + 10)

# %%
# A database of annotations
# -------------------------
# The upper three quarters of the first slide are annotated. The database is one that SlideRunner
# reads; `read_annotations` reads it back as a table.

annotated = truth[truth["y"] < 0.75 * options.size]
write_annotations(annotated, out / "training.sqlite", overwrite=True)
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

with Slide(out / "training.tif") as slide:
    others = other_cells(slide, cells)
others = others[others["y"] < 0.75 * options.size]
common = pd.concat([cells[cells["label"] == "tumour cell"], others])
rare = cells[cells["label"] != "tumour cell"]
chosen = pd.concat([rare, some_of_each(common, 6 * n_rare, seed=1)])
X, y, centers, _ = extract_patches(chosen, out, size=64, mpp=0.5, image_size=96)
X, y, centers = with_other_stains(X, y, centers, copies=3)
print(f"{len(X)} patches, {time.perf_counter() - start:.0f} s")

# %%
# Training
# --------
# Without the joint stage, in which the localizer may choose a neighbour of the cell that the
# label is about: on a slide every cell is looked at for itself.

clf = STNCellClassifier(
    patch_size=64,
    cell_size=32,
    classifier_epochs=40 if is_large else 12,
    localizer_epochs=6 if is_large else 3,
    color_jitter=0.2,
    random_state=0,
)
clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))
save(clf, out / "model.safetensors")
print(f"trained, {time.perf_counter() - start:.0f} s")

# %%
# Scan
# ----
# The localizer runs over whole tiles of the other slide, and the classifier names what it finds.
# A detection counts if it is within 7.5 um of a mitotic figure, one for each.

slide = Slide(out / "slide.tif")
found = scan(clf, slide, labels=[MITOSIS], mpp=0.5, min_probability=0.7, out=out / "found.csv")
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
