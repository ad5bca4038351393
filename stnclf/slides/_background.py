"""Where patches of background lie: tissue at a distance from every annotated cell."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from .._utils.errors import argument_error
from ._cell_table import check_cells, on_level_0
from ._read_errors import read_around
from ._tissue import find_slide_tissue, otsu_threshold

__all__ = [
    "append_label",
    "background_places",
    "boxes_of",
    "check_background",
    "given_places",
    "places_on",
]

#: Pixels across the cell's window in the overview on which places are chosen, and the longest side
#: of that overview.
_ACROSS, _LONGEST = 8, 4096


def check_background(background, distance, size):
    """Check the arguments `background` and `background_distance`; return the distance.

    Parameters
    ----------
    background : int
        Number of patches.
    distance : float or None
        Pixels of the patches; None is half the diagonal of the patch.
    size : int
        Side of the patch.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Naming the argument.
    """
    is_whole = isinstance(background, Integral) and not isinstance(background, bool)
    if not is_whole or background < 0:
        raise argument_error(
            "background", f"got {background!r}, wants a whole number of patches, 0 or more."
        )
    if distance is None:
        return size / math.sqrt(2)
    if not background:
        raise argument_error(
            "background_distance", f"got {distance!r}, and there is no background."
        )
    if not isinstance(distance, Real) or not 0 <= distance < math.inf:
        raise argument_error("background_distance", f"got {distance!r}, wants pixels, 0 or more.")
    return float(distance)


def append_label(y, label, n):
    """Append `n` times a label to labels, which must be of its kind.

    Parameters
    ----------
    y : ndarray of shape (m,)
        Labels of cells.
    label : label
        Of the background.
    n : int
        How many.

    Returns
    -------
    ndarray of shape (m + n,)

    Raises
    ------
    ValueError
        If the kinds differ: a text among numbers would make texts of the numbers.
    """
    more = np.array([label]).repeat(n)
    kinds = "biu", "f", "US"
    if more.ndim != 1 or not any(y.dtype.kind in k and more.dtype.kind in k for k in kinds):
        raise argument_error(
            "background_label",
            f"got {label!r}, wants a label of the kind of the others, {y[:1].tolist()[0]!r}.",
        )
    return np.concatenate([y, more])


def given_places(table, names, slides):
    """Take places without a cell out of a table.

    Parameters
    ----------
    table : DataFrame or mapping of columns
        ``image``, ``x`` and ``y``.
    names : ndarray of shape (n_images,), str
        Names of the images, sorted.
    slides : list of Slide
        The images.

    Returns
    -------
    image : int ndarray of shape (n,)
        Number of the image of each place.
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in level-0 pixels.

    Raises
    ------
    ValueError
        If it is no such table, or a place lies on none of the images.
    """
    groups, points, _, _, rows, from_bounds = check_cells(table, "negatives", labelled=False)
    image = np.minimum(np.searchsorted(names, groups), len(names) - 1)
    for i, slide in enumerate(slides):
        here = image == i
        with slide:
            points[here] = on_level_0(points[here], from_bounds[here], slide.path)
            inside = (points >= -0.5) & (points <= np.array(slide.size) - 0.5)
        wrong = (here & (names[image] != groups)) | (here & ~inside.all(axis=1))
        if wrong.any():
            first = int(wrong.argmax())
            raise argument_error(
                "negatives",
                f"{points[first].tolist()} of image {str(groups[first])!r} lies on none of those "
                "of annotations.",
                where=f"row {rows[first]}",
            )
    return image, points


def background_places(
    slides, names, scales, annotated, avoid, n, distance, window, seed, on_error, tables=(), most=0
):
    """Choose places for patches of background.

    Parameters
    ----------
    slides : list of Slide
        The images.
    names : ndarray of shape (n_images,), str
        Their names.
    scales : ndarray of shape (n_images,)
        Level-0 pixels for each pixel of the patches.
    annotated : list of ndarray of shape (n_cells, 2)
        ``(x, y)`` of the cells of each image in level-0 pixels.
    avoid : table or None
        Further cells: ``image``, ``x``, ``y``. Those of other images count for nothing.
    n : int
        How many places.
    distance, window : float
        Least distance of a place from a cell, and side of the cell's window, in pixels of the
        patches.
    seed : int
        What decides.
    on_error : {"stop", "skip"}
        "skip" leaves out what cannot be read.
    tables : sequence of table, default=()
        Where boxes around cells may be, see `boxes_of`.
    most : float, default=0
        Longest side of a box around a cell, in pixels of the patches.

    Returns
    -------
    image : int ndarray of shape (n,)
        Number of the image of each place.
    points : float64 ndarray of shape (n, 2)
        ``(x, y)`` in level-0 pixels: whole pixels.

    Raises
    ------
    SlideReadError
        If an image cannot be read and `on_error` is "stop".
    ValueError
        If there are fewer places.
    """
    cells = list(annotated)
    if avoid is not None:
        groups, points, _, _, _, from_bounds = check_cells(avoid, "avoid", labelled=False)
        for i, slide in enumerate(slides):
            here = groups == names[i]
            found = on_level_0(points[here], from_bounds[here], slide.path)
            cells[i] = np.concatenate([cells[i], found])
    around = read_around if on_error == "skip" else None
    found = [boxes_of(table, names, slides, most * scales) for table in tables]
    boxes = [np.concatenate(parts) for parts in zip(*found)] if found else [None] * len(slides)
    kinds = {"dark": [], "any": []}
    for i, slide in enumerate(slides):
        with slide:
            rng = np.random.default_rng((seed, 1, i))
            scale = scales[i]
            # Half a pixel each, for the place and for the patch that is cut there.
            free = distance * scale + math.sqrt(0.5) * (1 + scale)
            for kind, found in zip(
                kinds,
                places_on(slide, cells[i], n, free, window * scale, rng, around, boxes[i]),
            ):
                kinds[kind].append(found)
    # The dark half first; what it lacks is taken anywhere.
    chosen = [[] for _ in slides]
    n_dark = sum(_shared_out([len(found) for found in kinds["dark"]], n // 2))
    for kind, wanted in (("dark", n_dark), ("any", n - n_dark)):
        counts = _shared_out([len(found) for found in kinds[kind]], wanted)
        for i, count in enumerate(counts):
            chosen[i].append(kinds[kind][i][:count])
    places = [np.concatenate(parts) for parts in chosen]
    n_found = sum(map(len, places))
    if n_found < n:
        raise argument_error(
            "background",
            f"got {n}, and there are {n_found} places at {distance:.4g} px or more from every "
            "annotated cell, and off its box; wants fewer, or a smaller background_distance.",
        )
    image = np.repeat(np.arange(len(slides)), [len(found) for found in places])
    return image, np.concatenate(places)


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
    try:
        sides = np.array([list(table[name]) for name in ("width", "height")], dtype=float).T
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


def _shared_out(available, n):
    """Share `n` out evenly; what one lacks the others give.

    Examples
    --------
    >>> from stnclf.slides._background import _shared_out
    >>> _shared_out([2, 9, 9], 10)
    [2, 4, 4]
    """
    counts = [0] * len(available)
    left = sorted(range(len(available)), key=lambda i: available[i])
    for position, i in enumerate(left):
        share = -(-n // (len(left) - position))
        counts[i] = min(available[i], share)
        n -= counts[i]
    return counts
