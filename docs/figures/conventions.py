"""Draw image, patch, window and theta, with the package's own geometry."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Polygon, Rectangle

from stnclf.geometry import cell_theta, patch_origin, theta_centers, window_corners

IMAGE, PATCH, CELL = (190, 240), (128, 128), (64, 64)
CENTER = np.array([150.0, 66.0])  # of the cell, (x, y) in pixels of the image

origin = np.array(patch_origin(IMAGE, PATCH))
theta = cell_theta([CENTER - origin], PATCH, CELL)
corners = window_corners(theta, PATCH, IMAGE)[0]
middle = theta_centers(np.array([[[0.5, 0, 0], [0, 0.5, 0]]]), PATCH)[0] + origin
arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2), width_ratios=(1.9, 1))

# The image, with patch and window in it.
height, width = IMAGE
left.add_patch(Rectangle((-0.5, -0.5), width, height, fc="#f3e6ee", ec="black"))
left.add_patch(Rectangle(origin - 0.5, *PATCH[::-1], fc="#e6cfdd", ec="black", ls="--"))
left.add_patch(Polygon(corners, fc="#cfa9c2", ec="black", lw=2))
left.add_patch(plt.Circle(CENTER, 17, fc="#6b4a7d", ec="none"))
left.plot(*CENTER, "+", color="white", ms=10)
left.annotate("", xytext=middle, xy=CENTER, arrowprops=arrow)
left.plot(*middle, "o", color="black", ms=4)
left.annotate("", xytext=(-14, -14), xy=(45, -14), arrowprops=arrow)
left.annotate("", xytext=(-14, -14), xy=(-14, 45), arrowprops=arrow)
left.text(48, -14, "x", va="center")
left.text(-14, 49, "y", ha="center", va="top")
left.text(3, 8, "(0, 0): middle of the\ntop-left pixel", fontsize=8, va="top")
left.plot(0, 0, "o", color="black", ms=3, clip_on=False)
left.text(
    width - 5, height - 5, f"image\n{height} x {width} (height x width)", ha="right", va="bottom"
)
u, v = origin - 0.5, origin + np.array(PATCH[::-1]) - 0.5
left.text(u[0] + 4, v[1] - 4, "patch", va="bottom")
left.text(corners[0, 0] + 3, corners[0, 1] + 3, "window", va="top")
for x, label in ((u[0], "u = -1"), (middle[0], "0"), (v[0], "u = 1")):
    left.text(x, v[1] + 6, label, ha="center", va="top", fontsize=8)
for y, label in ((u[1], "v = -1"), (middle[1], "0"), (v[1], "v = 1")):
    left.text(u[0] - 3, y, label, ha="right", va="center", fontsize=8)
left.annotate(
    "center = (150, 66)",
    xy=CENTER,
    xytext=(172, 20),
    fontsize=9,
    arrowprops={"arrowstyle": "-", "color": "black", "lw": 0.7},
)
shift = theta[0, :, 2]
left.text(
    *(middle + (0, 7)),
    f"({shift[0]:.2f}, {shift[1]:.2f})\nin u, v",
    fontsize=8,
    va="top",
    ha="center",
)
left.set(xlim=(-24, width + 4), ylim=(height + 4, -24), aspect="equal")

# The window as the classifier sees it.
right.add_patch(Rectangle((-1, -1), 2, 2, fc="#cfa9c2", ec="black", lw=2))
right.add_patch(plt.Circle((0, 0), 34 / 64, fc="#6b4a7d", ec="none"))
right.plot(0, 0, "+", color="white", ms=10)
for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
    right.text(x, 1.1 * y, f"({x}, {y})", ha="center", va="center", fontsize=8)
matrix = "\n".join("  ".join(f"{value:6.2f}" for value in row) for row in theta[0])
right.text(0, 1.35, f"theta =\n{matrix}", ha="center", va="top", family="monospace", fontsize=9)
right.set_title("window, in its own coordinates", fontsize=10)
right.set(xlim=(-1.5, 1.5), ylim=(2.1, -1.3), aspect="equal")
for axis in (left, right):
    axis.axis("off")
figure.tight_layout()
