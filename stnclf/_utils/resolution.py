"""Micrometres per pixel, from the places where files say them."""

from __future__ import annotations

import math
import re
from typing import Any

from .tiff_kind import ome_pixels
from .tiff_tags import Directory, Tag

__all__ = [
    "Resolution",
    "micrometres_of_unit",
    "micrometres_of_word",
    "resolution_of_dpi",
    "resolution_of_pair",
    "resolution_of_tiff",
]

#: Micrometres per pixel. 72 dots per inch, which many programs write without having been told,
#: are 353; no slide is scanned as coarsely as this.
_COARSEST = 20.0

#: Light shows nothing below 0.2 um, so that no camera of a microscope has pixels as fine as this.
#: What is finer is a number in another unit: a slide of 0.25 um has 0.00025 mm.
_FINEST = 0.01

#: By how much two numbers may differ that are meant to be the same.
_SAME = 0.02

_INCH, _CENTIMETRE = 2, 3

#: Micrometres in one of each; case matters, as in OME's list.
_UNITS = {
    "km": 1e9,
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "nm": 1e-3,
    "pm": 1e-6,
    "\u00c5": 1e-4,
    "yd": 914400.0,
    "ft": 304800.0,
    "in": 25400.0,
    "thou": 25.4,
    "pt": 25400.0 / 72,
    "um": 1.0,
    "\u00b5m": 1.0,  # the micro sign
    "\u03bcm": 1.0,  # the Greek letter
    "\ufffdm": 1.0,  # the micro sign in another encoding than UTF-8
}

#: The same in words, one or several, as ImageJ's users type them.
_WORDS = {
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "inch": 25400.0,
}


class Resolution:
    """Micrometres per pixel, or why they are not known.

    Parameters
    ----------
    mpp : float, default=None
        One number for both axes; None if it is not known.
    why_not : str, default=""
        What is wrong with what the file says.
    axes : tuple of float, default=None
        ``(x, y)`` as the file has them, which may differ; None if they are not known.
    """

    def __init__(
        self,
        mpp: float | None = None,
        why_not: str = "",
        axes: tuple[float, float] | None = None,
    ):
        self.mpp, self.why_not, self.axes = mpp, why_not, axes


def resolution_of_pair(x: object, y: object, where: str = "the file") -> Resolution:
    """Judge what a file says of both axes.

    Parameters
    ----------
    x, y : float, str or None
        Micrometres per pixel.
    where : str, default="the file"
        Where they stand, for the words.

    Returns
    -------
    Resolution
        Known only if both say the same, something plausible: from 0.01 to 20.
    """
    try:
        across, down = float(x), float(y)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return Resolution()
    if not (0 < across < math.inf and 0 < down < math.inf):
        return Resolution()
    usable = min(across, down) >= _FINEST and max(across, down) <= _COARSEST
    axes = (across, down) if usable else None
    if abs(across - down) > _SAME * across and min(across, down) <= _COARSEST:
        text = f"{where} says {across:g} um per pixel across and {down:g} down"
        return Resolution(None, text, axes)
    if across < _FINEST:
        text = f"{where} says {across:g} um per pixel, finer than a microscope sees"
        return Resolution(None, f"{text}: is it in another unit?")
    if axes is None:
        return Resolution()
    return Resolution((across + down) / 2, axes=axes)


def resolution_of_dpi(dpi: object) -> Resolution:
    """Judge dots per inch on both axes, as Pillow reads them."""
    pair: Any = dpi
    try:
        return resolution_of_pair(25400 / pair[0], 25400 / pair[1])
    except (TypeError, IndexError, ZeroDivisionError):
        return Resolution()


def resolution_of_tiff(page: Directory) -> Resolution:
    """Find the resolution in OME-XML, in ImageJ's description or in the tags of a TIFF file.

    Parameters
    ----------
    page : Directory
        Its first image.

    Returns
    -------
    Resolution
        Not known where description and tags contradict each other.
    """
    x, y = (page.fraction(tag) for tag in (Tag.X_RESOLUTION, Tag.Y_RESOLUTION))
    if page.text.startswith("ImageJ="):
        # The numbers stand in the tags, their unit here; the tag of the unit means nothing.
        unit = re.search(r"^unit=(.*)$", page.text, re.MULTILINE)
        factor = micrometres_of_unit(_unescaped(unit[1])) if unit else None
        if factor is None or not x or not y:
            return Resolution()
        return resolution_of_pair(factor / x, factor / y, "ImageJ's description")
    factor = {_INCH: 25400.0, _CENTIMETRE: 1e4}.get(page.one(Tag.UNIT, _INCH))
    tags = Resolution()
    if factor and x and y:
        tags = resolution_of_pair(factor / x, factor / y, "the file")
    ome = _of_ome(page.text)
    if ome is None or (ome.mpp is None and not ome.why_not):
        return tags
    if ome.mpp and tags.mpp and abs(ome.mpp - tags.mpp) > _SAME * ome.mpp:
        return Resolution(
            None, f"OME-XML says {ome.mpp:g} um per pixel, the resolution tags {tags.mpp:g}"
        )
    return ome


def _of_ome(text: str) -> Resolution | None:
    pixels = ome_pixels(text)
    if pixels is None:
        return None
    sizes = []
    for axis in "XY":
        factor = micrometres_of_unit(pixels.get(f"PhysicalSize{axis}Unit", "um"))
        try:
            sizes.append(float(pixels[f"PhysicalSize{axis}"]) * factor)  # type: ignore[operator]
        except (KeyError, TypeError, ValueError):
            return Resolution()
    return resolution_of_pair(sizes[0], sizes[1], "OME-XML")


def micrometres_of_unit(unit: str) -> float | None:
    """Micrometres in one unit of length; None of what is none, such as "pixel"."""
    return _UNITS.get(unit) or micrometres_of_word(unit)


def micrometres_of_word(word: str) -> float | None:
    """Micrometres in one unit of length that is spelled out; None of any other word."""
    word = word.lower()
    singular = word.removesuffix("es") if word.endswith("ches") else word.removesuffix("s")
    return _WORDS.get(singular)


def _unescaped(unit: str) -> str:
    r"""Read ``\u00B5m`` as ImageJ writes it."""

    def decode(match: re.Match[str]) -> str:
        return chr(int(match[1], 16))

    return re.sub(r"\\u([0-9a-fA-F]{4})", decode, unit).strip()
