"""TODO sampling."""

from ._augmentation import Draws, cut, draw_batch, draw_places
from ._batch import Batch, CellDataset, Frame
from ._batches import (
    TrainingBatches,
    balanced_index,
    channel_statistics,
    held_out_batches,
    patch_batches,
)

__all__ = [
    "Batch",
    "CellDataset",
    "Draws",
    "Frame",
    "TrainingBatches",
    "balanced_index",
    "channel_statistics",
    "cut",
    "draw_batch",
    "draw_places",
    "held_out_batches",
    "patch_batches",
]
