"""
Walk-through: from annotations to the hotspot
=============================================

A network that was trained on annotated cells knows these cells and nothing else of a slide. Here
it is taught what is no cell, what its own worst mistakes are, and how sure is sure enough; after
each step the mitotic figures that it finds on new slides are counted against the true ones. All
slides are synthetic. :doc:`The walk-through in the shell </road>` goes the same steps, with the
mistakes at another place among the patches; the scores of the last two rows differ. This example
takes longer than the others, four to ten minutes.
"""

# %%
# Slides
# ------
# Four slides to learn from, three to choose a threshold on, and three new ones. Each has a stain of
# its own, as slides of several days or laboratories have. Mitotic figures are more frequent on them
# than on real ones.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from stnclf import Augmentation, STNCellClassifier
from stnclf.annotations import read_annotations, write_annotations
from stnclf.datasets import make_slide
from stnclf.displays import DetectionCurveDisplay, HotspotDisplay
from stnclf.metrics import choose_thresholds, detection_score
from stnclf.scan import hard_negatives, hotspots, scan
from stnclf.slides import Slide, extract_patches, write_pyramid_tiff

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
MITOSIS = "mitotic figure"


def draw_slide(name, size, n_rare, seed):
    image, cells, mpp = make_slide(size, n_mitoses=n_rare, n_granulocytes=n_rare, random_state=seed)
    write_pyramid_tiff(image, folder / name, mpp)
    return pd.DataFrame({"image": name, **cells})


training = [f"training_{i}.tif" for i in range(4)]
truth = pd.concat([draw_slide(name, (2048, 2048), 60, i) for i, name in enumerate(training)])
validation = pd.concat(
    [draw_slide(f"validation_{i}.tif", (2048, 2048), 60, seed=i) for i in range(4, 7)]
)
new = pd.concat([draw_slide(f"new_{i}.tif", (2048, 2048), 60, seed=i) for i in range(7, 10)])

# %%
# Annotate
# --------
# Someone annotates all mitotic figures and granulocytes of the first four slides, in SlideRunner
# or QuPath for example. Tumour cells, of which there are many more, are nobody's concern: they are
# part of what is no cell, as are dark spots that look like one. What counts is that *all* cells of
# the annotated classes are there; what is not annotated is learned as background.

annotated = truth[truth["label"] != "tumour cell"].reset_index(drop=True)
write_annotations(annotated, folder / "cells.sqlite")
cells = read_annotations(folder / "cells.sqlite")
cells["label"].value_counts()

# %%
# Cells alone
# -----------
# The first network learns the annotated cells and nothing else. All networks here have the same
# few epochs, and colours that vary in training make up for the stains that are not among these
# four.

SIZES = {"size": 64, "cell_size": 32, "mpp": 0.5}


def train(negatives=None, background=0):
    X, y, centers, _, neighbors = extract_patches(
        cells,
        folder,
        **SIZES,
        background=background,
        negatives=negatives,
        neighbors=True,
        random_state=0,
    )
    print(pd.Series(y).value_counts().to_string())
    clf = STNCellClassifier(
        patch_size=64,
        cell_size=32,
        mpp=0.5,
        classifier_epochs=12,
        localizer_epochs=18,
        joint_epochs=0,
        augment=Augmentation(color=0.2, stain=0.2),
        random_state=0,
    )
    return clf.fit(X, y, centers=centers, neighbors=neighbors if background else None)


def find(clf, names):
    tables = [scan(clf, folder / name, labels=[MITOSIS], min_probability=0.02) for name in names]
    return pd.concat(tables, ignore_index=True)


def score(found, least=0.5):
    how = {"mpp": 0.25, "labels": [MITOSIS]}
    scores = detection_score(new, found[found["probability"] >= least], **how)[MITOSIS]
    every = detection_score(new, found, **how)[MITOSIS]
    return {
        "threshold": round(least, 2),
        "precision": round(scores["precision"], 3),
        "recall": round(scores["recall"], 3),
        "F1": round(scores["f1"], 3),
        "AP": round(every["average_precision"], 3),
    }


clf = train()
found = {"cells alone": find(clf, new["image"].unique())}
steps = {"cells alone": score(found["cells alone"])}
steps["cells alone"]

# %%
# With background
# ---------------
# As many patches again at a distance from all annotated cells, half of them where the slide is
# dark. Their centres are NaN: there is no cell. `neighbors` says where the other annotated cells
# of each patch are, so that the localizer learns that everything else is none.

clf = train(background=len(cells))
found["with background"] = find(clf, new["image"].unique())
steps["with background"] = score(found["with background"])
steps["with background"]

# %%
# With its worst mistakes
# -----------------------
# This network scans the slides it has learned from. All cells are known there, so that each
# detection far from all of them is a mistake. Of the most certain ones the next network learns
# that they are no cells.

mistakes = hard_negatives(
    clf, [folder / name for name in training], cells, n=200, min_probability=0.1
)
mistakes["found"].value_counts()

# %%
# These are the eighteen worst mistakes, 16 micrometres wide. Crushed and long nuclei, and dark
# lymphocytes, were taken for mitotic figures; dying cells, whose nucleus falls into dark balls, for
# granulocytes.

figure, axes = plt.subplots(3, 6, figsize=(9, 5.3), layout="constrained")
slides = {name: Slide(folder / name) for name in training}
for ax, mistake in zip(axes.flat, mistakes.itertuples()):
    crop = slides[mistake.image].read_region(mistake.x - 31.5, mistake.y - 31.5, 64, 64)
    ax.imshow(crop)
    ax.set_title(f"{mistake.found}\n{mistake.probability:.2f}", fontsize="small")
    ax.axis("off")
plt.show()

# %%

clf = train(mistakes, background=len(cells))
found["with its mistakes"] = find(clf, new["image"].unique())
steps["with its mistakes"] = score(found["with its mistakes"])
steps["with its mistakes"]

# %%
# With a threshold of its own
# ---------------------------
# So far detections counted from a probability of 0.5 on. Slides that are neither learned from nor
# counted on say where F1 is best. The model keeps this threshold, in its file too, and `scan`
# uses it where it is not told another one.

seen = find(clf, validation["image"].unique())
DetectionCurveDisplay.from_detections(validation, seen, mpp=0.25, labels=[MITOSIS])
plt.show()

# %%

clf.detection_thresholds_ = choose_thresholds(validation, seen, mpp=0.25, labels=[MITOSIS])
least = clf.detection_thresholds_[MITOSIS]
steps["with a threshold"] = score(found["with its mistakes"], least)
steps["with a threshold"]

# %%
# What each step was worth
# ------------------------
# Most is gained by the background, then by the mistakes. The threshold that was chosen is near a
# half here, and changes little: where a network is as sure on slides as in training, 0.5 is right.
# The validation slides show whether it is. :doc:`/scan_results` has three seeds.

table = pd.DataFrame(steps).T
table.round(2)

# %%

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for column, style in (("precision", "s--"), ("recall", "^:"), ("F1", "o-")):
    ax.plot(table.index, table[column], style, label=column, linewidth=3 if column == "F1" else 1.5)
ax.set_xticks(range(len(table)), [f"{step}\nF1 {f1:.2f}" for step, f1 in table["F1"].items()])
ax.set(ylim=(0, 1.05), ylabel="mitotic figures of the new slides")
ax.legend()
plt.show()

# %%
# Hotspot
# -------
# The field of the first new slide with most mitotic figures, of a quarter of a high-power field,
# since the slide is small. The interval says what a count leaves open.

detections = scan(clf, folder / "new_7.tif", labels=[MITOSIS])
fields = hotspots(detections, folder / "new_7.tif", area_mm2=0.06, label=MITOSIS)
HotspotDisplay.from_detections(
    detections, folder / "new_7.tif", fields=fields, label=MITOSIS, sigma_um=60, scalebar=True
)
plt.show()
fields[["count", "per_mm2", "per_mm2_low", "per_mm2_high"]].round(0)

# %%
# How many true mitotic figures has this field?

field = fields.iloc[0]
mitoses = new[(new["image"] == "new_7.tif") & (new["label"] == MITOSIS)]
inside = (abs(mitoses["x"] - field.x) < field.width / 2) & (
    abs(mitoses["y"] - field.y) < field.height / 2
)
print(f"{field['count']} found in the field, {inside.sum()} are there")

# %%
# Take detections and field to QuPath, and the files go with the temporary folder.

write_annotations(detections, folder / "detections.geojson")
write_annotations(fields, folder / "field.geojson", object_type="annotation")
for slide in slides.values():
    slide.close()
temporary.cleanup()
