"""`EnsembleNet`: several trained networks as one, for all that needs a single module."""

from __future__ import annotations

import math

import torch
from torch import nn

from ._mean import log_sum_exp
from .localizers import Location

__all__ = ["EnsembleNet", "agreed_theta", "mean_logits"]


class EnsembleNet(nn.Module):
    """Trained networks of one patch and cell size, side by side.

    Parameters
    ----------
    members : sequence of System
        The networks; they are not copied.
    patch_size, cell_size : tuple of int
        ``(height, width)`` of patch and window in pixels.

    Attributes
    ----------
    radius : float
        Members whose positions are no further apart than this agree: a quarter of the window's
        shorter side, in pixels.
    """

    def __init__(self, members, patch_size, cell_size):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.patch_size, self.radius = tuple(patch_size), min(cell_size) / 4

    @property
    def mean(self):
        """Channel means of the first member; what stands for the device of all."""
        return self.members[0].mean

    @property
    def resizes(self):
        """Whether whole patches are resized and not sampled, see `System`."""
        return self.members[0].resizes

    @resizes.setter
    def resizes(self, value):
        for member in self.members:
            member.resizes = value

    def predict(self, patches):
        """Map patches to the members' logits (n, n_members, n_classes) and common theta."""
        logits, thetas = zip(*(member(patches) for member in self.members))
        return torch.stack(logits, 1), self.agree(torch.stack(thetas, 1))

    def scores(self, patches):
        """Map patches to the members' logits (n, n_members, n_classes) alone."""
        return torch.stack([member.scores(patches) for member in self.members], 1)

    def agree(self, thetas):
        """Reduce the members' transforms (n, n_members, 2, 3), see `agreed_theta`."""
        return agreed_theta(thetas, self.patch_size, self.radius)

    def locate(self, patches):
        """Find the cell in patches, see `STNNet.locate`."""
        located = [
            member.locate(patches).theta if hasattr(member, "locate") else member(patches)[1]
            for member in self.members
        ]
        return Location(self.agree(torch.stack(located, 1)), None)

    def look(self, patches):
        """Map patches to what the first member's classifier sees in the common windows."""
        first = self.members[0]
        if not hasattr(first, "locate"):  # it sees whole patches
            return first.look(patches)
        return first.attend(patches, self.locate(patches).theta)[:, : patches.shape[1]]

    def forward(self, patches):
        """Map patches (n, channels, *patch_size) to mean logits (n, k) and theta (n, 2, 3)."""
        logits, theta = self.predict(patches)
        return mean_logits(logits), theta


def mean_logits(logits):
    """Logarithm of the members' mean probabilities.

    Parameters
    ----------
    logits : Tensor of shape (n, n_members, n_classes)
        Of each member.

    Returns
    -------
    Tensor of shape (n, n_classes)
    """
    return log_sum_exp(logits.log_softmax(2), 1) - math.log(logits.shape[1])


def agreed_theta(thetas, patch_size, radius):
    """Mean transform of the members that agree on where the cell is.

    Each member has a group: itself and those whose windows' middles are within `radius` of its
    own. The largest group is taken; of several, that of the member that is nearest to all
    others on average, and then the first.

    Parameters
    ----------
    thetas : Tensor of shape (n, n_members, 2, 3)
        Window coordinates to patch coordinates.
    patch_size : tuple of int
        ``(height, width)`` of the patch in pixels.
    radius : float
        In pixels.

    Returns
    -------
    Tensor of shape (n, 2, 3)
    """
    height, width = patch_size
    x, y = thetas[:, :, 0, 2] * (width / 2), thetas[:, :, 1, 2] * (height / 2)
    squared = (x[:, :, None] - x[:, None]) ** 2 + (y[:, :, None] - y[:, None]) ** 2
    near = (squared <= radius**2).float()
    # Distances count for less than one member, however long they are.
    far = squared.sqrt().mean(2)
    best = (near.sum(2) - far / (1 + far)).argmax(1)
    weight = near.gather(1, best[:, None, None].expand(-1, 1, near.shape[2]))[:, 0]
    weight = weight / weight.sum(1, keepdim=True)
    return (weight[:, :, None, None] * thetas).sum(1)
