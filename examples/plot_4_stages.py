"""
The three stages
================

The networks are trained in three stages: the classifier on centred cells, the localizer on moved
patches, and then both together on the windows that the localizer chooses. Here they run one by
one, with a look at the test cells after each.
"""

import matplotlib.pyplot as plt
import numpy as np

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.displays import StageHistoryDisplay
from stnclf.metrics import localization_error

X, y, centers = make_cells(330, patch_size=96, image_size=140, offset=20, random_state=0)
train, test = slice(0, 240), slice(240, None)

# %%
# One stage after the other
# -------------------------
# ``warm_start=True`` makes ``fit`` go on from the weights that are there, and ``stages`` says what
# to train. After the first stage the classifier knows a cell that it is shown, but the localizer
# has learned nothing yet and its windows lie anywhere. (That it is often right all the same is
# because it sees the patch as a whole, too.) After the second stage the cells are found.

STAGES = ("classifier", "localizer", "joint")
clf = STNCellClassifier(
    patch_size=96,
    cell_size=48,
    classifier_epochs=15,
    localizer_epochs=15,
    joint_epochs=4,
    warm_start=True,
    random_state=0,
)
correct, errors = [], []
for stage in STAGES:
    clf.fit(X[train], y[train], centers=centers[train], stages=(stage,))
    correct.append(clf.score(X[test], y[test]))
    errors.append(localization_error(centers[test], clf.transform(X[test])))
    print(f"{stage:>10}: {correct[-1]:.2f} correct, {np.median(errors[-1]):5.1f} px off")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.bar(STAGES, 100 * np.array(correct), color="tab:blue")
left.axhline(100 / 3, ls="--", color="black", lw=1)
left.set(ylabel="correct / %", ylim=(0, 100), title="test cells classified (dashed: by chance)")
right.boxplot(errors, tick_labels=STAGES, medianprops={"color": "tab:blue"}, flierprops={"ms": 3})
right.set(ylabel="distance / px", title="test cells found")
plt.show()

# %%
# What happened meanwhile
# -----------------------
# ``history_`` has a row for each epoch. The first stage learns the class alone, the second the
# position, the joint stage both. With the default networks, which share their first layers, the
# second stage learns the class as well, so that these layers do not forget it.

StageHistoryDisplay.from_estimator(clf)
plt.show()
