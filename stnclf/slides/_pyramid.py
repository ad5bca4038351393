"""Tiled pyramid TIFF files, written a few rows at a time."""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from fractions import Fraction
from numbers import Integral

import numpy as np
from PIL import Image

from .._utils.errors import argument_error
from .._utils.files import check_path, written_whole
from .._utils.typing import PathLike, Pixels
from .._utils.values import check_pixels, check_positive

__all__ = ["write_pyramid_tiff"]

_ADOBE_DEFLATE, _JPEG, _YCBCR, _YCBCR_SUBSAMPLING = 8, 7, 6, 530
_BIG = 2**31  # bytes before compression; the 32-bit offsets of plain TIFF end at twice as much


def write_pyramid_tiff(
    image: Pixels,
    path: PathLike,
    mpp: float,
    tile: int = 256,
    *,
    compression: str = "jpeg",
    quality: int = 90,
) -> None:
    """Write an image as a tiled pyramid TIFF that OpenSlide and QuPath open.

    Each level has half the width and height of the one before it, down to a single tile.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), uint8
        RGB image; may be memory-mapped, for it is read a few rows at a time.
    path : str or path-like
        File to write. What was there is replaced once the new file is complete.
    mpp : float
        Micrometres per pixel, written as the resolution.
    tile : int, default=256
        Side of the tiles in pixels, a multiple of 16.
    compression : {"jpeg", "deflate"}, default="jpeg"
        "jpeg" is small, "deflate" keeps every pixel of the largest level as it is.
    quality : int, default=90
        Quality of JPEG from 1 to 100; chroma is not subsampled.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        If tifffile is not installed.
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    Levels of half the size and less are kept in a temporary file beside `path`, of up to a
    third of the size of the image in memory.

    Examples
    --------
    >>> from stnclf.datasets import make_slide
    >>> from stnclf.slides import write_pyramid_tiff
    >>> image, truth, mpp = make_slide((1024, 1024), random_state=0)    # doctest: +SKIP
    >>> write_pyramid_tiff(image, "slide.tif", mpp)                     # doctest: +SKIP
    """
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            "write_pyramid_tiff needs tifffile; install it with: pip install 'stnclf[slides]'"
        ) from error
    check_pixels("image", image)
    mpp = check_positive("mpp", mpp, "micrometres per pixel")
    if not isinstance(tile, Integral) or tile < 16 or tile % 16:
        raise argument_error("tile", f"got {tile!r}, wants a multiple of 16 pixels.")
    if compression not in ("jpeg", "deflate"):
        raise argument_error("compression", f"got {compression!r}, wants 'jpeg' or 'deflate'.")
    if not isinstance(quality, Integral) or not 1 <= quality <= 100:
        raise argument_error("quality", f"got {quality!r}, wants a whole number from 1 to 100.")
    is_jpeg = compression == "jpeg"
    layout = {
        "dtype": np.uint8,
        "tile": (tile, tile),
        "photometric": "rgb",
        "compression": _ADOBE_DEFLATE,
        "extratags": [(_YCBCR_SUBSAMPLING, "H", 2, (1, 1), True)] if is_jpeg else [],
        "resolutionunit": "CENTIMETER",
        "metadata": None,
        "software": "stnclf",
    }
    encode = (lambda pixels: _jpeg(pixels, quality)) if is_jpeg else _deflate
    with written_whole(check_path("path", path)) as part:
        with tifffile.TiffWriter(part, bigtiff=image.nbytes * 4 / 3 > _BIG) as file:
            for level, pixels in enumerate(_levels(image, tile, os.path.dirname(part))):
                file.write(
                    (encode(square) for square in _tiles(pixels, tile)),
                    shape=pixels.shape,
                    resolution=(_ratio(1e4 / (mpp * 2**level)),) * 2,
                    subfiletype=int(level > 0),
                    **layout,
                )
        if is_jpeg:
            # tifffile declares JPEG only where its own codecs are installed. The tiles are JPEG
            # already; only the two tags that say so are missing.
            with tifffile.TiffFile(part, mode="r+") as file:
                for page in file.pages:
                    page.tags["Compression"].overwrite(_JPEG)
                    page.tags["PhotometricInterpretation"].overwrite(_YCBCR)


def _ratio(value):
    """Return the nearest fraction of 32-bit numbers; older tifffile keeps six digits only."""
    most = 2**32 - 1
    fraction = Fraction(value).limit_denominator(min(most, int(most / value)))
    return fraction.numerator, fraction.denominator


def _levels(image, least, folder):
    yield image
    while max(image.shape[:2]) > least:
        image = _halved(image, folder)
        yield image


def _halved(image, folder):
    """Means of 2 x 2 pixels, in a temporary file; the last row and column count twice if odd."""
    height, width = ((side + 1) // 2 for side in image.shape[:2])
    with tempfile.TemporaryFile(dir=folder) as file:
        small = np.memmap(file, dtype=np.uint8, mode="w+", shape=(height, width, 3))
    for top in range(0, height, 128):
        rows = image[2 * top : 2 * top + 256]
        odd = [(0, side % 2) for side in rows.shape[:2]]
        rows = np.pad(rows, [*odd, (0, 0)], mode="edge")
        total = rows[::2].astype(np.uint16) + rows[1::2]
        small[top : top + 128] = (total[:, ::2] + total[:, 1::2] + 2) >> 2
    return small


def _tiles(pixels, side):
    """Tiles row by row; those at the edges are filled up with the last pixels."""
    for top in range(0, pixels.shape[0], side):
        for left in range(0, pixels.shape[1], side):
            square = pixels[top : top + side, left : left + side]
            missing = [(0, side - length) for length in square.shape[:2]]
            yield np.pad(square, [*missing, (0, 0)], mode="edge")


def _jpeg(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _deflate(pixels):
    return zlib.compress(pixels.tobytes(), 3)
