"""Synthetic cells and slides in haematoxylin and eosin, with their truth.

Painted, seeded and quick to make, for examples and tests; no substitute for real images.
"""

from ._synthetic import CELL_TYPES, make_cells, make_slide

__all__ = [
    "CELL_TYPES",
    "make_cells",
    "make_slide",
]
