"""Classifiers: networks that classify the cell in a window."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import ConvPool, Inception, conv_norm, head, in_float32, named

__all__ = ["CLASSIFIERS", "InceptionClassifier", "WindowClassifier"]


class InceptionClassifier(nn.Module):
    """The paper's classifier: seven layers on a 32 x 32 window (section 4.2).

    Convolution and pooling twice, an inception block, dense 256, dense classes.

    Parameters
    ----------
    n_channels, n_classes : int
        Channels of the windows, and classes.
    widths : tuple of int, default=(32, 64)
        Maps of the two convolutions.
    inception : tuple of int, default=(32, 32, 64, 16, 16, 16)
        Widths of the `Inception` block.
    hidden : int, default=256
        Units of the first dense layer.
    """

    view = (32, 32)
    scales = (1.0,)

    def __init__(
        self,
        n_channels,
        n_classes,
        widths=(32, 64),
        inception=(32, 32, 64, 16, 16, 16),
        hidden=256,
    ):
        super().__init__()
        self.block_1 = ConvPool(n_channels, widths[0], 3, padding=1)
        self.block_2 = ConvPool(widths[0], widths[1], 3, padding=1)
        self.inception = Inception(widths[1], *inception)
        self.dense = nn.Linear(self.inception.n_out * 8 * 8, hidden)
        self.output = head(nn.Linear(hidden, n_classes))

    def forward(self, windows):
        """Map windows (n, channels, 32, 32) to logits (n, n_classes)."""
        features = self.inception(self.block_2(self.block_1(windows)))
        return in_float32(self.output, F.relu(self.dense(features.flatten(1))))


class WindowClassifier(nn.Module):
    """Batch-normalised classifier that sees the window, and wider ones around it.

    For each window there is a tower of its own. It begins by halving what it sees: the window
    itself by a convolution of stride two, which keeps what is fine in it, wider ones by averaging.
    Then come blocks of two 3 x 3 convolutions with batch normalisation, of which the second ends
    in 2 x 2 maximum pooling, and the mean over all positions. One dense layer reads the features
    of all towers.

    Parameters
    ----------
    n_channels, n_classes : int
        Channels of the images, and classes.
    scales : tuple of float, default=(1.0, 2.0)
        Sides of the windows in cell sizes.
    view : int, default=64
        Side at which each window is seen, in pixels.
    widths : tuple of int, default=(32, 64, 128)
        Maps of the blocks for the first window.
    context_widths : tuple of int, default=(16, 32, 64)
        The same for wider windows.
    stem : int, default=16
        Maps of the convolution that halves the first window; 0 leaves it as it is.
    """

    def __init__(
        self,
        n_channels,
        n_classes,
        scales=(1.0, 2.0),
        view=64,
        widths=(32, 64, 128),
        context_widths=(16, 32, 64),
        stem=16,
    ):
        super().__init__()
        self.view, self.scales = (view, view), tuple(scales)
        first = conv_norm("stem", n_channels, stem, 4, stride=2) if stem else {}
        towers = [named(first, *_blocks(stem or n_channels, widths))]
        for _ in scales[1:]:
            halved = {"halve": nn.AvgPool2d(2)}
            towers.append(named(halved, *_blocks(n_channels, context_widths)))
        self.towers = nn.ModuleList(towers)
        n_features = widths[-1] + (len(scales) - 1) * context_widths[-1]
        self.output = head(nn.Linear(n_features, n_classes))

    def forward(self, windows):
        """Map windows (n, n_scales * channels, *view) to logits (n, n_classes)."""
        windows = windows.chunk(len(self.towers), dim=1)
        features = [tower(x).mean((2, 3)) for tower, x in zip(self.towers, windows)]
        return in_float32(self.output, torch.cat(features, dim=1))


def _blocks(n_in, widths):
    groups = []
    for i, width in enumerate(widths):
        groups.append(conv_norm(f"{2 * i + 1}", n_in, width, 3))
        groups.append(conv_norm(f"{2 * i + 2}", width, width, 3, pool=True))
        n_in = width
    return groups


#: The classifiers that the estimator knows by name.
CLASSIFIERS = {
    "inception": InceptionClassifier,
    "context": WindowClassifier,
}
