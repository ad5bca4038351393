"""
Your own annotations
====================

Annotations come in the files of other programs: SlideRunner's databases, MIDOG's JSON, QuPath's
GeoJSON, and tables. They are read into one table with one row per cell, from which the training
images are cut. Here the three files are written first, so that the example needs no data.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.datasets import make_slide
from stnclf.slides import Slide, extract_patches

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
image, truth, mpp = make_slide((900, 1200), n_mitoses=25, n_granulocytes=25, random_state=3)
Image.fromarray(image).save(folder / "case 7.png")
cells = pd.DataFrame({"image": "case 7.png", **truth})

for name, kind in {
    "cells.sqlite": "sliderunner",
    "cells.json": "midog",
    "cells.geojson": "qupath",
}.items():
    write_annotations(cells, folder / name, kind)

# %%
# Reading
# -------
# :func:`~stnclf.annotations.read_annotations` looks into a file to see what it is. The formats
# differ in where pixel 0 begins, and in whether they hold points, boxes or outlines; the table has
# the middle of each cell, in pixels of the full image, and of the rest what the file knows.

for name in ("cells.sqlite", "cells.json", "cells.geojson"):
    table = read_annotations(folder / name)
    print(f"{name}: {len(table)} cells, columns {', '.join(table.columns)}")

table[["image", "x", "y", "label"]].head()

# %%
# In a database of several annotators, cells on which they disagree have no label. They are left
# out in one line.

table = table.dropna(subset="label")
print(table.label.value_counts())

# %%
# Do they lie where they should?
# ------------------------------
# This picture shows whether x and y are swapped, or the image is another one.

slide = Slide(folder / "case 7.png", mpp=mpp)
overview, scale = slide.thumbnail(600)
figure, axis = plt.subplots(figsize=(7.5, 5.4), layout="constrained")
axis.imshow(overview)
markers = {
    "mitotic figure": ("s", "lime"),
    "granulocyte": ("o", "yellow"),
    "tumour cell": (".", "white"),
}
for label, (marker, color) in markers.items():
    points = table[table.label == label]
    axis.plot(
        (points.x + 0.5) / scale - 0.5,
        (points.y + 0.5) / scale - 0.5,
        marker,
        color=color,
        fillstyle="none",
        markersize=8,
        label=label,
    )
axis.set(xticks=[], yticks=[])
axis.legend(
    ncols=3, facecolor="dimgray", labelcolor="white", loc="upper center", bbox_to_anchor=(0.5, 0)
)
plt.show()

# %%
# Training images
# ---------------
# :func:`~stnclf.slides.extract_patches` cuts an image around each cell, all at the same
# resolution, large enough that every patch that training can draw has real pixels; beyond the edge
# of the slide they are white. ``groups`` has the image that each cell is from, for
# cross-validation by slide.

X, y, centers, groups = extract_patches(
    table,
    folder,
    size=64,
    cell_size=48,
    mpp=0.25,
    slide_mpp=mpp,  # a PNG does not know it; whole-slide files do
    max_offset=8,
    random_state=0,
)
print(X.shape, set(groups.tolist()))

figure, axes = plt.subplots(2, 6, figsize=(7.5, 2.8), layout="constrained")
for axis, i in zip(axes.flat, (y != "tumour cell").nonzero()[0]):
    axis.imshow(X[i])
    axis.plot(*centers[i], "+", color="white", markersize=8)
    axis.set_title(y[i], fontsize=8)
    axis.set(xticks=[], yticks=[])
plt.show()

# %%
# That is all that ``STNCellClassifier.fit(X, y, centers=centers)`` wants.

slide.close()
temporary.cleanup()
