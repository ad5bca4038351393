"""TODO slides."""

from ._extract import extract_patches
from ._pyramid import write_pyramid_tiff
from ._slide import Slide

__all__ = [
    "Slide",
    "extract_patches",
    "write_pyramid_tiff",
]
