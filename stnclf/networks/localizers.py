"""Localizers: networks that say where in a patch the cell is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .layers import ConvPool, Inception, conv_norm, head, in_float32, named, view_size

__all__ = [
    "LOCALIZERS",
    "NEVER",
    "DenseLocalizer",
    "FixedLocalizer",
    "HeatmapLocalizer",
    "Location",
    "centred_theta",
]


#: Logit of a position that is out of the question; finite, so that sums over none stay numbers.
NEVER = -1e4


class Location(NamedTuple):
    """Output of a localizer: the transform, and the logits of positions if it has them.

    Attributes
    ----------
    theta : Tensor of shape (n, 2, 3)
        Window coordinates to patch coordinates.
    heatmap : Tensor of shape (n, height, width) or None
        Logits of the positions.
    features : Tensor of shape (n, n_maps, height, width) or None
        What the classifier reads where it shares the localizer's first layers.
    """

    theta: torch.Tensor
    heatmap: torch.Tensor | None
    features: torch.Tensor | None = None


class FixedLocalizer(nn.Module):
    """Localizer where there is nothing to look for: the window is the patch."""

    view = (1, 1)
    has_heatmap = False

    def forward(self, views):
        """Return the identity for each view."""
        eye = torch.eye(2, 3, dtype=torch.float32, device=views.device)
        return Location(eye.expand(views.shape[0], 2, 3), None)


class DenseLocalizer(nn.Module):
    """The paper's localizer (section 4.2): it regresses the six numbers of theta.

    Two convolutions with pooling, an inception block, dense 20, dense 6. The output layer
    starts with zero weights and the known scale as its bias, so that the first window is the
    middle of the patch and not the whole of it.

    Parameters
    ----------
    n_channels : int
        Channels of the images.
    patch_size : tuple of int
        ``(height, width)`` of the patch in pixels, which decides the shape of the view.
    scale : tuple of float
        Window over patch along x and y (equation 2).
    view : int, default=128
        Longer side of the view in pixels.
    widths : tuple of int, default=(16, 32)
        Maps of the two convolutions.
    inception : tuple of int, default=(16, 16, 32, 16, 16, 16)
        Widths of the `Inception` block.
    hidden : int, default=20
        Units of the first dense layer.
    """

    has_heatmap = False

    def __init__(
        self,
        n_channels,
        patch_size,
        scale,
        view=128,
        widths=(16, 32),
        inception=(16, 16, 32, 16, 16, 16),
        hidden=20,
    ):
        super().__init__()
        self.view = view_size(patch_size, view, 16)
        self.scale = scale
        self.block_1 = ConvPool(n_channels, widths[0], 3, padding=1)
        self.block_2 = ConvPool(widths[0], widths[1], 3, padding=1)
        self.inception = Inception(widths[1], *inception)
        n_features = self.inception.n_out * (self.view[0] // 4) * (self.view[1] // 4)
        self.dense = nn.Linear(n_features, hidden)
        self.theta = head(nn.Linear(hidden, 6))

    def reset_head(self):
        """Set the output layer to the centred window, whatever comes in."""
        self.theta.weight.zero_()
        bias = [self.scale[0], 0.0, 0.0, 0.0, self.scale[1], 0.0]
        self.theta.bias.copy_(torch.tensor(bias))

    def forward(self, views):
        """Map views (n, channels, *view) to theta (n, 2, 3)."""
        features = self.inception(self.block_2(self.block_1(views)))
        hidden = F.relu(self.dense(features.flatten(1)))
        return Location(in_float32(self.theta, hidden).view(-1, 2, 3), None)


class HeatmapLocalizer(nn.Module):
    """Localizer that scores positions: one of several candidate cells wins.

    A dense head that regresses coordinates gives the mean of the candidates. Here a
    small convolutional network gives a logit to each position of a grid (a quarter of the
    view); the position is the soft-argmax over the 5 x 5 positions around the highest one. The
    scale is the known one, the angle zero.

    Parameters
    ----------
    n_channels : int
        Channels of the images.
    patch_size : tuple of int
        ``(height, width)`` of the patch in pixels, which decides the shape of the view.
    scale : tuple of float
        Window over patch along x and y (equation 2).
    view : int, default=64
        Longer side of the view in pixels.
    widths : tuple of int, default=(24, 48, 72)
        Maps at full, half and quarter resolution of the view.
    radius : int, default=2
        Half width of the soft-argmax in positions.
    """

    has_heatmap = True

    #: Pixels of the view for each position, and how many positions further the view is seen.
    step, reach = 4, 7

    def __init__(
        self,
        n_channels,
        patch_size,
        scale,
        view=64,
        widths=(24, 48, 72),
        radius=2,
    ):
        super().__init__()
        sides = view_size(patch_size, view, 16)
        self.view = tuple(4 * max(4, round(side / 4)) for side in sides)
        self.scale, self.radius = scale, radius
        self.features = self._layers(n_channels, *widths)
        self.position = head(nn.Conv2d(widths[-1], 1, 1))

    def _layers(self, n_channels, a, b, c):
        return named(
            conv_norm("stem", n_channels, a, 5, pool=True),
            conv_norm("1", a, b, 3),
            conv_norm("2", b, b, 3, pool=True),
            conv_norm("3", b, c, 3),
            conv_norm("4", c, c, 3, dilation=2),
            conv_norm("5", c, c, 3, dilation=2),
        )

    @torch.no_grad()
    def expect_few(self):
        """Start at one cell in a hundred positions, where logits are absolute."""
        self.position.bias.fill_(-math.log(99))

    def forward(self, views):
        """Map views (n, channels, *view) to theta (n, 2, 3) and logits (n, h, w)."""
        logits = self.logits(views)
        return Location(centred_theta(self.peak(logits), self.scale), logits)

    def logits(self, views):
        """Score positions of views of any size, a multiple of `step`: (n, height, width)."""
        return in_float32(self.position, self.features(views)).squeeze(1)

    def peak(self, logits):
        """Local soft-argmax: (n, h, w) logits to (n, 2) normalised ``(u, v)``."""
        return self._read(logits, self._near(logits))

    def glimpses(self, logits, k):
        """Find the k best peaks, and how they share the probability.

        Parameters
        ----------
        logits : Tensor of shape (n, height, width)
            Scores of the positions.
        k : int
            Number of peaks; each leaves out what is within the soft-argmax of one before.

        Returns
        -------
        theta : Tensor of shape (n, k, 2, 3)
            A transform for each, the best one first.
        weights : Tensor of shape (n, k)
            Logarithms of their weights, which sum to one.
        """
        rest, thetas, masses = logits, [], []
        for _ in range(k):
            near = self._near(rest)
            thetas.append(centred_theta(self._read(logits, near), self.scale))
            masses.append(rest.masked_fill(~near, NEVER).flatten(1).logsumexp(1))
            rest = rest.masked_fill(near, NEVER)
        return torch.stack(thetas, 1), torch.stack(masses, 1).log_softmax(1)

    def _near(self, logits):
        """Positions around the highest one, (n, h, w) bool."""
        height, width = logits.shape[1:]
        best = logits.detach().flatten(1).argmax(1)
        rows = torch.arange(height, device=logits.device)
        columns = torch.arange(width, device=logits.device)
        return ((rows - (best // width)[:, None]).abs() <= self.radius)[:, :, None] & (
            (columns - (best % width)[:, None]).abs() <= self.radius
        )[:, None, :]

    def _read(self, logits, near):
        """Soft-argmax over some positions: (n, 2) normalised ``(u, v)``."""
        height, width = logits.shape[1:]
        rows = torch.arange(height, dtype=torch.float32, device=logits.device)
        columns = torch.arange(width, dtype=torch.float32, device=logits.device)
        weight = logits.masked_fill(~near, -torch.inf).flatten(1).softmax(1).view_as(logits)
        u = (weight.sum(1) * ((2 * columns + 1) / width - 1)).sum(1)
        v = (weight.sum(2) * ((2 * rows + 1) / height - 1)).sum(1)
        return torch.stack([u, v], dim=1)


def centred_theta(centers, scale):
    """Make unrotated transforms of a known scale.

    Parameters
    ----------
    centers : Tensor of shape (n, 2)
        Normalised ``(x, y)``.
    scale : tuple of float
        Scale in x and in y.

    Returns
    -------
    Tensor of shape (n, 2, 3)
    """
    zero = torch.zeros_like(centers[:, 0])
    rows = [
        torch.stack([zero + scale[0], zero, centers[:, 0]], dim=1),
        torch.stack([zero, zero + scale[1], centers[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


#: The localizers that the estimator knows by name.
LOCALIZERS = {"dense": DenseLocalizer, "heatmap": HeatmapLocalizer}
