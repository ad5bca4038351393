"""Staged training: what a stage is, and the skorch net that runs its epochs."""

from ._net import CellNet
from ._optimizer import Optimizer
from ._stage import Stage, guided_stages, learning_rate, stage_loss

__all__ = [
    "CellNet",
    "Optimizer",
    "Stage",
    "guided_stages",
    "learning_rate",
    "stage_loss",
]
