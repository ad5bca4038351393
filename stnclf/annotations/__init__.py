"""TODO annotations."""

from ._io import read_annotations, resolve_image, write_annotations

__all__ = [
    "read_annotations",
    "resolve_image",
    "write_annotations",
]
