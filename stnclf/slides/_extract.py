"""Cut patches around annotated cells: what is asked for, in which order, resuming."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._utils.errors import argument_error
from .._utils.files import check_path
from .._utils.identity import describe_source, run_identity
from .._utils.labels import refuse_lookalikes
from .._utils.part_file import PartFile
from .._utils.printable import counted
from .._utils.run import check_out, read_header
from .._utils.sized_images import with_sizes
from .._utils.typing import PathLike, RandomState, Table
from .._utils.values import check_positive
from .._version import __version__
from ..annotations import resolve_image
from ._background import append_label, background_places, check_background, given_places
from ._cell_table import cells_inside, check_cells, on_level_0
from ._fill import fill_patches, mirror_edges
from ._grid import context_margin, grid_corners, tiles_of
from ._neighbors import Cells, cells_of
from ._read_errors import SlideReadError
from ._skipped import check_on_error, merged, write_skipped
from ._slide import Slide

__all__ = ["extract_patches"]

#: Boxes around cells are at most so many patches wide; wider ones are areas of some other kind.
_LARGEST = 4

#: Side of a tile in pixels of the result.
_TILE = 512


def extract_patches(
    annotations: Table,
    root: PathLike,
    *,
    size: int,
    mpp: float | None,
    max_offset: float = 0,
    cell_size: int | None = None,
    image_size: int | None = None,
    slide_mpp: float | None = None,
    outside: str = "error",
    edge: str = "white",
    background: int = 0,
    background_distance: float | None = None,
    background_label: Any = "background",
    avoid: Table | None = None,
    negatives: Table | None = None,
    neighbors: bool | Table = False,
    out: PathLike | None = None,
    resume: bool = False,
    on_error: str = "stop",
    n_jobs: int = 1,
    random_state: RandomState = None,
    verbose: int = 0,
) -> tuple[Any, ...]:
    """Cut an image around each annotated cell, ready for `stnclf.STNCellClassifier.fit`.

    Parameters
    ----------
    annotations : DataFrame or mapping of columns
        ``image``, the file's name below `root`; ``x`` and ``y``, the cell in pixels of level 0;
        ``label``. One row for each cell, in any order. Where a column ``origin`` is "bounds",
        positions count from the corner of the slide's scanned area, as QuPath's do.
    root : str or path-like
        Folder of the slides. Names that are absolute or hold ``..`` are refused.
    size : int
        Side in pixels of the central patch, the `patch_size` of the classifier.
    mpp : float or None
        Micrometres per pixel of the images. None takes the pixels of level 0, whatever they
        measure.
    max_offset : float, default=0
        Largest distance of the cell from the middle of the image on either axis, in pixels of
        the image, at most half of `size`. The offset is drawn at random. Patches to test on want
        some, an eighth of `size` for instance, as ``stnclf patches`` takes.
    cell_size : int, default=None
        Side in pixels of the cell's window, the `cell_size` of the classifier. None is half of
        `size`.
    image_size : int, default=None
        Side of the images in pixels, at least `size`. None leaves so much around the patch that
        every patch that training can draw, moved and turned, has real pixels (see Notes).
    slide_mpp : float, default=None
        Micrometres per pixel of level 0 of every slide; None takes each from its file.
    outside : {"error", "skip", "clip"}, default="error"
        What happens to cells that lie outside their image: an error names the first; "skip"
        leaves them out; "clip" moves them to the nearest edge. A warning says how many, how far
        outside, and names the first.
    edge : {"white", "mirror"}, default="white"
        What lies in the images beyond the edge of a slide: nothing, or the slide mirrored at its
        edge, which suits photographs that are full of cells from edge to edge.
    background : int, default=0
        Number of patches without a cell that are cut besides, at a distance from every annotated
        cell and shared out evenly over the images: half of them where it is dark, half anywhere
        on tissue (see Notes). They come last.
    background_distance : float, default=None
        Least distance of their middle from an annotated cell, in pixels of the patches. None is
        half the diagonal of the patch, so that no turn of it shows one. Where the table has a box
        for the cell, ``width`` and ``height`` up to four patches, a window there keeps off it, too.
    background_label : label, default="background"
        Their label, of the kind of the other labels.
    avoid : DataFrame or mapping of columns, default=None
        Further cells from which background keeps its distance, of which no patches are cut:
        ``image``, ``x`` and ``y``.
    negatives : DataFrame or mapping of columns, default=None
        Places without a cell, ``image``, ``x`` and ``y`` on images of `annotations`, of which
        patches are cut like those of the background, before them and with the same label:
        `stnclf.scan.hard_negatives` finds such.
    neighbors : bool or table, default=False
        Whether to list the other cells in each image, for the argument of that name of ``fit``.
        True takes those of `annotations`; rows without a label are allowed then: nothing is cut
        around them, but they are listed. A table like `annotations` lists all cells where images
        are cut around some of them only.
    out : str or path-like, default=None
        File for `X` in NumPy's format, .npy, which need not fit into memory. It appears when it
        is complete; until then ``out + ".part"``, ``out + ".progress"`` and ``out + ".lock"`` lie
        beside it. None keeps `X` in memory.
    resume : bool, default=False
        Go on with an unfinished `out`, if there is one, instead of beginning anew. The result
        is that of an uninterrupted run.
    on_error : {"stop", "skip"}, default="stop"
        What to do where a slide cannot be read, in several attempts. "stop" raises, keeps what is
        done, and `resume` goes on. "skip" leaves out the patches that touch what cannot be read;
        with `out`, ``out + ".skipped.csv"`` lists it (image, x, y, width, height in pixels of
        level 0). Either way, patches that touch nothing of it are right.
    n_jobs : int, default=1
        Threads; -1 is one for each processor. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Where the offsets come from. With `resume`, None takes those that were drawn before.
    verbose : int, default=0
        Above 0 shows a progress bar.

    Returns
    -------
    X : uint8 ndarray of shape (n, image_size, image_size, 3)
        RGB, in the order of the table; beyond the edge of a slide what `edge` says. Memory-mapped
        and read-only if `out` is given. It remembers `size` and `cell_size`: an estimator that
        would take the context for the patch, ``patch_size=None``, says so in a warning.
    y : ndarray of shape (n,)
        Labels.
    centers : float64 ndarray of shape (n, 2)
        ``(x, y)`` of the cells in pixels of the images, exact to fractions; NaN for background.
    groups : ndarray of shape (n,), str
        Names of the images, for cross-validation by slide.
    neighbors : float64 ndarray of shape (n, k, 3)
        With `neighbors` only: ``(x, y)`` of the other cells of the table in pixels of the images,
        and the index of their label among the sorted ones of `y`, -1 for rows without or with
        another one; padded with NaN. What lies within half a pixel of the cell is the cell itself.

    Raises
    ------
    FileNotFoundError
        If a slide, or the folder of `out`, is not there.
    ImportError
        If a slide wants OpenSlide and it is not installed.
    stnclf.slides.SlideReadError
        If a part of a slide cannot be read; names it. It is an OSError.
    OSError
        If `out` or its progress cannot be written, on a full disk for example, or another
        process writes it.
    TypeError, ValueError
        If an argument is not as described, a cell lies outside its image, a slide cannot be
        read or has no resolution, or `resume` finds a run with other arguments. Nothing new is
        left in the folder of `out` then. Rows have the number that they have in the index of a
        DataFrame, else they are counted from 0.

    Notes
    -----
    Training shows the cell at up to ``(size - cell_size) / 2`` from the middle of a patch that
    is turned by any angle. Hence, by default, the side of the images is ``size + 2 * margin``
    with ``margin = ceil(max_offset + sqrt(2) * (size - cell_size / 2) - (size - 1) / 2)``: 274
    pixels for a patch of 128 and a window of 64.

    Images consist of whole pixels of the slide at `mpp`, so that cells are up to half a pixel
    off the place that was drawn for them, and with ``max_offset=0`` off the middle; `centers`
    has where they are.

    Each part of a slide is read once, whatever the number of cells in it; once more for a patch
    with more of the mirror image than of the slide.

    Background presumes that all cells of the images are annotated, or given as `avoid`: what is
    neither is taken for no cell. Dark is what absorbs red, as haematoxylin does and eosin does
    not: dark places are the darkest within half a window of the cell and lie above Otsu's
    threshold, as far as there are enough. Images whose resolution is not known count as tissue
    from edge to edge.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from stnclf.slides import extract_patches
    >>> table = {"image": ["a.png"], "x": [40.0], "y": [20.0], "label": ["mitotic figure"]}
    >>> with tempfile.TemporaryDirectory() as root:
    ...     Image.new("RGB", (80, 60), "pink").save(f"{root}/a.png")
    ...     X, y, centers, groups = extract_patches(table, root, size=32, mpp=None)
    >>> X.shape, centers.tolist()
    ((1, 70, 70, 3), [[34.0, 34.0]])
    """
    side = _check_sizes(size, max_offset, cell_size, image_size)
    distance = check_background(background, background_distance, size)
    check_path("root", root)
    if slide_mpp is not None:
        check_positive("slide_mpp", slide_mpp, "micrometres per pixel")
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise argument_error("n_jobs", f"got {n_jobs!r}, wants a number of threads, or -1 for all.")
    out = check_out(out, resume)
    check_on_error(on_error)
    if outside not in ("error", "skip", "clip"):
        raise argument_error("outside", f"got {outside!r}, wants 'error', 'skip' or 'clip'.")
    if edge not in ("white", "mirror"):
        raise argument_error("edge", f"got {edge!r}, wants 'white' or 'mirror'.")
    own = neighbors is True
    groups, points, y, known, rows, from_bounds = check_cells(annotations, unknown=own)
    names, first, image = np.unique(groups, return_index=True, return_inverse=True)
    slides = [Slide(_path(root, str(name), rows[i]), slide_mpp) for name, i in zip(names, first)]
    sizes, scales = [], np.empty(len(names))
    for i, slide in enumerate(slides):
        with slide:
            sizes.append(slide.size)
            scales[i] = slide.scale(mpp)
        here = image == i
        points[here] = on_level_0(points[here], from_bounds[here], slide.path)
    points, kept = cells_inside(points, groups, np.array(sizes)[image], rows, outside)
    listed = Cells(points[kept], image[kept], y[kept], known[kept])
    if not isinstance(neighbors, bool):
        listed = cells_of(neighbors, names, slides)
        there = {"annotations": y[known], "neighbors": listed.labels[listed.known]}
        refuse_lookalikes({name: np.unique(labels).tolist() for name, labels in there.items()})
    kept = kept & known
    groups, points, y, image = groups[kept], points[kept], y[kept], image[kept]

    header = read_header(out) if resume else None
    seed = (header or {}).get("seed") if random_state is None else None
    if not isinstance(seed, int):
        from .._utils.checks import draw_seed  # with scikit-learn, which slides do without

        seed = draw_seed(random_state)
    offsets = np.random.default_rng(seed).uniform(-max_offset, max_offset, points.shape)
    n_cells = len(points)
    places = [] if negatives is None else [given_places(negatives, names, slides)]
    if background:
        cells = [
            np.concatenate([points[image == i], listed.points[listed.image == i]])
            for i in range(len(names))
        ]
        window = size / 2 if cell_size is None else cell_size
        places.append(
            background_places(
                slides,
                names,
                scales,
                cells,
                avoid,
                background,
                distance,
                window,
                seed,
                on_error,
                [table for table in (annotations, avoid) if table is not None],
                _LARGEST * size,
            )
        )
    for more in places:
        y = append_label(y, background_label, len(more[0]))
        image, points = (np.concatenate(pair) for pair in zip((image, points), more))
        groups = names[image]
        offsets = np.concatenate([offsets, np.zeros_like(more[1])])
    on_grid = (points + 0.5) / scales[image, None] - 0.5
    corners = grid_corners(on_grid, offsets, side, max_offset)
    tiles = tiles_of(corners, side, image, _TILE)

    shape = (len(points), side, side, 3)
    header = run_identity(
        "extract_patches",
        __version__,
        annotations={"sha256": _digest(groups, points)},
        slides={
            str(name): None if out is None else describe_source(slide._opener.source)
            for name, slide in zip(names, slides)
        },
        sizes=sizes,
        scales=scales.tolist(),
        image_size=side,
        max_offset=float(max_offset),
        tile=_TILE,
        seed=seed,
        edge=edge,
    )
    with PartFile(out, shape, len(tiles), header, resume) as part:
        lost, broken = fill_patches(slides, mpp, tiles, corners, part, n_jobs, verbose, on_error)
        if edge == "mirror":
            # The middle of the last column and row lies on the slide.
            limits = np.ceil(np.array(sizes) / scales[:, None] - 0.5).astype(int)
            limits = np.maximum(limits, 1)
            lost |= mirror_edges(part.X, corners, image, limits, slides, mpp, broken, on_error)
        kept = _without(lost, broken, names, len(points), out)
        X, rows = part.finish(kept), slice(None) if kept is None else kept
    X = with_sizes(X, int(size), int(size) // 2 if cell_size is None else int(cell_size))
    centers = on_grid - corners
    centers[n_cells:] = np.nan
    result = X, y[rows], centers[rows], groups[rows]
    if neighbors is False:
        return result
    beside = listed.beside(np.unique(y), scales, image, centers + corners, corners, side)
    return (*result, beside[rows])


def _without(lost, broken, names, n, out):
    """Say what is left out, in a warning and beside `out`; return the rows that are kept."""
    regions = [
        (str(name), *box) for name, tiles in zip(names, broken) for box in merged(tiles.regions)
    ]
    if len(lost) == n:
        raise SlideReadError(regions[0][0], "no patch is left", [regions[0][1:]])
    write_skipped(out, regions if lost else [])
    if not lost:
        return None
    where = "{!r} at x, y, width, height = {}, {}, {}, {}".format(*regions[0])
    more = f" and {counted(len(regions) - 1, 'more region')}" if len(regions) > 1 else ""
    text = f"{len(lost)} of {n} patches are left out, which touch {where}{more}, not readable."
    warnings.warn(text, UserWarning, stacklevel=3)
    return np.setdiff1d(np.arange(n), sorted(lost))


def _path(root, name, row):
    try:
        return resolve_image(root, name)
    except ValueError as error:
        raise argument_error("annotations", f"{error}", where=f"row {row}") from None


def _check_sizes(size, max_offset, cell_size, image_size):
    """Check what says how large patches are; give the side of the images."""
    given = {"size": size, "cell_size": cell_size, "image_size": image_size}
    for name, value in given.items():
        if value is None and name != "size":
            continue
        if not isinstance(value, Integral) or value < 1:
            raise argument_error(name, f"got {value!r}, wants a whole number of pixels.")
    if not isinstance(max_offset, Real) or not 0 <= max_offset < math.inf:
        raise argument_error("max_offset", f"got {max_offset!r}, wants pixels, 0 or more.")
    for name, value in (("cell_size", cell_size or 0), ("2 * max_offset", 2 * max_offset)):
        if value > size:
            raise argument_error(name, f"got {value!r}, more than size, {size}.")
    if image_size is None:
        cell_size = size / 2 if cell_size is None else cell_size
        return int(size) + 2 * context_margin(size, cell_size, max_offset)
    if image_size < size:
        raise argument_error("image_size", f"got {image_size}, less than size, {size}.")
    return int(image_size)


def _digest(groups, points):
    """Hash the cells in their order; labels are not in the file."""
    digest = hashlib.sha256(json.dumps(groups.tolist()).encode())
    digest.update(points.tobytes())
    return digest.hexdigest()
