"""
From annotated cells to the hotspot of a slide
==============================================

The cells of some small slides, annotated in a SlideRunner database, train the guided spatial
transformer network; it then finds the mitotic figures of another slide, and the field with most of
them. The slides are synthetic, and all files are made in a temporary folder.
"""

# %%
# Slides
# ------
# `make_slide` draws a slide and says where its cells are. As a tiled pyramid TIFF it is what
# OpenSlide and QuPath open. Mitotic figures are rare; there are more of them than usual on these
# slides. Each slide has a stain of its own, and a network that saw one stain only finds less on
# the next slide: better a few cells of many slides than many of one.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.spatial import cKDTree

from stnclf import Augmentation, STNCellClassifier, save
from stnclf.annotations import read_annotations, write_annotations
from stnclf.datasets import make_slide
from stnclf.metrics import detection_score
from stnclf.scan import density_map, hotspots, scan
from stnclf.slides import Slide, extract_patches, write_pyramid_tiff

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
MITOSIS = "mitotic figure"


def draw_slide(name, side, n_rare, seed):
    image, cells, mpp = make_slide(
        (side, side), n_mitoses=n_rare, n_granulocytes=n_rare, random_state=seed
    )
    write_pyramid_tiff(image, folder / name, mpp)
    return pd.DataFrame({"image": name, **cells})


names = [f"training_{i}.tif" for i in range(8)]
truth = [draw_slide(name, 1024, 30, seed) for seed, name in enumerate(names)]
unseen = draw_slide("slide.tif", 3072, 200, seed=21)

# %%
# A database of annotations
# -------------------------
# All but the last of the small slides are annotated for training. The database is one that
# SlideRunner reads; `read_annotations` reads it back as a table.

write_annotations(pd.concat(truth[:-1], ignore_index=True), folder / "training.sqlite")
cells = read_annotations(folder / "training.sqlite")
cells["label"].value_counts()

# %%
# Patches
# -------
# On a slide the network will meet more than what was annotated: nuclei of other cells, debris.
# Dark spots where nobody annotated a cell are a class of their own. The networks look at patches of
# 32 micrometres at half the slide's resolution; that is enough.


def other_cells(name, cells):
    with Slide(folder / name) as slide:
        # At 1 µm per pixel a nucleus is a minimum of brightness within 3 µm.
        zoom = 1 / slide.mpp
        width, height = (int(side / zoom) for side in slide.size)
        dark = slide.read_region(0, 0, width, height, 1.0).min(axis=2).astype(np.float32)
    dark = gaussian_filter(dark, 1.5)
    is_spot = (dark == minimum_filter(dark, 7)) & (dark < np.median(dark))
    spots = (np.argwhere(is_spot)[:, ::-1] + 0.5) * zoom - 0.5
    away, _ = cKDTree(cells[["x", "y"]]).query(spots)
    x, y = spots[away > 7.5 * zoom].T
    return pd.DataFrame({"image": name, "x": x, "y": y, "label": "other cell"})


others = [other_cells(name, cells[cells["image"] == name]) for name in names[:-1]]
common = [cells[cells["label"] == "tumour cell"], pd.concat(others)]
rare = cells[cells["label"] != "tumour cell"]
chosen = pd.concat([rare, *(rows.sample(n=500, random_state=0) for rows in common)])
X, y, centers, _ = extract_patches(
    chosen.reset_index(drop=True), folder, size=64, mpp=0.5, image_size=96
)
print(X.shape)
print(pd.Series(y).value_counts())

# %%
# Training
# --------
# Without the joint stage, in which the localizer may choose a neighbour of the cell that the
# label is about: on a slide every cell is looked at for itself. Colours that vary in training make
# up for stains that are not among these.

clf = STNCellClassifier(
    patch_size=64,
    cell_size=32,
    mpp=0.5,
    classifier_epochs=16,
    localizer_epochs=5,
    augment=Augmentation(color=0.2),
    random_state=0,
)
clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))
save(clf, folder / "model.safetensors")

# %%
# How sure is sure enough?
# ------------------------
# The last of the small slides says from which probability on to count: the least one that gives
# the best F1 there. A detection is right if it is within 7.5 µm of a mitotic figure, one for each.

seen = scan(clf, folder / names[-1], labels=[MITOSIS], min_probability=0.1)
thresholds = np.linspace(0.1, 0.95, 18).round(2)
f1 = [
    detection_score(truth[-1], seen[seen["probability"] >= least], mpp=0.25, labels=[MITOSIS])[
        MITOSIS
    ]["f1"]
    for least in thresholds
]
least = float(thresholds[np.argmax(f1)])
print(f"detections count from a probability of {least} on, F1 {max(f1):.2f}")

# %%
# Scan
# ----
# The localizer runs over whole tiles of the other slide, and the classifier classifies the cells
# that it finds.

slide = Slide(folder / "slide.tif")
found = scan(clf, slide, labels=[MITOSIS], min_probability=least, out=folder / "found.csv")
score = detection_score(unseen, found, mpp=slide.mpp, labels=[MITOSIS])[MITOSIS]
print(f"{len(found)} mitotic figures")
print(", ".join(f"{name} {score[name]:.3f}" for name in ("precision", "recall", "f1")))

# %%
# Hotspot
# -------
# The field with most mitotic figures. Ten high-power fields are 2.37 mm², the default; on this
# small slide it is one of them.

fields = hotspots(found, slide, area_mm2=0.237, label=MITOSIS)
fields[["x", "y", "width", "height", "count"]]

# %%
# For the eye, and for QuPath
# ---------------------------
# Detections and the field go into GeoJSON files that QuPath opens over the slide.

write_annotations(found, folder / "detections.geojson")
write_annotations(fields, folder / "field.geojson", object_type="annotation")

thumbnail, scale = slide.thumbnail(1024)
density, _ = density_map(found, slide, label=MITOSIS, sigma_um=100, fields=fields)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5.3), layout="constrained")
left.imshow(thumbnail)
left.scatter(found["x"] / scale, found["y"] / scale, s=14, facecolors="none", edgecolors="black")
left.set_title("mitotic figures that were found")
right.imshow(density)
right.set_title("their density, and the field")
for axes in (left, right):
    axes.axis("off")
plt.show()

# %%
# The files go with the temporary folder.

slide.close()
temporary.cleanup()
