# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tutorial on real images
#
# The whole way on two public data sets: photographs of blood, whose cells are found, classified
# and taken to QuPath, and crops of mitotic figures, which are classified and compared with
# hand-crafted features. Below each piece of code is what it printed when this page was made. Your
# run differs a little, since other processors round otherwise; a threshold that is chosen on five
# photographs may differ much, and the numbers of cells with it. Pictures are not shown here: your
# run draws them. All of it takes about ten minutes on two cores.
#
# ## Get ready
#
# Install stnclf with the extras that the tutorial uses, in the folder of the repository, and
# Jupyter:
#
# ```console
# $ pip install '.[slides,plot,classical]' jupyterlab jupytext
# ```
#
# In an empty folder, fetch the two data sets. Both have the MIT licence; please cite their
# authors.
#
# ```console
# $ git clone --depth 1 https://github.com/Shenggan/BCCD_Dataset
# $ git clone --depth 1 https://github.com/DeepMicroscopy/AMi-Br_Benchmark
# ```
#
# The tutorial is one file, [tutorial.py](tutorial.py). Copy it into that folder. `jupytext --to
# ipynb tutorial.py` makes the notebook `tutorial.ipynb` of it, which `jupyter lab` opens. Lines
# that begin with `$` are for the shell; in the notebook they have a `!` in its place.

# %%
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

BLOOD = Path("BCCD_Dataset/BCCD")
MITOSES = Path("AMi-Br_Benchmark")
for folder in (BLOOD / "Annotations", BLOOD / "JPEGImages", MITOSES / "AMi-Br"):
    print(folder, "is there" if folder.is_dir() else "IS MISSING")

# %% [markdown]
# ## Blood: read the annotations
#
# Each photograph has an XML file in the format of Pascal VOC, with a box around each cell.
# `read_annotations` takes the folder and makes one table with a row for each cell. Positions are
# the middles of the boxes, in pixels.

# %%
from stnclf.annotations import read_annotations, write_annotations

cells = read_annotations(BLOOD / "Annotations")
cells[["image", "x", "y", "label", "width", "height"]].head()

# %% [markdown]
# Forty of the 364 photographs will do here. They are listed by their numbers, so that you get the
# same cells as this page. The cells of one photograph look alike, and so a photograph is either
# for training, or for choosing a threshold, or for the test. Each part gets a folder with its
# photographs and a table with its cells.

# %%
numbers = """
    1 10 19 30 39 48 58 69 78 90 100 111 125 137 148 160 169 179 192 202
    211 221 230 240 249 258 267 276 287 296 305 315 326 337 346 355 366 376 386 396
"""
numbers = [int(number) for number in numbers.split()]
parts = {"test": numbers[1::4], "choose": numbers[3::8]}
parts["train"] = [n for n in numbers if n not in parts["test"] + parts["choose"]]

for part, chosen in parts.items():
    folder = Path("blood", part)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"BloodImage_{number:05d}.jpg" for number in chosen]
    for name in names:
        shutil.copy(BLOOD / "JPEGImages" / name, folder)
    own = cells[cells["image"].isin(names)]
    write_annotations(own, f"blood/{part}.csv")
    print(f"{part}: {len(names)} photographs,", own["label"].value_counts().to_dict())

# %% [markdown]
# Look before you train: are the rings on the cells?

# %%
COLORS = {"WBC": "yellow", "RBC": "white", "Platelets": "cyan"}


def show(name, rows, axis):
    """Draw a ring around each cell of a photograph."""
    axis.imshow(Image.open(BLOOD / "JPEGImages" / name))
    for label, own in rows[rows["image"] == name].groupby("label"):
        axis.plot(own["x"], own["y"], "o", c=COLORS[label], mfc="none", ms=12, label=label)
    axis.set(xticks=[], yticks=[], title=name)


figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, axis in zip(["BloodImage_00010.jpg", "BloodImage_00072.jpg"], axes):
    show(name, cells, axis)
axes[0].legend(loc="upper left", facecolor="dimgray", labelcolor="white")
plt.show()

# %% [markdown]
# ## Sizes
#
# How much of a photograph should the network see at once? `stnclf info` measures the boxes and
# the distances between cells, says what is missing, and recommends a line for the next step.

# %%
# !stnclf info blood/train.csv blood/train

# %% [markdown]
# The recommended window is a quarter wider than a white cell, the largest class. Here one window
# serves three classes, and most cells are red ones of some 110 px, so this page takes a smaller
# one of 120 px. Nobody knows the resolution of the photographs, and any unit will do:
# `--slide-mpp 1` says that a pixel of theirs is 1, and `--mpp 3` that a pixel of the patches is 3
# of them. So a window of 40 px is 120 px of the photograph, and the patch, twice as wide, 240 px.
#
# ## Patches
#
# An image is cut around each cell of the training photographs. It is larger than the patch, for
# training moves and turns the patch within it. Two options tell the network what is *no* cell,
# which it has to know before it can go over whole photographs: `--background` adds patches
# without a cell in the middle, and `--neighbors` lists the other cells in each patch. Blood is
# dense, so a place counts as background here if it is half a window away from every cell; without
# `--background-distance` that is half the diagonal of the patch, and there are few such places.

# %%
# !stnclf patches blood/train.csv blood/train --out patches \
#     --size 80 --cell-size 40 --slide-mpp 1 --mpp 3 \
#     --background 60 --background-distance 20 --neighbors

# %% [markdown]
# ## Train, and choose a threshold
#
# The epochs are few, so that this takes a minute or two; the defaults are for real training.

# %%
# !stnclf train patches --out blood.safetensors --batch-size 8 \
#     --classifier-epochs 6 --localizer-epochs 20 --joint-epochs 0

# %% [markdown]
# The network goes over photographs that have not served for training. The first of them are for
# choosing the threshold. They are scanned with a low `--min-probability`, for what is not found
# cannot be chosen, and in the unit with which the patches were cut.

# %%
# !stnclf scan blood.safetensors blood/choose --out found-choose \
#     --slide-mpp 1 --min-probability 0.05

# %% [markdown]
# `stnclf score` compares what was found with the annotated cells. A detection is right if it lies
# within 30 px of a cell of its class, one to one. `--choose f1` writes the threshold with the
# best F1 of each class into the model.

# %%
# !stnclf score found-choose blood/choose.csv --radius-px 30 \
#     --choose f1 --model blood.safetensors

# %% [markdown]
# ## Score whole photographs
#
# Now the photographs of the test, which neither training nor choice has seen. `scan` takes the
# thresholds from the model.

# %%
# !stnclf scan blood.safetensors blood/test --out found --slide-mpp 1

# %%
# !stnclf score found blood/test.csv --radius-px 30

# %% [markdown]
# Red cells get a lower score than they should, for not all of them are annotated, and each of the
# others that is found counts as an error. In the photograph below nobody annotated any.
#
# `stnclf evaluate patches --detect blood/train --annotations blood/train.csv --slide-mpp 1
# --radius 30` does all this in a cross-validation, until each photograph was scanned by a model
# that has not seen it. For all photographs its results are in [](scan_results.md).
#
# What was found on one photograph is a CSV file:

# %%
name = "BloodImage_00258.jpg"
found = pd.read_csv("found/BloodImage_00258.csv")
found[["x", "y", "label", "probability"]].head()

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
show(name, cells, axes[0])
show(name, found.assign(image=name), axes[1])
axes[0].set_title("annotated")
axes[1].set_title("found")
plt.show()

# %% [markdown]
# ## To QuPath
#
# `stnclf export` writes GeoJSON, the format that QuPath imports.

# %%
# !stnclf export found/BloodImage_00258.csv --out BloodImage_00258.geojson \
#     --color WBC=#ffd700 --color RBC=#ff4040 --color Platelets=#00c0ff

# %% [markdown]
# In [QuPath](https://qupath.github.io), drag `BloodImage_00258.jpg` onto the window, choose
# *Brightfield (other)* as the type of the image, and drag `BloodImage_00258.geojson` onto the
# photograph. The cells appear as detections with their class; their probabilities are in
# *Measure > Show detection measurements*. What is corrected there comes back by *File > Export
# objects as GeoJSON*, which `read_annotations` reads.
#
# ## Mitotic figures: the official split
#
# The benchmark of atypical mitotic figures has crops of 128 px at 0.25 µm per pixel, each with
# one mitotic figure in the middle. The folder of a crop is its class. A table names the crops for
# training, with the slide of each; the crops that it does not name are the test set. To be quick,
# this page trains on every sixth crop. It tests on all.

# %%
split = pd.read_csv(next(MITOSES.rglob("amibr_train_split.csv")))
paths = {path.name: path for path in sorted((MITOSES / "AMi-Br").rglob("*.png"))}
test_paths = [path for name, path in paths.items() if name not in set(split["dataset_uid"])]
chosen = split[::6]


def read(paths):
    """Read crops as one array, (n, 128, 128, 3)."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


X = read([paths[name] for name in chosen["dataset_uid"]])
y = chosen["final_label"].to_numpy(str)
slide = (chosen["dataset"] + "/" + chosen["slide"]).to_numpy(str)
X_test, y_test = read(test_paths), np.array([path.parent.name for path in test_paths])
for title, labels in {"training": y, "test": y_test}.items():
    print(f"{title}:", pd.Series(labels).value_counts().to_dict())
print(len(set(slide)), "slides in training")

# %% [markdown]
# ## A short training, cross-validated
#
# The folds keep slides apart and are made as in the benchmark, but three in place of five. All
# figures are in the middle of their crops, which is what `centers=None`, the default, says. The
# patch is 96 px, and what is around it serves training; the window of 64 px is 16 µm wide. Both
# classes count alike in training, and in the balanced accuracy.

# %%
from sklearn.model_selection import StratifiedGroupKFold, cross_validate

from stnclf import STNCellClassifier

folds = list(StratifiedGroupKFold(3, shuffle=True, random_state=42).split(X, y, slide))
stn = STNCellClassifier(
    patch_size=96,
    cell_size=64,
    mpp=0.25,
    classifier_epochs=12,
    localizer_epochs=4,
    joint_epochs=2,
    batch_size=8,
    random_state=0,
)
how = {"cv": folds, "scoring": "balanced_accuracy", "return_estimator": True}
results = {"STN": cross_validate(stn, X, y, **how)}
results["STN"]["test_score"].round(3)

# %% [markdown]
# ## Beside hand-crafted features
#
# The same folds for stain, texture and shape features and a support vector machine.
# `CellFeatures` learns nothing from the crops, so the features are computed once, before the
# folds.

# %%
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from stnclf import CellFeatures

features = CellFeatures(patch_size=96).fit(X)
F, F_test = features.transform(X), features.transform(X_test)
svc = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
results["features + SVC"] = cross_validate(svc, F, y, **how)
results["features + SVC"]["test_score"].round(3)

# %% [markdown]
# ## The report
#
# What the models of the folds predict for the crops that they have not seen goes into one HTML
# page.

# %%
from stnclf.report import write_report

proba, theta = np.empty((len(y), 2)), np.empty((len(y), 2, 3))
by_features = np.empty_like(y)
for k, (_, held_out) in enumerate(folds):
    fitted = results["STN"]["estimator"][k]
    proba[held_out] = fitted.predict_proba(X[held_out])
    theta[held_out] = fitted.localize(X[held_out])
    by_features[held_out] = results["features + SVC"]["estimator"][k].predict(F[held_out])
write_report(
    "report.html",
    predictions={
        "STN": {"proba": proba, "theta": theta},
        "features + SVC": {"y_pred": by_features},
    },
    y_true=y,
    X=X,
    centers=np.full((len(y), 2), 63.5),
    patch_size=96,
    mpp=0.25,
    names=chosen["dataset_uid"].tolist(),
    histories={"STN, last fold": fitted.history_},
)

# %% [markdown]
# Open `report.html` in a browser: scores, the confusion matrix, curves with a slider for the
# threshold, how far the probabilities can be trusted, and all crops with the windows that the
# network chose, errors first. It is one file and loads nothing from a network. `stnclf evaluate
# patches --report report.html` makes the same page of patches that `stnclf patches` has cut.
#
# ## The test set
#
# Each of the three fold models predicts the test set; the table has the means of their scores.

# %%
from sklearn.metrics import balanced_accuracy_score

rows = {}
for title, result in results.items():
    images = F_test if "features" in title else X_test
    scores = [
        balanced_accuracy_score(y_test, fitted.predict(images)) for fitted in result["estimator"]
    ]
    rows[title] = {"held-out folds": result["test_score"].mean(), "test set": np.mean(scores)}
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# These numbers show that the way works, not how good the method is. With so few crops and so
# short a training the hand-crafted features are ahead: the networks have seen a sixth of the
# training crops for an eighth of the default epochs. With all crops, all epochs and the five
# folds of the benchmark the mean on this test set is 0.823 ([](amibr.md), made by `python
# benchmarks/amibr.py`). In a cross-validation on 1,721 crops of AMi-Br the network has 0.823 of
# balanced accuracy to the features' 0.740 ([](accuracy.md)).
#
# ## Where to go on
#
# - [Data and centres](data.md): the same with annotations of your own, in fifteen formats.
# - [Whole slides](slides.md): hotspots, and learning from the worst mistakes.
# - [Reports](report.md): what is on the page of the report, and how to make one in Python.
# - [The command line](command_line.md): each command, and what it does when it is interrupted.
