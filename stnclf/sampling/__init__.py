"""Batches: which samples an epoch shows, how each is moved and turned, and their pixels.

A training sample is a patch drawn anew each epoch: turned by a random angle about the cell and
moved by a random offset that keeps the whole cell inside (section 4.1). Nothing is cut or
turned here: a batch holds the part of each image, still uint8, that the patch touches, and the
affine transform from the patch to that part. The networks' one sampler call per window then does
crop, offset, rotation and scale together.
"""

from ._augmentation import Augmentation, Draws, cut, draw_batch, draw_positions
from ._batch import Batch, CellDataset, Frame
from ._batches import (
    TrainingBatches,
    balanced_index,
    channel_statistics,
    held_out_batches,
    patch_batches,
)

__all__ = [
    "Augmentation",
    "Batch",
    "CellDataset",
    "Draws",
    "Frame",
    "TrainingBatches",
    "balanced_index",
    "channel_statistics",
    "cut",
    "draw_batch",
    "draw_positions",
    "held_out_batches",
    "patch_batches",
]
