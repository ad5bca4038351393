"""What BCCD's patches show besides the cell that was meant: others of its class, and mirror images.

    python benchmarks/accuracy.py --data ROOT --protocols bccd --methods stn --predictions DIR
    python benchmarks/lookalikes.py --data ROOT --predictions DIR [--method stn] [--seed 0]

Beyond the edge of a photograph a patch goes on as its mirror image (see protocols.py), so that a
cell near the edge is seen twice, and a platelet may have a neighbour. Which of them was annotated
cannot be seen. Printed for each class but the red cells: how many patches show such another one,
and the localisation error to the annotated cell and to the nearest of all.
"""

import argparse
from pathlib import Path

import numpy as np
import protocols
from _accuracy_store import answers_name

from stnclf.metrics import error_summary, localization_error

CLASSES = ("WBC", "Platelets")  # red cells are everywhere


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds bccd")
    parser.add_argument("--predictions", type=Path, required=True, help="what accuracy.py wrote")
    parser.add_argument("--method", default="stn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    cells, protocol = protocols.load(options.data, "bccd")
    others = lookalikes(protocols.find(options.data, protocol), protocol, cells)
    found = np.full((len(cells.y), 2), np.nan)
    for fold in range(options.folds):
        name = answers_name("bccd", options.method, options.seed, fold, options.folds)
        with np.load(options.predictions / name) as answers:
            found[answers["index"]] = answers["centers"]
    print(table(cells, others, found))


def lookalikes(folder, protocol, cells, seed=0):
    """Where patches show other cells of the class of the one that was meant.

    Returns
    -------
    list of ndarray of shape (k, 2)
        For each cell ``(x, y)`` of the others inside its patch, in pixels of its image.
    """
    annotated = [protocols._voc_centers(xml) for xml in sorted(folder.glob("Annotations/*.xml"))]
    first = (protocol.image_size - protocol.patch_size) / 2 - 0.5
    others = []
    for cell, center in zip(protocols._read_bccd(folder, protocol, seed), cells.centers):
        labels, points = annotated[cell.group]
        alike = points[np.array(labels) == cell.label] / protocols.SHRINK
        shift = center - np.rint([cell.x, cell.y])
        seen = with_mirror_images(alike, *cell.photo.shape[:2]) + shift
        inside = ((seen >= first) & (seen <= first + protocol.patch_size)).all(axis=1)
        # Patches are cut at whole pixels: the cell itself is half a pixel off at most, each way.
        itself = np.hypot(*(seen - center).T) < 1
        others.append(seen[inside & ~itself])
    return others


def with_mirror_images(points, height, width):
    """Positions of points and of their mirror images at the edges and corners of a photograph."""
    x, y = points.T
    return np.concatenate(
        [
            np.stack([across, down], axis=1)
            for across in (x, -1 - x, 2 * width - 1 - x)
            for down in (y, -1 - y, 2 * height - 1 - y)
        ]
    )


def table(cells, others, found, radius=8.0):
    """Markdown: a row for each class."""
    heads = ["class", "cells", "with another", "median/px", "within 8 px"]
    heads += ["nearest: median/px", "within 8 px", "far ones on another"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for label in CLASSES:
        chosen = np.flatnonzero(cells.y == label)
        error = localization_error(cells.centers[chosen], found[chosen])
        nearest = np.array(
            [min([own, *np.hypot(*(found[i] - others[i]).T)]) for own, i in zip(error, chosen)]
        )
        several = np.mean([len(others[i]) > 0 for i in chosen])
        far = error > radius
        measures = " | ".join(
            f"{summary['median']:.1f} | {summary['within']:.1%}"
            for summary in (error_summary(e, radius=radius) for e in (error, nearest))
        )
        lines.append(
            f"| {label} | {len(chosen)} | {several:.0%} | {measures} | "
            f"{np.sum(nearest[far] <= radius)} of {far.sum()} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
