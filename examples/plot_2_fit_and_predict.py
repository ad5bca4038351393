"""
Fit and predict
===============

A guided spatial transformer network is trained like any classifier of scikit-learn, except that
`fit` is also told where the cells are. Prediction is not told: finding the cell is the
localizer's work.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.report import classification_table, evaluate, summary_table

X, y, centers = make_cells(360, patch_size=96, image_size=140, offset=20, random_state=0)
X_test, y_test, centers_test = X[240:], y[240:], centers[240:]

# %%
# Training
# --------
# A few epochs on 240 synthetic cells take a minute at most; the defaults, 80, 50 and 20 epochs,
# are for real images. The networks see the central 96 pixels of each image and classify what is
# in a window of 48.

clf = STNCellClassifier(
    patch_size=96,
    cell_size=48,
    classifier_epochs=15,
    localizer_epochs=12,
    joint_epochs=2,
    random_state=0,
)
clf.fit(X[:240], y[:240], centers=centers[:240])
print(f"{len(clf.history_)} epochs, {sum(row['seconds'] for row in clf.history_):.0f} seconds")

# %%
# Prediction
# ----------
# Besides what every classifier has there is ``transform``, which gives the position of the cell.

y_pred = clf.predict(X_test)
proba = clf.predict_proba(X_test)
found = clf.transform(X_test)

print(clf.classes_)
for i in range(4):
    print(f"{y_test[i]:>15} {proba[i].round(2)}  found at {found[i].round(1)}, ", end="")
    print(f"annotated at {centers_test[i].round(1)}")

# %%
# How good is it?
# ---------------
# The table of the paper, and one line about positions. "Centre guess" is what a method would
# score that says "in the middle" every time: a localizer has to be better than that.

scores = evaluate(
    y_test, y_pred, centers_true=centers_test, centers_pred=found, image_size=X.shape[1:3]
)
print(classification_table({"STN": scores}))
print()
print(summary_table({"STN": scores}))

# %%
figure, axis = plt.subplots(figsize=(4.8, 4), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, y_pred, ax=axis, cmap="Blues", colorbar=False, xticks_rotation=20
)
axis.set_title("test cells by true and predicted class")
plt.show()

# %%
# How sure is it?
# ---------------
# All predictions by the probability of the class that was predicted. Wrong ones should lie to the
# left: then a threshold on the probability picks those that somebody should look at.

surest = proba.max(axis=1)
right = y_pred == y_test

figure, axis = plt.subplots(figsize=(5.5, 3), layout="constrained")
axis.hist(
    [surest[right], surest[~right]],
    bins=np.linspace(1 / 3, 1, 21),
    stacked=True,
    color=["tab:blue", "tab:orange"],
    label=["right", "wrong"],
)
axis.set(xlabel="probability of the predicted class", ylabel="cells")
axis.set_title("right and wrong predictions")
axis.legend(frameon=False, loc="upper left")
plt.show()
