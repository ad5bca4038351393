"""CRCHistoPhenotypes: a MATLAB list of points for each image and class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .._utils.typing import Table
from ._mat_file import read_matrix
from ._table import read_files


def mat_files(path: Path) -> list[Path]:
    """Files of a folder, of its folders and of theirs, in the order of their numbers."""
    if not path.is_dir():
        return [path]
    files = [*path.glob("*.mat"), *path.glob("*/*.mat"), *path.glob("*/*/*.mat")]
    return sorted(files, key=lambda file: [_counting(part) for part in file.parts])


def _counting(name: str) -> list[tuple[int, str]]:
    """Sort key by which img2 comes before img10."""
    return [(len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


#: What the lists of all nuclei are called in place of a class.
_NO_CLASS = "detection"
#: Pixels within which points of two lists are one nucleus: some were set twice, not quite alike.
_SAME = 3.0


def read_crchisto(path: Path) -> Table:
    """Read CRCHistoPhenotypes' points, which count from 1 as MATLAB does.

    ``img1/img1_epithelial.mat`` holds the epithelial cells of ``img1/img1.bmp``, and
    ``img1_detection.mat`` all of them, without their class. Where both are there, a nucleus is one
    row, with its class if it has one, and the image is the one beside the lists of classes.
    """

    def rows(file: Path) -> Iterator[dict[str, Any]]:
        image, _, label = file.stem.partition("_")
        points = read_matrix(file, "detection")
        if points.size and points.shape[1] != 2:
            raise ValueError(f"'detection' must be a list of (x, y), has shape {points.shape}.")
        folder = file.parent.relative_to(path) if path.is_dir() else Path()
        name = (folder / f"{image}.bmp").as_posix()
        known = None if label == _NO_CLASS else label
        for x, y in (points.reshape(-1, 2) - 1).tolist():
            yield {"image": name, "x": x, "y": y, "label": known}

    table = read_files(path, mat_files(path), rows)
    return _one_row_a_nucleus(table)


def _one_row_a_nucleus(table: Table) -> Table:
    """Take nuclei that are in a list of a class out of the list of all."""
    of_all = table["label"].isna()
    if of_all.all() or not of_all.any():
        return table
    names: dict[str, set[str]] = {}
    for image in table.loc[~of_all, "image"].unique():
        names.setdefault(PurePosixPath(image).name, set()).add(image)
    only = {name: images.pop() for name, images in names.items() if len(images) == 1}
    image = table["image"].map(lambda image: only.get(PurePosixPath(image).name, image))
    table = table.assign(image=table["image"].where(~of_all, image))
    keep = ~of_all.to_numpy()
    for _, rows in table.groupby("image"):
        points, classed = rows[["x", "y"]].to_numpy(float), rows["label"].notna().to_numpy()
        apart = np.linalg.norm(points[~classed, None] - points[classed], axis=2)
        keep[rows.index[~classed]] = (apart > _SAME).all(axis=1)
    return table[keep].reset_index(drop=True)
