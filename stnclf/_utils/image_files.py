"""Image files and PIL images as arrays: 8-bit grey or RGB, or an error that says what they hold.

Slides follow the same rules. Pillow by itself cuts 16-bit colours to 8 bits, leaves alpha out,
and turns TIFF files, but no others, by their orientation.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
from contextlib import suppress

import numpy as np
from PIL import Image, UnidentifiedImageError

from .tiff_kind import check_planes, kind_of
from .tiff_tags import Tag, is_tiff, read_directories

__all__ = ["EIGHT_BIT_MODES", "check_depth", "load_images", "orientation_of", "over_white"]

#: What Pillow turns into 8-bit grey or RGB with no loss but that of the alpha channel. It clips
#: 16-bit and float images without a word.
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")

#: What Pillow raises for files that are no images, damaged, or absurdly large.
_UNREADABLE = (
    OSError,
    UnidentifiedImageError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
)

_ORIENTATION = 274  # of EXIF and TIFF
_UNTURNED = (0, 1)

#: Pillow's words for 16 bits of a sample; those that begin with BGR are 16 bits of a pixel.
_SIXTEEN = re.compile(r"(?!BGR).*;16|SGI16")

#: Where headers of JPEG 2000 and AVIF are looked for.
_HEAD = 1 << 16


def load_images(images, channels=None):
    """Read image files, or take PIL images, into one array.

    Transparent pixels lie over white. Files are read as they are stored, whatever their
    orientation says.

    Parameters
    ----------
    images : sequence of str, path-like or PIL.Image.Image
        Images of one size.
    channels : {1, 3}, default=None
        1 converts to grey, 3 to RGB; None takes grey where all images are grey, else RGB.

    Returns
    -------
    uint8 ndarray of shape (n, height, width, channels)

    Raises
    ------
    ValueError
        If a file is missing, is a pipe or device, cannot be read as an image, is truncated or
        holds other pixels than 8-bit grey or colour, or if an image differs in size from the
        first; the message names it.

    Warns
    -----
    UserWarning
        If images have an orientation, which is not applied.
    """
    loaded, modes, turned = [], [], []
    for i, image in enumerate(images):
        where = f"X[{i}]"
        if not isinstance(image, Image.Image):
            where = f"X[{i}], {os.fspath(image)!r}"
        pixels, turn = _load(image, where)
        if turn not in _UNTURNED:
            turned.append(f"{where}: its orientation ({turn}) is not applied")
        modes.append(pixels.mode)
        loaded.append(pixels)
        if pixels.size != loaded[0].size:
            raise ValueError(
                f"{where}: is {pixels.width} x {pixels.height} px (width x height), but X[0] is "
                f"{loaded[0].width} x {loaded[0].height} px; all images must be of one size."
            )
    if turned:
        more = f" ({len(turned) - 1} more like it)" if len(turned) > 1 else ""
        warnings.warn(
            f"{turned[0]}{more}: pixels are read and positions count as they are stored.",
            UserWarning,
            stacklevel=2,
        )
    if channels not in (1, 3):
        channels = 1 if all(mode in ("1", "L", "LA") for mode in modes) else 3
    out = np.empty((len(loaded), loaded[0].height, loaded[0].width, channels), np.uint8)
    for row, pixels in zip(out, loaded):
        row[:] = np.asarray(pixels.convert("L" if channels == 1 else "RGB")).reshape(row.shape)
    return out


def _load(image, where):
    """Return an image in memory, opaque, and its orientation; `where` is for errors."""
    if isinstance(image, Image.Image):
        # Pillow turns TIFF images itself, when they are loaded.
        turn = 1 if hasattr(image, "tag_v2") else orientation_of(image)
        named = getattr(image, "filename", "")
        _refuse_depth(image, named if isinstance(named, (str, os.PathLike)) else "", where)
        with _reading(where):
            image.load()
            return _opaque(image), turn
    path = os.fspath(image)
    if not path or "\0" in os.fsdecode(path) or not os.path.exists(path):
        raise ValueError(f"{where}: there is no such file.")
    if not os.path.isfile(path):  # to open a pipe would wait for its writer
        kind = "folder" if os.path.isdir(path) else "pipe or device"
        raise ValueError(f"{where}: is a {kind}, wants an image file.")
    with _reading(where):
        if is_tiff(path):
            return _load_tiff(path, where)
        with Image.open(path) as file:
            turn = orientation_of(file)
            _refuse_depth(file, path, where)
            file.load()
            return _opaque(file), turn


def _load_tiff(path, where):
    """Do as `_load` for a TIFF file, by its tags."""
    pages, _ = read_directories(path)
    try:
        kind = kind_of(pages[0])
        check_planes(pages, kind)
    except ValueError as error:
        raise _Refused(f"{where}: {error}") from None
    turn, data = pages[0].one(Tag.ORIENTATION, 1), path
    if turn not in _UNTURNED:
        with open(path, "rb") as file:
            data = io.BytesIO(_unturned(file.read()))
    with Image.open(data) as file:
        _refuse_depth(file, "", where)
        file.load()
        return (_opaque(file) if kind.alpha else _without_alpha(file)), turn


class _Refused(ValueError):
    """The image can be read, but does not hold what is wanted."""


class _reading:
    """Names the image in what Pillow raises."""

    def __init__(self, where):
        self.where = where

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, FileNotFoundError):
            raise ValueError(f"{self.where}: there is no such file.") from error
        if isinstance(error, _UNREADABLE) and not isinstance(error, _Refused):
            raise ValueError(f"{self.where}: cannot be read as an image ({error}).") from error


def _refuse_depth(image, path, where):
    problem = check_depth(image, path)
    if problem:
        raise _Refused(f"{where}: {problem}")


def check_depth(image, path=""):
    """Find out whether an image holds what 8-bit grey or RGB can show.

    Parameters
    ----------
    image : PIL.Image.Image
        As it was opened; of one that is loaded Pillow has forgotten some of it.
    path : str or path-like, default=""
        Its file, whose header is read; empty if there is none.

    Returns
    -------
    str
        What it holds, what is wanted, and how to convert it; empty if all is well.
    """
    bits = 16 if _is_sixteen(image) else _bits_of(path)
    if bits > 8:
        what = f"{bits}-bit pixels"
    elif image.mode not in EIGHT_BIT_MODES:
        what = f"pixels of mode {image.mode!r}"
    else:
        return ""
    return (
        f"has {what}, wants 8-bit grey or colour. To convert it: magick IN "
        "-depth 8 -colorspace sRGB OUT.png"
    )


def _is_sixteen(image):
    """Say whether Pillow's own notes on what it is going to decode name more than 8 bits."""
    for tile in getattr(image, "tile", None) or ():
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(word, str) and _SIXTEEN.match(word) for word in (tile[0], *args)):
            return True
        # The largest value of a PPM file comes last.
        if tile[0].startswith("ppm") and isinstance(args[-1], int) and args[-1] > 255:
            return True
    return False


def _bits_of(path):
    """Bits of a sample as PNG, JPEG 2000 and AVIF files have it in their headers; else 8."""
    if not path:
        return 8
    head = b""
    with suppress(OSError):  # a PIL image may be of a file that is there no more
        if os.path.isfile(path):
            with open(path, "rb") as file:
                head = file.read(_HEAD)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return head[24] if len(head) > 24 else 8
    if head[:4] == b"\xff\x4f\xff\x51" or head[4:8] == b"jP  ":
        place = head.find(b"\xff\x4f\xff\x51") + 42
        return (head[place] & 0x7F) + 1 if 42 <= place < len(head) else 8
    if head[4:8] == b"ftyp" and b"av1C" in head:
        flags = head[head.find(b"av1C") + 6 :][:1]
        if flags and flags[0] & 0x40:
            return 12 if flags[0] & 0x20 else 10
    return 8


def orientation_of(image):
    """Return what EXIF says of how to turn an image, 1 to 8; 1 is as it is stored."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data, of which Pillow raises anything
        return 1


def _unturned(data):
    """Return the bytes of a TIFF file whose first image says that it is not turned.

    How and when Pillow turns depends on its version and the compression.
    """
    data = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", data, 2)[0] == 43:
        head, entry, letter, (start,) = 8, 20, "Q", struct.unpack_from(f"{order}Q", data, 8)
    else:
        head, entry, letter, (start,) = 2, 12, "H", struct.unpack_from(f"{order}I", data, 4)
    (number,) = struct.unpack_from(f"{order}{letter}", data, start)
    for place in range(start + head, start + head + number * entry, entry):
        if struct.unpack_from(f"{order}H", data, place)[0] == Tag.ORIENTATION:
            struct.pack_into(f"{order}H", data, place + 2, 3)
            struct.pack_into(f"{order}H", data, place + entry - (8 if entry == 20 else 4), 1)
    return bytes(data)


def _opaque(image):
    """Lay an image with transparent pixels over white; others stay as they are."""
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA"):
        return image
    is_grey = image.mode in ("1", "L", "LA")
    found = Image.fromarray(over_white(np.asarray(image.convert("RGBA"))))
    return found.convert("L") if is_grey else found


def _without_alpha(image):
    """Leave out a last channel that the file does not call alpha."""
    return image.convert({"RGBA": "RGB", "LA": "L", "PA": "P"}.get(image.mode, image.mode))


def over_white(pixels):
    """Lay RGBA pixels of shape (height, width, 4) over white, as RGB."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    if alpha.min() == 255:
        return pixels[:, :, :3]
    covered = pixels[:, :, :3] * alpha + (255 - alpha) * 255
    return ((covered + 127) // 255).astype(np.uint8)
