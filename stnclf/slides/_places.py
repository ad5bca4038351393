"""Places on one slide that are far from its annotated cells: dark ones, and any on tissue."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from .._utils.containers import column_of
from ._cell_table import check_cells, has_no_rows, on_level_0
from ._tissue import find_slide_tissue, otsu_threshold

__all__ = ["boxes_of", "places_on"]

#: Pixels across the cell's window in the overview on which places are chosen, and the longest side
#: of that overview.
_ACROSS, _LONGEST = 8, 4096


def boxes_of(table, names, slides, largest):
    """Take the boxes around annotated cells out of a table, where it has them.

    Parameters
    ----------
    table : DataFrame or mapping of columns
        ``image``, ``x``, ``y``; ``width`` and ``height`` in pixels of level 0, if they are known.
    names : ndarray of shape (n_images,), str
        Names of the images.
    slides : list of Slide
        The images.
    largest : ndarray of shape (n_images,)
        Longest side of what may be a cell; longer ones are areas of some other kind.

    Returns
    -------
    list of ndarray of shape (n_boxes, 4)
        ``(x, y, width, height)`` for each image.
    """
    if has_no_rows(table):
        return [np.empty((0, 4)) for _ in slides]
    try:
        sides = np.array([column_of(table, name) for name in ("width", "height")], dtype=float).T
    except (KeyError, IndexError, TypeError, ValueError):
        return [np.empty((0, 4)) for _ in slides]
    groups, points, _, _, _, from_bounds = check_cells(table, "avoid", labelled=False)
    found = []
    for name, slide, most in zip(names, slides, largest):
        here = groups == name
        with slide:
            middles = on_level_0(points[here], from_bounds[here], slide.path)
        boxes = np.concatenate([middles, sides[here]], axis=1)
        longest = boxes[:, 2:].max(axis=1, initial=-np.inf)
        found.append(boxes[(longest > 0) & (longest <= most)])  # NaN is neither
    return found


def _covered(boxes, shape, scale, margin):
    """Mark the pixels of an overview that lie in boxes with a margin around them."""
    covered = np.zeros(shape, dtype=bool)
    low = np.floor((boxes[:, :2] + 0.5 - boxes[:, 2:] / 2 - margin) / scale).clip(0).astype(int)
    high = np.ceil((boxes[:, :2] + 0.5 + boxes[:, 2:] / 2 + margin) / scale).clip(0).astype(int)
    for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist()):
        covered[y0:y1, x0:x1] = True
    return covered


def places_on(slide, cells, n, distance, window, rng, around=None, boxes=None):
    """Choose places on one slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    cells : ndarray of shape (n_cells, 2)
        ``(x, y)`` of the annotated cells.
    n : int
        How many places anywhere; half of it is the number of dark ones.
    distance : float
        Least distance from a cell.
    window : float
        Side of a cell's window. All lengths are in pixels of level 0.
    rng : Generator
        What decides.
    around : callable, default=None
        As `stnclf.slides._tissue.find_slide_tissue` takes it.
    boxes : ndarray of shape (n_boxes, 4), default=None
        Boxes of `boxes_of`, of which a window at a place must see nothing.

    Returns
    -------
    dark, anywhere : float64 ndarray of shape (n_places, 2)
        ``(x, y)``: dark ones, and any; fewer where there are no more.

    Notes
    -----
    Dark is what absorbs red, as haematoxylin does and eosin does not: of the places where a small
    image of the slide is darkest in red within half a window, those above Otsu's threshold, and
    the next ones where these are too few. Where the resolution of the slide is known, places lie
    on tissue (`stnclf.slides.Slide.tissue_mask`); a photograph without it is taken for tissue from
    edge to edge.
    """
    scale = max(1.0, window / _ACROSS, max(slide.size) / _LONGEST)
    image, scale = slide._overview(scale, around)
    image, holes = (image, np.zeros(image.shape[:2], dtype=bool)) if around is None else image
    tissue = find_slide_tissue(slide, "auto", around)
    if boxes is not None:
        holes = holes | _covered(boxes, holes.shape, scale, window / 2)
    tree = cKDTree(cells) if len(cells) else None

    def usable(rows, columns):
        """Turn places of the overview into those of the slide; say which may be used."""
        points = np.floor(np.stack([columns, rows], axis=1) * scale + scale / 2)
        # The last cell of the overview may reach beyond the slide.
        points = np.minimum(points, np.array(slide.size) - 1)
        kept = ~holes[rows, columns]
        kept &= tissue.touches(np.concatenate([points, points + 1], axis=1))
        if tree is not None and len(points):
            kept &= tree.query(points)[0] >= distance
        return points[kept], kept

    depth = 255 - image[:, :, 0].astype(np.float32)
    depth = gaussian_filter(depth, window / scale / _ACROSS, mode="nearest")
    side = max(3, int(window / scale / 2))
    rows, columns = np.nonzero(depth == maximum_filter(depth, side, mode="nearest"))
    order = np.argsort(-depth[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    dark, kept = usable(rows, columns)
    values = depth[rows, columns][kept]
    n_dark = int((np.rint(values) > otsu_threshold(values)).sum())
    dark = np.concatenate([dark[:n_dark][rng.permutation(n_dark)], dark[n_dark:]])[: n // 2]

    anywhere, order = [np.empty((0, 2))], rng.permutation(depth.size)
    step = max(4 * n, 1024)
    for start in range(0, len(order), step):
        anywhere.append(usable(*np.divmod(order[start : start + step], depth.shape[1]))[0])
        if sum(map(len, anywhere)) >= n:
            break
    return dark, np.concatenate(anywhere)[:n]
