"""How files of slides and images are opened, and how the pixels of a pyramid level are read.

A reader has ``size``, ``(width, height)`` of level 0 in pixels; ``mpp``, micrometres per pixel or
None; ``downsamples``, level-0 pixels per pixel of each level; and ``read``. OpenSlide reads
whole-slide formats, Pillow plain images.
"""

from __future__ import annotations

import math
import os
import threading

import numpy as np
from PIL import Image

from .._utils.checks import check_file
from .._utils.images import EIGHT_BIT_MODES

__all__ = ["ArrayReader", "ImageReader", "Opener", "SlideReader", "open_reader"]

#: Endings of what only Pillow can read, so that OpenSlide need not be there.
_PLAIN = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")

#: Micrometres per pixel. 72 dots per inch, which many programs write without having been told,
#: are 353; no slide is scanned as coarsely as this.
_COARSEST = 20.0

_TILE_WIDTH = 322  # a tag that tiled TIFF files have


class ArrayReader:
    """Reads an array: one level, no resolution.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width, 3)
        The image.
    """

    mpp, downsamples = None, (1.0,)

    def __init__(self, pixels):
        self.pixels, self.size = pixels, pixels.shape[1::-1]

    def level_size(self, level):
        """Give ``(width, height)`` of the only level."""
        return self.size

    def read(self, level, x, y, width, height):
        """Give a rectangle that lies inside, and the ``(x, y)`` by which it is off, none."""
        return self.pixels[y : y + height, x : x + width], (0.0, 0.0)


class ImageReader(ArrayReader):
    """Reads a file by Pillow: its header now, its pixels when some are wanted.

    Parameters
    ----------
    path : str
        The file; the first image in it is taken.

    Raises
    ------
    ValueError
        If it is no image, or one of more pixels than Pillow allows, or not of 8 bits.
    """

    def __init__(self, path):
        self.path, self._lock, self._pixels = path, threading.Lock(), None
        with self._open() as file:
            self.size = file.size
            self.mpp = _mpp_of_dpi(file.info.get("dpi"))
            self.is_tiled = _TILE_WIDTH in getattr(file, "tag_v2", ())
            mode = file.mode
        if mode not in EIGHT_BIT_MODES:
            raise ValueError(f"{path!r}: has pixels of mode {mode!r}, wants 8-bit grey or colour.")

    @property
    def pixels(self):
        """The whole image, uint8 of shape (height, width, 3)."""
        with self._lock:
            if self._pixels is None:
                with self._open() as file:
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
            raise _unreadable(self.path, error) from error

    def _decode(self, file):
        try:
            if "transparency" in file.info or file.mode in ("RGBA", "LA", "PA"):
                return _over_white(np.asarray(file.convert("RGBA")))
            return np.asarray(file.convert("RGB"))
        except Exception as error:  # plugins raise whatever a damaged file makes them trip over
            raise _unreadable(self.path, error) from error


class SlideReader:
    """Reads a whole-slide image by OpenSlide; may be shared by threads.

    Parameters
    ----------
    path : str
        The file.
    openslide : module
        OpenSlide's.

    Raises
    ------
    ValueError
        If OpenSlide cannot open it.
    """

    def __init__(self, path, openslide):
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
        self.mpp = _usable_mpp(*pair)
        self.downsamples = tuple(_downsample(self.size, size) for size in self._sizes)

    def level_size(self, level):
        """Give ``(width, height)`` of a level in its pixels."""
        return self._sizes[level]

    def read(self, level, x, y, width, height):
        """Give a rectangle that lies inside a level, over white.

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
        ValueError
            If the file is damaged there.
        """
        claimed = self._claimed[level]
        place = round(x * claimed), round(y * claimed)
        try:
            pixels = np.asarray(self._slide.read_region(place, level, (width, height)))
        except self._error as error:
            raise _unreadable(self.path, error) from error
        return _over_white(pixels), (place[0] / claimed - x, place[1] / claimed - y)


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
        """Give the reader of this process; whichever thread asks first opens it."""
        lock, held = self._of_process.setdefault(os.getpid(), (threading.Lock(), []))
        with lock:
            if not held:
                array = isinstance(self.source, np.ndarray)
                held.append(ArrayReader(self.source) if array else open_reader(self.source))
            return held[0]

    def close(self):
        """Let go of the reader; a thread that is still reading keeps it until it is done."""
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
    SlideReader or ImageReader

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file wants OpenSlide and it is not installed.
    ValueError
        If the file cannot be read. Every message is one line that begins with the path.
    """
    check_file(path)
    if path.lower().endswith(_PLAIN):
        return ImageReader(path)
    try:
        import openslide
    except (ImportError, OSError) as error:  # OSError: the package is there, its library is not
        return _without_openslide(path, error)
    try:
        # None for what OpenSlide does not know, TIFF files without tiles among it.
        known = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError as error:
        raise _unreadable(path, error) from error
    if known is not None:
        return SlideReader(path, openslide)
    image = ImageReader(path)
    if image.is_tiled:
        # Pillow would read what is left of a pyramid that was cut off.
        raise _unreadable(path, "a tiled TIFF that OpenSlide does not know, or that is truncated")
    return image


def _without_openslide(path, error):
    try:
        image = ImageReader(path)
    except ValueError:
        image = None
    if image is None or image.is_tiled:
        raise ImportError(
            f"{path!r}: needs openslide-python; install it with: pip install 'stnclf[slides]'"
        ) from error
    return image


def _over_white(pixels):
    """Lay RGBA pixels of shape (height, width, 4) over white; gives RGB."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    if alpha.min() == 255:
        return pixels[:, :, :3]
    covered = pixels[:, :, :3] * alpha + (255 - alpha) * 255
    return ((covered + 127) // 255).astype(np.uint8)


def _downsample(whole, size):
    """Level-0 pixels per pixel of a level: a whole number wherever sizes were only rounded.

    A level of 250 pixels under 1001 is at one quarter, without the last column; the ratio of
    the sizes would be off by a pixel at the far end.
    """
    ratios = [w / s for w, s in zip(whole, size)]
    nearest = round(sum(ratios) / 2)
    if nearest and all(s in (w // nearest, math.ceil(w / nearest)) for w, s in zip(whole, size)):
        return float(nearest)
    return sum(ratios) / 2


def _mpp_of_dpi(dpi):
    try:
        x, y = dpi
        return _usable_mpp(25400 / x, 25400 / y)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _usable_mpp(x, y):
    """One number for both axes; None unless they say the same, something plausible."""
    try:
        x, y = float(x), float(y)
    except (TypeError, ValueError):
        return None
    if not (0 < x <= _COARSEST and 0 < y <= _COARSEST) or abs(x - y) > 0.02 * x:
        return None
    return (x + y) / 2


def _one_line(error):
    return " ".join(str(error).split())


def _unreadable(path, error):
    return ValueError(f"{path!r}: cannot be read as a slide or image ({_one_line(error)}).")
