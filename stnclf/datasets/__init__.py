"""TODO datasets."""

from ._synthetic import CELL_TYPES, make_cells, make_slide

__all__ = [
    "CELL_TYPES",
    "make_cells",
    "make_slide",
]
