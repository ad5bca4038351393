"""Fill patches with the pixels of slides, tile by tile, around what cannot be read."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from itertools import groupby

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from ._read_errors import BrokenTiles, SlideReadError, open_again

__all__ = ["fill_patches", "mirror_edges"]

#: How many tiles one job reads.
_JOB = 64


def fill_patches(slides, mpp, tiles, corners, part, n_jobs, verbose, on_error):
    """Read all tiles that are not done.

    Parameters
    ----------
    slides : list of Slide
        The images.
    mpp : float or None
        Micrometres per pixel of the patches.
    tiles : list of Tile
        Parts of the images, see `stnclf.slides._grid.tiles_of`.
    corners : int ndarray of shape (n, 2)
        ``(x, y)`` of the patches' top-left pixels.
    part : PartFile
        Where the patches go, and which tiles are done. A tile that cannot be read is not done: it
        is tried again when the run is resumed.
    n_jobs, verbose : int
        Threads, and whether to show a bar.
    on_error : {"stop", "skip"}
        What to do about a patch that cannot be read.

    Returns
    -------
    lost : set of int
        The patches that could not be read.
    broken : list of BrokenTiles
        Of each image what cannot be read.

    Raises
    ------
    SlideReadError
        If a patch cannot be read and `on_error` is "stop", or a slide can no longer be opened.
    """
    waiting = [number for number in range(len(tiles)) if number not in part.done]
    jobs = []
    for image, numbers in groupby(waiting, lambda number: tiles[number].image):
        numbers = list(numbers)
        jobs += [(image, numbers[i : i + _JOB]) for i in range(0, len(numbers), _JOB)]
    bar = tqdm(total=len(tiles), initial=len(part.done), unit="tile", disable=not verbose)
    lost, broken = set(), [BrokenTiles() for _ in slides]

    def work(image, numbers):
        # A slide of its own: one that jobs share could be closed by the first that is done.
        with _grid_of(deepcopy(slides[image]), mpp, broken[image]) as read:
            for number in numbers:
                missing = _fill(read, tiles[number], corners, part.X, on_error)
                if missing:
                    lost.update(missing)
                else:
                    part.mark(number, bar.update)

    # Threads, whatever the surrounding configuration says: all write to one array, and what
    # takes the time, decoding and resampling, lets other threads run.
    with bar:
        Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(work)(*job) for job in jobs)
    return lost, broken


def mirror_edges(X, corners, image, limits, slides, mpp, broken, on_error):
    """Fill what lies beyond the edges of the slides with the mirror image of what is inside.

    Parameters
    ----------
    X : uint8 ndarray of shape (n, height, width, 3)
        Patches, changed in place. What is done twice is as if it were done once.
    corners : int ndarray of shape (n, 2)
        ``(x, y)`` of their top-left pixels.
    image : int ndarray of shape (n,)
        Number of the image of each.
    limits : int ndarray of shape (n_images, 2)
        Columns and rows of pixels of each image whose middle is on it.
    slides, mpp, on_error
        As for `fill_patches`.
    broken : list of BrokenTiles
        What it returned.

    Returns
    -------
    lost : set of int
        The patches whose mirror image could not be read.

    Raises
    ------
    SlideReadError
        As by `fill_patches`.
    """
    side, lost = X.shape[1], set()
    beyond = (corners < 0) | (corners + side > limits[image])
    for row in np.flatnonzero(beyond.any(axis=1)).tolist():
        (x, y), number = corners[row].tolist(), image[row]
        columns, rows = _folded(x, side, limits[number, 0]), _folded(y, side, limits[number, 1])
        left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        source = X[row]
        # A patch that lies outside for the most part has too little of the slide in it.
        if left < x or top < y or right > x + side or bottom > y + side:
            x, y = int(left), int(top)
            try:
                with _grid_of(slides[number], mpp, broken[number]) as read:
                    source = read(x, y, int(right), int(bottom))
            except SlideReadError as error:
                if on_error == "stop" or not error.regions:
                    raise
                lost.add(row)
                continue
        X[row] = source[np.ix_(rows - y, columns - x)]
    return lost


def _folded(start, n, length):
    """Return the numbers of `n` pixels from `start` on, in a line between two mirrors."""
    place = np.arange(start, start + n) % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)


@contextmanager
def _grid_of(slide, mpp, broken):
    """Open a slide; yield what reads ``(left, top, right, bottom)`` of its grid."""
    with slide:
        open_again(slide._opener, slide.path)
        slide, scale = slide._remembering(broken), slide.scale(mpp)

        def read(left, top, right, bottom):
            return slide.read_region(left * scale, top * scale, right - left, bottom - top, mpp)

        yield read


def _fill(read, tile, corners, X, on_error):
    """Read a tile, or patch by patch what can be read of it; return the other patches."""
    missing = set()
    left, top, right, bottom = tile.box
    try:
        pixels = read(*tile.box)
        for row in tile.rows:
            _paste(X[row], pixels, *(corners[row] - (left, top)).tolist())
        return missing
    except SlideReadError as error:
        if not error.regions:
            raise
    side = X.shape[1]
    for row in tile.rows:
        x, y = corners[row].tolist()
        x0, y0 = max(x, left), max(y, top)
        try:
            pixels = read(x0, y0, min(x + side, right), min(y + side, bottom))
        except SlideReadError as error:
            if on_error == "stop" or not error.regions:
                raise
            missing.add(row)
        else:
            _paste(X[row], pixels, x - x0, y - y0)
    return missing


def _paste(patch, pixels, x, y):
    """Copy to a patch what it has in common with a tile; its corner is (x, y) of the tile."""
    height, width = pixels.shape[:2]
    side = len(patch)
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    patch[top - y : bottom - y, left - x : right - x] = pixels[top:bottom, left:right]
