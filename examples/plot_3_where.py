"""
Where does it look?
===================

The localizer lays a window on the cell, and the classifier looks closely at that window, beside one
look at the patch as a whole. So one can see what it looked at. This is what figure 4 of the paper
shows.
"""

import matplotlib.pyplot as plt
import numpy as np

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.displays import LocalizationDisplay
from stnclf.geometry import window_corners
from stnclf.metrics import localization_error

X, y, centers = make_cells(330, patch_size=96, image_size=140, offset=20, random_state=0)
clf = STNCellClassifier(
    patch_size=96,
    cell_size=48,
    classifier_epochs=12,
    localizer_epochs=12,
    joint_epochs=2,
    random_state=0,
)
clf.fit(X[:240], y[:240], centers=centers[:240])
X, y, centers = X[240:], y[240:], centers[240:]

# %%
# Window and cell
# ---------------
# Right and wrong predictions, drawn at random. The square is the window that the localizer chose,
# the cross the annotated centre.

LocalizationDisplay.from_estimator(clf, X, y, centers=centers, random_state=0)
plt.show()

# %%
# Behind it is ``localize``, which gives the transform theta that leads from the window to the
# patch. :func:`~stnclf.geometry.window_corners` makes outlines of it, for drawings of your own.

theta = clf.localize(X)
print(theta[0].round(2))
print(window_corners(theta, clf.patch_size_, image_size=X.shape[1:3])[0].round(1))

# %%
# What the classifier saw
# -----------------------
# ``attend`` returns the windows as the classifier gets them, 32 x 32 pixels. Two of each class:

chosen = np.concatenate([np.flatnonzero(y == name)[:2] for name in clf.classes_])
figure, axes = plt.subplots(1, 6, figsize=(7.5, 1.6), layout="constrained")
for axis, i, window in zip(axes, chosen, clf.attend(X[chosen])):
    axis.imshow(window.clip(0, 1))
    axis.set_title(y[i], fontsize=8)
    axis.set(xticks=[], yticks=[])
plt.show()

# %%
# How far off?
# ------------
# Distances between the found and the annotated centre, beside those of the guess "in the middle
# of the image" every time.

errors = localization_error(centers, clf.transform(X))
guess = localization_error(centers, np.full_like(centers, (140 - 1) / 2))
print(f"median {np.median(errors):.1f} px; in the middle every time: {np.median(guess):.1f} px")

figure, axis = plt.subplots(figsize=(5.5, 3), layout="constrained")
bins = np.arange(0, 60, 2)
axis.hist(guess, bins, color="tab:orange", alpha=0.5, label="in the middle every time")
axis.hist(errors, bins, histtype="step", color="tab:blue", lw=1.8, label="localizer")
axis.set(xlabel="distance from the annotated centre / px", ylabel="cells")
axis.set_title("how far the window is off")
axis.legend(frameon=False)
plt.show()

# %%
# Where it went wrong
# -------------------
# The cells that it missed by most. Mostly the window lies on another cell of the patch: nothing
# is wrong with the aim, but with the choice. The paper says the same of its figure 4.

worst = np.argsort(-errors)[:4]
figure, axes = plt.subplots(1, 4, figsize=(8, 2.6), layout="constrained")
LocalizationDisplay.from_estimator(clf, X[worst], y[worst], centers=centers[worst], ax=axes)
plt.show()
