"""Features of cells as scikit-learn transformers: hand-crafted ones, and those of any network."""

from ._encoder import EncoderFeatures
from ._transformer import CellFeatures

__all__ = [
    "CellFeatures",
    "EncoderFeatures",
]
