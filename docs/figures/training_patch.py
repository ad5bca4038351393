"""Draw a patch that training has moved and turned."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Polygon, Rectangle

from stnclf.geometry import cell_theta, view_theta, window_corners

IMAGE, PATCH, CELL = (190, 240), (96, 96), (48, 48)
CENTER, ANGLE, OFFSET = np.array([128.0, 98.0]), np.radians(25), np.array([17.0, -12.0])


def turned(vector):
    """Turn a vector of the patch as the patch is turned in the image."""
    cos, sin = np.cos(ANGLE), np.sin(ANGLE)
    return np.array([[cos, -sin], [sin, cos]]) @ vector


middle = CENTER - turned(OFFSET)
patch = window_corners(view_theta([middle], PATCH, ANGLE, IMAGE), IMAGE)[0]
window = window_corners(view_theta([CENTER], CELL, ANGLE, IMAGE), IMAGE)[0]
arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=(1.5, 1))
left.add_patch(Rectangle((-0.5, -0.5), IMAGE[1], IMAGE[0], fc="#f3e6ee", ec="black"))
left.add_patch(Polygon(patch, fc="#e6cfdd", ec="black", ls="--"))
left.add_patch(Polygon(window, fc="#cfa9c2", ec="black", lw=2))
left.add_patch(plt.Circle(CENTER, 13, fc="#6b4a7d", ec="none"))
left.annotate("", xytext=middle, xy=middle + turned([48, 0]), arrowprops=arrow)
left.text(172, 122, "right of\nthe patch:\n(cos a, sin a)", fontsize=8)
left.text(5, 12, "image", va="center")
left.set(xlim=(-4, IMAGE[1] + 3), ylim=(IMAGE[0] + 3, -4), aspect="equal")

center = (np.array(PATCH[::-1]) - 1) / 2 + OFFSET
corners = window_corners(cell_theta([center], PATCH, CELL), PATCH)[0]
right.add_patch(Rectangle((-0.5, -0.5), *PATCH[::-1], fc="#e6cfdd", ec="black", ls="--"))
right.add_patch(Polygon(corners, fc="#cfa9c2", ec="black", lw=2))
right.add_patch(plt.Circle(center, 13, fc="#6b4a7d", ec="none"))
right.annotate("", xytext=(47.5, 47.5), xy=center, arrowprops=arrow)
right.text(28, 54, "offset", fontsize=9, ha="center", va="top")
right.set_title("the patch as the networks see it", fontsize=10)
right.set(xlim=(-4, 99), ylim=(99, -4), aspect="equal")
for axis in (left, right):
    axis.axis("off")
figure.tight_layout(rect=(0, 0.02, 1, 0.96))  # keeps the title off the edge
