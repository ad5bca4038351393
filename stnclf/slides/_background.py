"""Where patches of background lie: tissue at a distance from every annotated cell."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from .._utils.errors import argument_error
from ._cell_table import check_cells, has_no_rows, on_level_0, refuse_other_names
from ._places import boxes_of, places_on
from ._read_errors import read_around

__all__ = [
    "append_label",
    "background_places",
    "check_background",
    "given_places",
]


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
    if has_no_rows(table):  # there was no mistake to mine
        return np.empty(0, dtype=int), np.empty((0, 2))
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
    if avoid is not None and not has_no_rows(avoid):
        groups, points, _, _, _, from_bounds = check_cells(avoid, "avoid", labelled=False)
        refuse_other_names(groups, names, "avoid")
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
            "annotated cell, and off its box; wants fewer, or a smaller background_distance: "
            f"half the window of a cell, {window / 2:.4g} px, keeps the window of each place off "
            "the middle of every cell.",
        )
    image = np.repeat(np.arange(len(slides)), [len(found) for found in places])
    return image, np.concatenate(places)


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
