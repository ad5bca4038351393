"""CRCHistoPhenotypes: a MATLAB list of points for each image and class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._utils.typing import Table
from ._mat_file import read_matrix
from ._table import read_files


def mat_files(path: Path) -> list[Path]:
    """Files of a folder, or of each of its folders in the order of their numbers."""
    if not path.is_dir():
        return [path]
    files = [*path.glob("*.mat"), *path.glob("*/*.mat")]
    return sorted(files, key=lambda file: [_counting(part) for part in file.parts])


def _counting(name: str) -> list[tuple[int, str]]:
    """Sort key by which img2 comes before img10."""
    return [(len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def read_crchisto(path: Path) -> Table:
    """Read CRCHistoPhenotypes' points, which count from 1 as MATLAB does.

    ``img1/img1_epithelial.mat`` holds the epithelial cells of ``img1/img1.bmp``.
    """

    def rows(file: Path) -> Iterator[dict[str, Any]]:
        image, _, label = file.stem.partition("_")
        points = read_matrix(file, "detection")
        if points.size and points.shape[1] != 2:
            raise ValueError(f"'detection' must be a list of (x, y), has shape {points.shape}.")
        folder = file.parent.relative_to(path) if path.is_dir() else Path()
        name = (folder / f"{image}.bmp").as_posix()
        for x, y in (points.reshape(-1, 2) - 1).tolist():
            yield {"image": name, "x": x, "y": y, "label": label}

    return read_files(path, mat_files(path), rows)
