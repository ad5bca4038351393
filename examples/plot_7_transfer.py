"""
Transfer
========

A new scanner, another organ, a class more: with few annotations of the new kind, begin with what a
network has learned from many of an old one. ``init=`` takes its weights, wherever names and shapes
agree, and gives the new classes a new last layer.
"""

import matplotlib.pyplot as plt
import numpy as np

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells

# %%
# Much of the old
# ---------------
# Two classes, 240 cells.

sizes = {"patch_size": 96, "image_size": 140, "offset": 20}
settings = {"patch_size": 96, "cell_size": 48, "random_state": 0}
X_old, y_old, centers_old = make_cells(
    240, classes=("granulocyte", "tumour cell"), random_state=0, **sizes
)
old = STNCellClassifier(classifier_epochs=12, localizer_epochs=12, joint_epochs=2, **settings).fit(
    X_old, y_old, centers=centers_old
)

# %%
# Few of the new
# --------------
# Three classes now, mitotic figures among them, and their images have another colour balance, as
# from another scanner. The same short training, once from scratch and once from the old weights
# (``init`` could also be the name of a model file).

tint = np.array([0.85, 0.95, 0.8])
X, y, centers = make_cells(300, random_state=1, **sizes)
X = (X * tint).astype(np.uint8)
test = slice(150, None)

short = {"classifier_epochs": 10, "localizer_epochs": 6, "joint_epochs": 1, **settings}
counts, scores, errors = [15, 45, 150], {}, {}
for name, init in {"from scratch": None, "from the old network": old}.items():
    for n in counts:
        clf = STNCellClassifier(init=init, **short).fit(X[:n], y[:n], centers=centers[:n])
        error = np.hypot(*(clf.transform(X[test]) - centers[test]).T)
        scores.setdefault(name, []).append(clf.score(X[test], y[test]))
        errors.setdefault(name, []).append(np.median(error))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3), layout="constrained")
for name, line in {"from scratch": "o--", "from the old network": "s-"}.items():
    left.plot(counts, 100 * np.array(scores[name]), line, label=name)
    right.plot(counts, errors[name], line, label=name)
left.axhline(100 / 3, ls=":", color="black", lw=1)
left.set(ylabel="correct / %", ylim=(25, 100), title="classified (dotted: by chance)")
top = 1.1 * np.max(list(errors.values()))
right.set(ylabel="median distance / px", ylim=(0, top), title="found")
for axis in (left, right):
    axis.set(xscale="log", xlabel="annotated cells of the new kind")
    axis.set_xticks(counts, counts)
    axis.minorticks_off()
figure.legend(*left.get_legend_handles_labels(), ncols=2, frameon=False, loc="outside upper center")
plt.show()

# %%
# The old network knows what cells look like, and has to learn only what is new. Part of the
# difference is time: an epoch of 15 or 45 cells is a single step, and from scratch one would take
# more of them.
