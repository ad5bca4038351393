"""Slides and images: open them, read regions at any resolution, find tissue, cut patches.

Positions on a slide are ``(x, y)`` in pixels of its largest level (level 0): a whole number is
the middle of a pixel, ``(0, 0)`` the middle of the top-left one. Resolution is ``mpp``,
micrometres per pixel.

Whole-slide formats (SVS, NDPI, MRXS, SCN, tiled TIFF and others) need OpenSlide, which the
extra ``stnclf[slides]`` installs; plain images (PNG, JPEG, BMP, TIFF without tiles) do not. What is
no 8-bit grey or colour is refused, and pixels are never turned as a tag of orientation says.
"""

from ._extract import extract_patches
from ._pyramid import write_pyramid_tiff
from ._read_errors import SlideReadError
from ._slide import Slide

__all__ = [
    "Slide",
    "SlideReadError",
    "extract_patches",
    "write_pyramid_tiff",
]
