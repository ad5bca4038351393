"""A fitted estimator's prediction as one torch module, from whole images to its outputs."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..networks import System
from ..sampling import Frame

__all__ = ["Predictor"]


class Predictor(nn.Module):
    """Classes and positions of the cells in whole images.

    Parameters
    ----------
    system : System
        The estimator's networks. They are copied, to the CPU and in evaluation mode.
    frame : Frame
        Sizes of the images and of their central patch.
    divisor : float
        What the images are divided by.
    """

    def __init__(self, system: System, frame: Frame, divisor: float) -> None:
        super().__init__()
        self.system = copy.deepcopy(system).cpu().eval()
        self.system.resizes = True
        self.frame, self.divisor = frame, divisor
        (left, top), (height, width) = frame.origin, frame.patch
        self.half_patch: Tensor
        self.patch_middle: Tensor
        self.register_buffer(
            "half_patch", torch.tensor([width / 2, height / 2], dtype=torch.float32)
        )
        middle = [left + (width - 1) / 2, top + (height - 1) / 2]
        self.register_buffer("patch_middle", torch.tensor(middle, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict.

        Parameters
        ----------
        images : Tensor of shape (n, height, width, channels)
            uint8 or float32.

        Returns
        -------
        probabilities : Tensor of shape (n, n_classes)
        centers : Tensor of shape (n, 2)
            ``(x, y)`` in pixels of the images.
        theta : Tensor of shape (n, 2, 3)
            Window coordinates to patch coordinates.
        """
        (left, top), (height, width) = self.frame.origin, self.frame.patch
        patches = images[:, top : top + height, left : left + width].permute(0, 3, 1, 2).float()
        if self.divisor != 1.0:
            patches = patches / self.divisor
        logits, theta = self.system(patches)
        # The middle of the window, see `stnclf.geometry.theta_centers`.
        return logits.softmax(1), theta[:, :, 2] * self.half_patch + self.patch_middle, theta
