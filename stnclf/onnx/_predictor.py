"""A fitted estimator's prediction as one torch module, from whole images to its outputs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ..networks import EnsembleNet, System
from ..sampling import Frame

__all__ = ["EnsemblePredictor", "Predictor"]


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

    def __init__(self, system: System | EnsembleNet, frame: Frame, divisor: float) -> None:
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
        logits, theta = self.system(self.patches(images))
        return logits.softmax(1), self.middle(theta), theta

    def patches(self, images: Tensor) -> Tensor:
        """Cut the central patches out of images: (n, channels, height, width), from 0 to 1."""
        (left, top), (height, width) = self.frame.origin, self.frame.patch
        patches = images[:, top : top + height, left : left + width].permute(0, 3, 1, 2).float()
        return patches if self.divisor == 1.0 else patches / self.divisor

    def middle(self, theta: Tensor) -> Tensor:
        """Return the middle of the window, see `stnclf.geometry.theta_centers`."""
        return theta[:, :, 2] * self.half_patch + self.patch_middle


class EnsemblePredictor(Predictor):
    """The same for an `EnsembleNet`, which also says how far its members disagree."""

    def forward(  # type: ignore[override]
        self, images: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict.

        Parameters
        ----------
        images : Tensor of shape (n, height, width, channels)
            uint8 or float32.

        Returns
        -------
        probabilities : Tensor of shape (n, n_classes)
            Means over the members.
        centers, theta
            As `Predictor` returns them.
        disagreement : Tensor of shape (n,)
            Standard deviation over the members of the largest probability.
        """
        ensemble: Any = self.system
        logits, theta = ensemble.predict(self.patches(images))
        proba = logits.softmax(2)
        mean = proba.mean(1)
        deviation = (proba - mean[:, None]).pow(2).mean(1).sqrt()
        disagreement = deviation.gather(1, mean.argmax(1, keepdim=True)).squeeze(1)
        return mean, self.middle(theta), theta, disagreement
