"""TODO training."""

from ._net import CellNet
from ._stage import Stage, guided_stages, learning_rate, stage_loss

__all__ = [
    "CellNet",
    "Stage",
    "guided_stages",
    "learning_rate",
    "stage_loss",
]
