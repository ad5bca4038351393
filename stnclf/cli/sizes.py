"""Which sizes patches want: what annotations and slides say, and a recommendation made of it."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .._utils.printable import counted
from .cautions import is_ignored
from .resolutions import SAME

__all__ = [
    "Sizes",
    "Slides",
    "caution_about_outside",
    "caution_about_points",
    "caution_about_small_images",
    "cautions_about_regions",
    "in_one_unit",
    "look_at",
    "measure",
    "patches_line",
    "recommend",
    "sides_by_class",
]

#: Window of a cell in micrometres where no boxes say how large cells are: the paper's.
_WINDOW_UM = 16.0
#: How much wider than a cell its window is.
_ROOM = 1.25
#: Pixels of a window: one of twice as many is cut at half the resolution.
_ENOUGH = 48
#: Cells of an image up to which all distances are computed, which needs no SciPy.
_FEW = 1000
#: How many times as wide as most an object is that may be a region, and how many of a class are
#: too few to be cells: megakaryocytes among red cells are as wide, but there are more of them.
_REGION, _RARE = 8, 5
#: Boxes of one size say that a tool has drawn them where there are at least as many.
_FEW_BOXES = 5
#: Share of the cells that may lie outside by a mistake or two.
_ROUNDED = 0.01


@dataclass(frozen=True)
class Slides:
    """What the slides of a table of annotations say.

    Attributes
    ----------
    sizes : dict of str to tuple of int
        ``(width, height)`` of level 0 of each image that was found.
    missing : list of str
        Images without a file.
    mpp : float or None
        Micrometres per pixel of level 0, if they are known and the same on all slides.
    outside : int
        Cells outside their image.
    stated : dict of str to (float or None)
        Micrometres per pixel in the file of each image that was found.
    mpps : dict of str to (float or None)
        Those that count, which are the user's where there are any.
    far : float, default=0
        Pixels from the furthest of the cells outside to its image.
    exchanged : bool, default=False
        Whether x and y seem to be the wrong way round.
    """

    sizes: Mapping[str, tuple[int, int]]
    missing: list[str]
    mpp: float | None
    outside: int
    stated: Mapping[str, float | None]
    mpps: Mapping[str, float | None]
    far: float = 0
    exchanged: bool = False


@dataclass(frozen=True)
class Sizes:
    """Sizes of patches.

    Attributes
    ----------
    size, cell_size : int
        Sides of patch and window in pixels of the patches.
    mpp : float or None
        Micrometres per pixel of the patches; None is that of level 0, which nobody knows.
    max_offset : int
        Largest distance of a cell from the middle.
    shrink : float
        Pixels of level 0 in one of the patches, along a side.
    """

    size: int
    cell_size: int
    mpp: float | None
    max_offset: int
    shrink: float = 1


def look_at(table, root, slide_mpp=None):
    """Look at the slides of a table.

    Parameters
    ----------
    table : DataFrame
        Annotations, see `stnclf.annotations.read_annotations`.
    root : Path
        The folder of the slides, or the one slide.
    slide_mpp : float, default=None
        Micrometres per pixel of level 0, where files do not say it.

    Returns
    -------
    Slides
    """
    from ..slides._cell_table import axes_exchanged, outside_by
    from ..slides._readers import open_reader

    sizes, stated, missing = {}, {}, []
    for name in sorted(table["image"].dropna().unique()):
        path = root if root.is_file() else _below(root, name)
        if path is None:
            missing.append(name)
            continue
        reader = open_reader(os.fspath(path))
        sizes[name] = tuple(reader.size)
        stated[name] = reader.mpp
    mpps = {name: slide_mpp or mpp for name, mpp in stated.items()}
    mpp = slide_mpp if not mpps else _common(set(mpps.values()))
    there = table[table["image"].isin(sizes)]
    points = there[["x", "y"]].to_numpy(float)
    of_each = np.array([sizes[name] for name in there["image"]]).reshape(-1, 2)
    far = outside_by(points, of_each)
    outside, exchanged = int((far > 0).sum()), axes_exchanged(points, of_each)
    return Slides(sizes, missing, mpp, outside, stated, mpps, float(far.max(initial=0)), exchanged)


def in_one_unit(table, slides):
    """Measure cells of slides whose resolutions differ in pixels of the coarsest slide.

    Parameters
    ----------
    table : DataFrame
        Annotations.
    slides : Slides
        What `look_at` says of them.

    Returns
    -------
    table : DataFrame
        In pixels of `mpp`, without the images that were not found; or as it was, where all slides
        have one resolution or some have none.
    mpp : float or None
        Micrometres in one of these pixels.
    """
    known = slides.mpps.values()
    if slides.mpp is not None or not known or None in known:
        return table, slides.mpp
    coarsest = max(known)
    table = table[table["image"].isin(slides.mpps)]
    factor = table["image"].map(slides.mpps).astype(float) / coarsest
    lengths = [name for name in ("x", "y", "width", "height") if name in table]
    return table.assign(**{name: table[name] * factor for name in lengths}), coarsest


def _below(root, name):
    """Return the path of an image, as `stnclf patches` looks for it; None where there is none."""
    from ..annotations import resolve_image

    try:
        path = resolve_image(root, name)
    except ValueError:
        return None
    return path if path.is_file() else None


def _common(mpps):
    """Return the resolution of all slides, if it is nearly the same."""
    if None in mpps or max(mpps) > SAME * min(mpps):
        return None
    return float(np.median(list(mpps)))


def measure(table):
    """Measure cells and how close they lie.

    Parameters
    ----------
    table : DataFrame
        Annotations.

    Returns
    -------
    boxes : ndarray of shape (n,)
        Longer sides of the boxes in pixels of level 0; empty if there are none.
    neighbours : ndarray of shape (m,)
        Distance from each cell to the nearest other one of its image, in the same pixels.
    """
    boxes = np.empty(0)
    if "width" in table and "height" in table:
        boxes = table[["width", "height"]].to_numpy(float).max(axis=1)
        boxes = boxes[np.isfinite(boxes) & (boxes > 0)]
    found = [_nearest(cells[["x", "y"]].to_numpy(float)) for _, cells in table.groupby("image")]
    return boxes, np.concatenate(found) if found else np.empty(0)


def _nearest(points):
    if len(points) < 2:
        return np.empty(0)
    if len(points) > _FEW:
        from scipy.spatial import cKDTree

        return cKDTree(points).query(points, k=2)[0][:, 1]
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(apart, math.inf)
    return apart.min(axis=1)


def recommend(table, mpp=None, at=None, cell_width=None):
    """Recommend sizes for patches.

    The window is a quarter wider than the cells: the median box of the class with the largest
    ones. Where boxes are all of one size, as tools draw them around points, or where there are
    none, it is 16 um, the paper's. The patch is twice as wide. Where a window would have 96 pixels
    or more, patches are cut at half the resolution, a third, and so on. Single objects that are
    more than eight times as wide as most do not count: they are regions.

    Parameters
    ----------
    table : DataFrame
        The annotations that are cut, in pixels of one size, see `in_one_unit`.
    mpp : float, default=None
        Micrometres per pixel of level 0, of slides that differ in that of the coarsest.
    at : float, default=None
        Micrometres per pixel of the patches, where somebody has chosen them.
    cell_width : float, default=None
        Pixels of level 0 across the largest cells, where somebody has measured them.

    Returns
    -------
    Sizes

    Raises
    ------
    ValueError
        If there are neither boxes nor a resolution.

    Examples
    --------
    >>> import pandas as pd
    >>> from stnclf.cli.sizes import recommend
    >>> cells = pd.DataFrame({"image": ["a.svs"], "x": [40.0], "y": [20.0], "label": ["cell"]})
    >>> recommend(cells, mpp=0.25)
    Sizes(size=128, cell_size=64, mpp=0.25, max_offset=16, shrink=1)
    """
    wide, few = _regions(table)
    table = table[~(wide & few)]
    boxes, neighbours = measure(table)
    drawn = len(boxes) > 0 and np.ptp(boxes) <= 1
    if cell_width is not None:
        window = _ROOM * cell_width
    elif len(boxes) and not (drawn and mpp):
        window = _ROOM * _largest(table)
    elif mpp:
        window = _WINDOW_UM / mpp
    else:
        raise ValueError(
            "there are neither boxes around the cells nor a resolution of the slides; pass "
            "--slide-mpp, micrometres per pixel (often 0.25 at 40x, 0.5 at 20x), or --cell-width, "
            "the pixels across the largest cells, as a viewer of images shows them."
        )
    shrink = max(1, int(window / _ENOUGH)) if at is None or mpp is None else at / mpp
    cell_size = max(8, 8 * math.ceil(window / shrink / 8 - 1e-6))
    size = 2 * cell_size
    offset = size // 8
    if len(neighbours):  # the cell that is meant stays the one nearest to the middle
        offset = min(offset, int(np.median(neighbours) / shrink / 2))
    return Sizes(size, cell_size, None if mpp is None else mpp * shrink, offset, shrink)


def _largest(table):
    """Longer side of the boxes of the class that has the largest ones, its median."""
    return max(sides_by_class(table).values())


def sides_by_class(table):
    """Measure the boxes of each class.

    Parameters
    ----------
    table : DataFrame
        Annotations.

    Returns
    -------
    dict of str to float
        Median of the longer sides in pixels of level 0, the largest class first; empty without
        boxes. Cells without a class are "".
    """
    sides, labels = _sides(table), _labels(table)
    known = sides > 0
    found = {
        label: float(np.median(sides[known & (labels == label)])) for label in set(labels[known])
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _sides(table):
    """Return the longer side of each box; NaN where there is none."""
    if "width" not in table or "height" not in table:
        return np.full(len(table), np.nan)
    return table[["width", "height"]].to_numpy(float).max(axis=1, initial=-math.inf)


def _labels(table):
    return table["label"].fillna("").astype(str).to_numpy()


def _regions(table):
    """Find objects much wider than most; and those of which their class has few."""
    sides, labels = _sides(table), _labels(table)
    known = np.isfinite(sides) & (sides > 0)
    if not known.any():
        return np.zeros((2, len(table)), bool)
    wide = known & (sides > _REGION * np.median(sides[known]))
    few = [label for label in set(labels[wide]) if (wide & (labels == label)).sum() < _RARE]
    return wide, np.isin(labels, few)


def cautions_about_regions(table, decides=True):
    """Warn of objects so wide that they are regions rather than cells.

    Parameters
    ----------
    table : DataFrame
        The annotations that are cut, in pixels of one size.
    decides : bool, default=True
        Whether the cells decide the sizes of patches.

    Returns
    -------
    list of str
        A line for each class that has such objects.
    """
    (wide, few), sides, labels = _regions(table), _sides(table), _labels(table)
    cautions, cell = [], np.median(sides[(sides > 0) & ~wide]) if wide.any() else None
    for label in sorted(set(labels[wide])):
        own = labels == label
        n, times = (wide & own).sum(), np.median(sides[wide & own]) / cell
        text = f"{label!r} has {counted(n, 'object')} {times:.3g} times as wide as the cells"
        if decides:
            part = "not counted" if few[own].all() else "counted"
            text = f"{text}, {part} for the sizes"
        others = sorted({name for name in labels if not is_ignored(name)} - set(labels[wide]))
        if wide[own].all() and others:
            options = [f"--label {shlex.quote(other)}" for other in others]
            cautions.append(f"{text}; {' '.join(options)} leaves them out")
        else:  # there is no option that leaves out a part of a class
            cautions.append(f"{text}; if they are regions, take them out of the annotations")
    return cautions


def caution_about_points(table, mpp=None):
    """Warn of boxes that say nothing about the cells, but are all there is to go by.

    Parameters
    ----------
    table : DataFrame
        The annotations that are cut.
    mpp : float, default=None
        Micrometres per pixel of level 0; where they are known, such boxes do not count.

    Returns
    -------
    str or None
    """
    boxes = measure(table)[0]
    if mpp is not None or len(boxes) < _FEW_BOXES or np.ptp(boxes) > 1:
        return None
    return (
        f"all {len(boxes)} boxes have {np.median(boxes):.3g} px, as tools draw them around points: "
        "they may not say how large cells are; --cell-width does, or --slide-mpp"
    )


def caution_about_outside(slides, n_cells):
    """Warn of positions that are probably not those of the images.

    Parameters
    ----------
    slides : Slides
        What is known of the images.
    n_cells : int
        Number of cells on those that were found.

    Returns
    -------
    str or None
    """
    if slides.far < 1 or slides.outside <= _ROUNDED * n_cells:
        return None
    text = f"{slides.outside} of {n_cells} cells lie outside their image, by up to {slides.far:.3g}"
    if slides.exchanged:
        return f"{text} px; with x and y exchanged, all would lie inside"
    return f"{text} px: are these the positions of these images, at this resolution?"


def caution_about_small_images(sizes, slides, edge="white"):
    """Warn of patches that are larger than images.

    Parameters
    ----------
    sizes : Sizes
        Sizes of the patches.
    slides : Slides
        What is known of the images.
    edge : {"white", "mirror"}, default="white"
        How patches are cut, or will be.

    Returns
    -------
    str or None
    """
    small = {}
    for name, sides in slides.sizes.items():
        mpp = slides.mpps[name]
        # Pixels of the image that a patch takes.
        side = sizes.size * (sizes.shrink if mpp is None or sizes.mpp is None else sizes.mpp / mpp)
        if min(sides) < side - 1e-6:
            small[name] = sides, side
    if not small:
        return None
    name, ((width, height), side) = min(small.items(), key=lambda item: min(item[1][0]))
    of_it = "" if abs(side - sizes.size) < 0.5 else f", of which a patch takes {side:.0f}"
    beyond = "white, or with --edge mirror their mirror image"
    if edge == "mirror":
        beyond = "their mirror image (--edge mirror)"
    return (
        f"{len(small)} of {len(slides.sizes)} images are smaller than a patch of {sizes.size} px, "
        f"{name!r} has {width} x {height} px{of_it}: what lies beyond their edges is {beyond}"
    )


def patches_line(
    sizes,
    annotations,
    root=None,
    *,
    slide_mpp=None,
    columns=None,
    format="auto",
    outside=False,
    edge="white",
):
    """Write the command that cuts patches of these sizes.

    Parameters
    ----------
    sizes : Sizes
        What is recommended.
    annotations : path-like
        The file.
    root : path-like, default=None
        The folder of the slides.
    slide_mpp : float, default=None
        What the user said about the slides.
    columns : dict, default=None
        What the user said about the columns of the file.
    format : str, default="auto"
        What the user said about its format.
    outside : bool, default=False
        Whether some cells lie outside their image.
    edge : {"white", "mirror"}, default="white"
        What is to lie beyond the edges of the images.

    Returns
    -------
    str
    """
    words = ["stnclf", "patches", annotations, "SLIDES" if root is None else root]
    words += ["--out", "patches", "--size", sizes.size, "--cell-size", sizes.cell_size]
    if sizes.mpp is not None:
        words += ["--mpp", f"{sizes.mpp:.4g}"]
    elif sizes.shrink > 1:  # any unit does, as long as it is the same everywhere
        words += ["--slide-mpp", 1, "--mpp", sizes.shrink]
    if slide_mpp is not None:
        words += ["--slide-mpp", f"{slide_mpp:g}"]
    words += ["--max-offset", sizes.max_offset]
    for name, column in (columns or {}).items():
        words += ["--column", f"{name}={column}"]
    words += [] if format == "auto" else ["--from", format]
    words += ["--outside", "skip"] if outside else []
    words += ["--edge", edge] if edge != "white" else []
    return shlex.join(map(str, words))
