"""
The cells
=========

What the networks are trained on: images around one annotated cell each, the class of that cell, and
where it is. The cells of the gallery are drawn by :func:`~stnclf.datasets.make_cells`, in the
likeness of canine mast cell tumour in haematoxylin and eosin, so that every example runs without
any data.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from stnclf.datasets import CELL_TYPES, make_cells

X, y, centers = make_cells(30, patch_size=96, image_size=160, offset=20, random_state=0)
print(X.shape, X.dtype, y.shape, centers.shape)

# %%
# Three classes
# -------------
# A row for each class; only the central 96 pixels are shown. Every patch holds other cells, too,
# and lookalikes: dying cells and crushed nuclei are as dark as mitotic figures, red blood cells
# and spilt granules as red as granulocytes.

figure, axes = plt.subplots(3, 6, figsize=(8, 4.4), layout="constrained")
middle = slice(32, 128)
for row, name in zip(axes, CELL_TYPES):
    for axis, image in zip(row, X[y == name]):
        axis.imshow(image[middle, middle])
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
figure.suptitle("synthetic cells of three classes")
plt.show()

# %%
# Image, patch and window
# -----------------------
# The networks see the central *patch* (dashed). The cell is somewhere in it; the cross is its
# annotated centre, and the square the *window* in which the classifier should see it. What lies
# around the patch is context: when training moves and turns a patch, its corners come from there.

figure, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
for axis, number in zip(axes, [0, 1, 2]):
    x_cell, y_cell = centers[number]
    axis.imshow(X[number])
    axis.add_patch(Rectangle((31.5, 31.5), 96, 96, fill=False, ls="--", color="black"))
    axis.add_patch(Rectangle((x_cell - 24, y_cell - 24), 48, 48, fill=False, color="white", lw=2))
    axis.plot(x_cell, y_cell, "+", color="white", markersize=12)
    axis.set(title=y[number], xticks=[0, 159], yticks=[0, 159])
plt.show()

# %%
# Why looking for the cell is worth the trouble
# ---------------------------------------------
# The mean of many patches has hardly anything of a cell in it, for the cells lie anywhere. The mean
# of as many windows, each laid on its cell, has: that is how much easier a classifier has it behind
# a localizer.

X, y, centers = make_cells(150, patch_size=96, offset=20, clutter=6, random_state=1)
corners = np.rint(centers - 23.5).astype(int)
windows = [image[v : v + 48, u : u + 48] for image, (u, v) in zip(X, corners)]

figure, axes = plt.subplots(2, 3, figsize=(6, 4.2), layout="constrained")
for column, name in enumerate(CELL_TYPES):
    of_class = np.flatnonzero(y == name)
    axes[0, column].imshow(X[of_class].mean(axis=0).astype(np.uint8))
    axes[1, column].imshow(np.mean([windows[i] for i in of_class], axis=0).astype(np.uint8))
    axes[0, column].set_title(name)
axes[0, 0].set_ylabel("mean patch")
axes[1, 0].set_ylabel("mean window")
plt.setp(axes, xticks=[], yticks=[])
plt.show()
