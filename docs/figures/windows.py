"""Draw patches with the window on their cell, and below each what the classifier sees."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from stnclf.datasets import make_cells

X, y, centers = make_cells(6, patch_size=128, offset=32, random_state=7)
figure, axes = plt.subplots(2, 6, figsize=(9, 3.3), layout="constrained")
for (above, below), image, label, center in zip(axes.T, X, y, centers):
    left, top = np.rint(center - 31.5).astype(int)
    above.imshow(image)
    above.add_patch(Rectangle((left - 0.5, top - 0.5), 64, 64, fill=False, ec="white", lw=3))
    above.add_patch(Rectangle((left - 0.5, top - 0.5), 64, 64, fill=False, ec="black", lw=1))
    below.imshow(image[top : top + 64, left : left + 64])
    below.set_xlabel(label)
plt.setp(axes, xticks=[], yticks=[])
axes[0, 0].set_ylabel("patch")
axes[1, 0].set_ylabel("window")
