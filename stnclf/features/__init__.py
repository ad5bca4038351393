"""TODO features."""

from ._transformer import CellFeatures

__all__ = [
    "CellFeatures",
]
