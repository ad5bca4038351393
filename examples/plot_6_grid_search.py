"""
Grid search
===========

How large should the window be? Parameters of the networks are searched as any others; the centres
of the cells travel with the samples into every fold.
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
    patch_size=96, classifier_epochs=20, localizer_epochs=8, joint_epochs=1, random_state=0
)
sizes = [24, 48, 72]
search = GridSearchCV(clf, {"cell_size": sizes}, scoring="balanced_accuracy", cv=GroupKFold(2))
search.fit(X[searched], y[searched], groups=slide[searched], centers=centers[searched])

# %%
# The result
# ----------
# A dot for each fold, and the line through their means. How far the dots of one size lie apart says
# how far to trust the line.

results = search.cv_results_
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
for fold in range(2):
    axis.plot(sizes, results[f"split{fold}_test_score"], "o", color="tab:orange")
axis.plot(sizes, results["mean_test_score"], color="tab:blue")
axis.axhline(1 / 3, ls=":", color="black", lw=1)
axis.set(
    xticks=sizes,
    xlabel="cell_size / px",
    ylabel="balanced accuracy",
    ylim=(0.3, 1),
    title="score by size of the window (dotted: by chance)",
)
plt.show()

# %%
# The best score of a search is the luckiest one, and no estimate of anything. The slides that were
# left out judge the winner. The search has trained it once more on all that it had, which is twice
# what it had in a fold, so that it may well do better than any dot above.

held_out = ~searched
print(search.best_params_, f"{search.best_score_:.2f} in the search")
print(f"{search.score(X[held_out], y[held_out]):.2f} on slides that it has not seen")
