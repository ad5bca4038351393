"""Hand-crafted features of cells, as a scikit-learn transformer."""

from ._transformer import CellFeatures

__all__ = [
    "CellFeatures",
]
