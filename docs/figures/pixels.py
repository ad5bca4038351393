"""Draw four pixels with their pixel and normalised coordinates."""

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from stnclf.geometry import normalize_points

figure, axis = plt.subplots(figsize=(7, 1.9))
for x in range(4):
    axis.add_patch(Rectangle((x - 0.5, 0), 1, 1, fc="#f3e6ee", ec="black"))
    axis.plot(x, 0.5, "o", color="black", ms=4)
for twice in range(-1, 8):
    x = twice / 2
    ((u, _),) = normalize_points([[x, 0]], (1, 4))
    axis.text(x, 1.12, f"{x:g}", ha="center", va="bottom", weight="normal" if twice % 2 else "bold")
    axis.text(x, -0.12, f"{u:g}", ha="center", va="top", weight="bold" if abs(u) == 1 else "normal")
axis.text(-0.75, 1.12, "x", ha="right", va="bottom")
axis.text(-0.75, -0.12, "u", ha="right", va="top")
axis.set(xlim=(-1, 4), ylim=(-0.5, 1.5))
axis.axis("off")
figure.tight_layout()
