"""How files of slides and images are opened, and how the pixels of a pyramid level are read.

A reader has ``size``, ``(width, height)`` of level 0 in pixels; ``mpp``, micrometres per pixel or
None; ``downsamples``, level-0 pixels per pixel of each level; ``tile_size``; and ``read``.
OpenSlide reads whole-slide formats, `TiffReader` other TIFF files, Pillow plain images.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings

import numpy as np
from PIL import Image

from .._utils.image_files import check_depth, orientation_of, over_white
from .._utils.resolution import (
    Resolution,
    resolution_of_dpi,
    resolution_of_pair,
    resolution_of_tiff,
)
from .._utils.tiff_kind import check_planes, kind_of
from .._utils.tiff_tags import Tag, is_tiff, read_directories
from .._utils.values import check_file
from ._levels import downsample
from ._read_errors import SlideReadError
from ._tiff import TiffReader
from ._tiff_pixels import is_decoded, refuse_compression

__all__ = ["ArrayReader", "ImageReader", "Opener", "SlideReader", "open_reader"]

#: Endings of what only Pillow can read, so that OpenSlide need not be there.
_PLAIN = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")

#: OpenSlide's name of TIFF files of no vendor.
_GENERIC = "generic-tiff"

#: Compressions of TIFF that it reads: none, LZW, JPEG, deflate, packed bits.
_OF_OPENSLIDE = (1, 5, 7, 8, 32946, 32773)


class ArrayReader:
    """Reads an array: one level, no resolution.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width, 3)
        The image.
    """

    mpp, resolution, downsamples = None, Resolution(), (1.0,)

    def __init__(self, pixels):
        self.pixels, self.size = pixels, pixels.shape[1::-1]

    def level_size(self, level):
        """``(width, height)`` of the only level."""
        return self.size

    def tile_size(self, level):
        """``(width, height)`` of what is read at a time: all."""
        return self.size

    def read(self, level, x, y, width, height):
        """Return a rectangle that lies inside, and the ``(x, y)`` by which it is off, none."""
        return self.pixels[y : y + height, x : x + width], (0.0, 0.0)


class ImageReader(ArrayReader):
    """Reads a file by Pillow: its header now, its pixels when some are wanted.

    Parameters
    ----------
    path : str
        The file; the first image in it is taken, as it is stored, whatever its orientation says.

    Raises
    ------
    ValueError
        If it is no image, or one of more pixels than Pillow allows, or not of 8 bits.
    """

    def __init__(self, path):
        self.path, self._lock, self._pixels = path, threading.Lock(), None
        with self._open() as file:
            self.size = file.size
            self.resolution = resolution_of_dpi(file.info.get("dpi"))
            self.mpp = self.resolution.mpp
            self.orientation = orientation_of(file)
            problem = check_depth(file, path)
        if problem:
            raise ValueError(f"{path!r}: {problem}")

    @property
    def pixels(self):
        """The whole image, uint8 of shape (height, width, 3).

        Raises
        ------
        SlideReadError
            If the file is damaged.
        OSError
            If it cannot be read.
        """
        with self._lock:
            if self._pixels is None:
                try:
                    file = self._open()
                except ValueError as error:
                    raise SlideReadError(self.path, error) from error
                with file:
                    self._pixels = self._decode(file)
            return self._pixels

    def _open(self):
        try:
            return Image.open(self.path)
        except Image.DecompressionBombError as error:
            raise ValueError(
                f"{self.path!r}: {_one_line(error)} Plain images are read as a whole; a tiled "
                "TIFF may be of any size. PIL.Image.MAX_IMAGE_PIXELS sets the limit."
            ) from error
        except Exception as error:  # as below
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise _unreadable(self.path, error) from error

    def _decode(self, file):
        try:
            if "transparency" in file.info or file.mode in ("RGBA", "LA", "PA"):
                return over_white(np.asarray(file.convert("RGBA")))
            return np.asarray(file.convert("RGB"))
        except Exception as error:  # plugins raise whatever a damaged file makes them trip over
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise SlideReadError(self.path, error) from error


class SlideReader:
    """Reads a whole-slide image by OpenSlide; may be shared by threads.

    Parameters
    ----------
    path : str
        The file.
    openslide : module
        OpenSlide's.
    resolution : Resolution, default=None
        What else is known of it; None takes what OpenSlide says.

    Raises
    ------
    ValueError
        If OpenSlide cannot open it.
    """

    def __init__(self, path, openslide, resolution=None):
        self.path, self._error = path, openslide.OpenSlideError
        try:
            self._slide = openslide.OpenSlide(path)
            self.size = self._slide.dimensions
            self._sizes = self._slide.level_dimensions
            self._claimed = self._slide.level_downsamples
            properties = self._slide.properties
            pair = [properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
        except self._error as error:
            raise _unreadable(path, error) from error
        if resolution is None:
            resolution = resolution_of_pair(*pair)
        self.resolution, self.mpp = resolution, resolution.mpp
        self.downsamples = tuple(downsample(self.size, size) for size in self._sizes)

    def level_size(self, level):
        """``(width, height)`` of a level in its pixels."""
        return self._sizes[level]

    def tile_size(self, level):
        """``(width, height)`` of the tiles of a level; None where OpenSlide does not say."""
        names = (f"openslide.level[{level}].tile-{side}" for side in ("width", "height"))
        try:
            width, height = (int(self._slide.properties[name]) for name in names)
        except (KeyError, ValueError):
            return None
        return (width, height) if min(width, height) > 0 else None

    def read(self, level, x, y, width, height):
        """Read a rectangle that lies inside a level, over white.

        Parameters
        ----------
        level : int
            The level.
        x, y, width, height : int
            The rectangle in pixels of the level.

        Returns
        -------
        pixels : uint8 ndarray of shape (height, width, 3)
            RGB.
        off : tuple of float
            ``(x, y)`` in pixels of the level by which the pixels lie to the right of and below
            what was asked for. OpenSlide takes whole level-0 pixels, and a level may be a
            fraction of them off.

        Raises
        ------
        SlideReadError
            If the file is damaged there, or cannot be read.
        """
        claimed = self._claimed[level]
        place = round(x * claimed), round(y * claimed)
        try:
            pixels = np.asarray(self._slide.read_region(place, level, (width, height)))
        except self._error as error:
            raise SlideReadError(self.path, error) from error
        return over_white(pixels), (place[0] / claimed - x, place[1] / claimed - y)


class Opener:
    """Opens a slide when it is first wanted, once in each process.

    A forked process must not share the position in a file with its parent, so that readers are
    kept by process. Copies, pickled ones too, open the file anew.

    Parameters
    ----------
    source : str or uint8 ndarray of shape (height, width, 3)
        Path of a file, or pixels.
    """

    def __init__(self, source):
        self.source, self._of_process = source, {}

    def reader(self):
        """Return the reader of this process; whichever thread asks first opens it."""
        lock, held = self._of_process.setdefault(os.getpid(), (threading.Lock(), []))
        with lock:
            if not held:
                held.append(self.anew())
            return held[0]

    def anew(self):
        """Open the slide for one caller."""
        array = isinstance(self.source, np.ndarray)
        return ArrayReader(self.source) if array else open_reader(self.source)

    def drop(self, reader):
        """Release a reader that failed, unless another one has taken its place."""
        lock, held = self._of_process.get(os.getpid(), (threading.Lock(), []))
        with lock:
            held[:] = [other for other in held if other is not reader]

    def close(self):
        """Release the reader; a thread that is still reading keeps it until it is done."""
        self._of_process.pop(os.getpid(), None)

    def __getstate__(self):
        return {"source": self.source, "_of_process": {}}


def open_reader(path):
    """Open a file with what can read it.

    Parameters
    ----------
    path : str
        A slide or an image.

    Returns
    -------
    SlideReader, TiffReader or ImageReader

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file wants OpenSlide and it is not installed.
    OSError
        If it cannot be read at the moment.
    ValueError
        If it is no slide or image, or its pixels are of a kind that is not read. Every message is
        one line that begins with the path.
    """
    check_file(path)
    if is_tiff(path):
        return _open_tiff(path)
    if path.lower().endswith(_PLAIN):
        return _with_warning(ImageReader(path))
    openslide = _import_openslide()
    if openslide is None:
        return _without_openslide(path)
    if _detect(path, openslide) is not None:
        return SlideReader(path, openslide)
    return _with_warning(ImageReader(path))


def _open_tiff(path):
    """Open a TIFF file with what reads it as its tags say."""
    openslide = _import_openslide()
    known = None
    if openslide is not None:
        with contextlib.suppress(ValueError):  # a compression, for example, that it does not know
            known = _detect(path, openslide)
    try:
        pages, below = read_directories(path)
    except ValueError as error:
        if known not in (None, _GENERIC):  # Hamamatsu's files are no TIFF in all respects
            return SlideReader(path, openslide)
        raise _unreadable(path, error) from error
    try:
        if known not in (None, _GENERIC):
            if max(pages[0].many(Tag.BITS, (1,))) > 8:
                kind_of(pages[0])
            return SlideReader(path, openslide)
        if openslide is None and pages[0].is_tiled:
            raise _needs_openslide(path)
        kind = kind_of(pages[0])
        note = check_planes(pages, kind)
        reader = _reader_of_tiff(path, pages, below, kind, known and openslide)
    except ValueError as error:
        text = _one_line(error)
        raise (error if text.startswith(repr(path)) else ValueError(f"{path!r}: {text}")) from None
    reader.orientation = pages[0].one(Tag.ORIENTATION, 1)
    return _with_warning(reader, note)


def _reader_of_tiff(path, pages, below, kind, openslide):
    first = pages[0]
    # OpenSlide's library takes any fourth sample for alpha, turns tiles one by one, knows no
    # SubIFDs and takes reduced masks for levels.
    is_simple = (
        (kind.samples, kind.bits) == (kind.colours, 8)
        and kind.photometric in (1, 2, 6)
        and first.one(Tag.PLANAR, 1) == 1
        and all(page.one(Tag.ORIENTATION, 1) == 1 and not page.is_mask for page in pages)
    )
    may = openslide is not None and is_simple
    if may and not below and first.one(Tag.COMPRESSION, 1) in _OF_OPENSLIDE:
        return SlideReader(path, openslide, resolution_of_tiff(first))
    if is_decoded(first):
        return TiffReader(path, pages, below)
    if may:
        with contextlib.suppress(ValueError):
            return SlideReader(path, openslide, resolution_of_tiff(first))
    if first.is_tiled or first.one(Tag.ORIENTATION, 1) != 1:
        raise refuse_compression(first)
    return ImageReader(path)


def _import_openslide():
    try:
        import openslide
    except (ImportError, OSError):  # OSError: the package is there, its library is not
        return None
    return openslide


def _detect(path, openslide):
    """Name of the format; None for what OpenSlide does not know, TIFF without tiles among it."""
    try:
        return openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError as error:
        raise _unreadable(path, error) from error


def _without_openslide(path):
    try:
        return _with_warning(ImageReader(path))
    except ValueError:
        raise _needs_openslide(path) from None


def _needs_openslide(path):
    return ImportError(
        f"{path!r}: needs openslide-python; install it with: pip install 'stnclf[slides]'"
    )


def _with_warning(reader, note=""):
    """Say, once for each file, what was assumed of it."""
    turn = getattr(reader, "orientation", 1)
    if turn not in (0, 1):
        note = (
            f"its orientation ({turn}) is not applied: pixels are read and positions count as they "
            "are stored."
        )
    if note:
        warnings.warn(f"{reader.path!r}: {note}", UserWarning, stacklevel=2)
    return reader


def _one_line(error):
    return " ".join(str(error).split())


def _unreadable(path, error):
    return ValueError(f"{path!r}: cannot be read as a slide or image ({_one_line(error)}).")
