"""
Grid search
===========

How large should the window be, and which localizer should lay it? Parameters of the networks are
searched as any others; the centres of the cells travel with the samples into every fold.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, GroupKFold

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells

X, y, centers = make_cells(210, patch_size=96, image_size=140, offset=20, random_state=0)
slide = np.arange(210) % 6  # as if they were from six slides

# %%
# The search
# ----------
# ``groups`` keeps a slide on one side of each split. The last two slides stay out of the search:
# they will say how good the chosen model is.

searched = slide < 4
clf = STNCellClassifier(
    patch_size=96, classifier_epochs=10, localizer_epochs=10, joint_epochs=1, random_state=0
)
search = GridSearchCV(
    clf,
    {"cell_size": [24, 48, 72], "localizer": ["heatmap", "dense"]},
    scoring="balanced_accuracy",
    cv=GroupKFold(2),
)
search.fit(X[searched], y[searched], groups=slide[searched], centers=centers[searched])

# %%
# The result
# ----------

table = np.full((2, 3), np.nan)
for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
    row = ["heatmap", "dense"].index(parameters["localizer"])
    table[row, [24, 48, 72].index(parameters["cell_size"])] = score

figure, axis = plt.subplots(figsize=(5, 2.6), layout="constrained")
axis.imshow(table, cmap="Greys", vmin=0.3, vmax=1.2, aspect="auto")
for (row, column), score in np.ndenumerate(table):
    axis.text(column, row, f"{score:.2f}", ha="center", va="center")
axis.set(
    xticks=range(3),
    xticklabels=[24, 48, 72],
    xlabel="cell_size / px",
    yticks=range(2),
    yticklabels=["heatmap", "dense"],
    title="balanced accuracy, mean of two folds",
)
plt.show()

# %%
# The dense localizer regresses coordinates and needs far more epochs than this, so it loses here
# with every window. The best score of a search is the luckiest one, too; the slides that were
# left out judge the winner, which the search has trained once more on all that it had.

held_out = ~searched
print(search.best_params_, f"{search.best_score_:.2f} in the search")
print(f"{search.score(X[held_out], y[held_out]):.2f} on slides that it has not seen")
