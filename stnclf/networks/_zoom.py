"""A refinement: the pixels in the window, seen through the layers that found it.

Where the patch is wide, a cell is a few positions of the localizer's maps: enough to say that it
may be the one, too little to tell it from its lookalikes. Here the best positions are read again
at the resolution of the pixels, by the same first layers, and the one that matches an annotated
cell best is taken. Detectors do the same with the regions that they propose (Ren et al., 2015).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from ._shared import SharedNet
from .layers import SYMMETRIES, conv_norm, head, identity, in_float32, named, sample

__all__ = ["Candidates", "ZoomClassifier", "ZoomNet"]


class Candidates(NamedTuple):
    """Places that were looked at in each of n patches.

    Attributes
    ----------
    thetas : Tensor of shape (n, k, 2, 3)
        Window coordinates to patch coordinates.
    scores : Tensor of shape (n, k)
        Logits of which window is that of the annotated cell.
    logits : Tensor of shape (n, k, n_classes)
        Logits of the classes of what lies there.
    """

    thetas: torch.Tensor
    scores: torch.Tensor
    logits: torch.Tensor

    def mixture(self):
        """Average the class probabilities by the positions' weights: logarithms, (n, n_classes)."""
        shares = self.scores.log_softmax(1)[:, :, None]
        return (self.logits.log_softmax(2) + shares).logsumexp(1)

    def best(self):
        """Return the transforms of the windows with the highest scores: (n, 2, 3)."""
        rows = torch.arange(self.scores.shape[0], device=self.scores.device)
        return self.thetas[rows, self.scores.argmax(1)]


class ZoomClassifier(nn.Module):
    """Classifier that reads the maps of a magnified window, and those of the whole patch.

    Both parts are 2 x 2 maximum pooling, two 3 x 3 convolutions with batch normalisation, pooling
    again and the mean over all positions. One dense layer classifies the cell from the features of
    both; another one tells from the window's how well it matches an annotated cell.

    Parameters
    ----------
    n_maps, n_classes : int
        Maps that come in, and classes.
    width : int, default=128
        Maps of the convolutions.
    view : int, default=48
        Side at which the window is seen, in pixels.
    """

    scales = (1.0,)

    def __init__(self, n_maps, n_classes, width=128, view=48):
        super().__init__()
        self.view = (view, view)
        self.window, self.patch = (
            named(
                {"pool": nn.MaxPool2d(2)},
                conv_norm("1", n_maps, width, 3),
                conv_norm("2", width, width, 3, pool=True),
            )
            for _ in range(2)
        )
        self.output = head(nn.Linear(2 * width, n_classes))
        self.match = head(nn.Linear(width, 1))

    def reset_head(self):
        """Start the patch branch at zero: the first stage shows windows alone."""
        self.output.weight[:, self.match.in_features :] = 0

    def read_patch(self, maps):
        """Map the patch's maps (n, n_maps, height, width) to features (n, width)."""
        return self.patch(maps).mean((2, 3))

    def forward(self, maps, patch=None):
        """Map the windows' maps, and the patches' features, to logits and matches.

        Parameters
        ----------
        maps : Tensor of shape (n, n_maps, height, width)
            What the first layers make of the windows.
        patch : Tensor of shape (n, width), default=None
            From `read_patch`; None where only windows are seen.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
        match : Tensor of shape (n,)
        """
        near = self.window(maps).mean((2, 3))
        patch = torch.zeros_like(near) if patch is None else patch
        logits = in_float32(self.output, torch.cat([near, patch], dim=1))
        return logits, in_float32(self.match, near)[:, 0]


class ZoomNet(SharedNet):
    """Guided spatial transformer network that looks again where its localizer found something.

    Parameters
    ----------
    localizer : SharedLocalizer
        Its first layers see the windows, too.
    classifier : ZoomClassifier
        Reads what they make of them.
    patch_size, cell_size, mean, std
        As for `STNNet`.

    Notes
    -----
    The positions come from the heatmap, which learns them from its own loss: no gradient goes
    through the sampler to it. The classes reach the localizer by the layers that it shares.
    """

    compares = True

    def __init__(self, localizer, classifier, patch_size, cell_size, mean, std):
        super().__init__(localizer, classifier, patch_size, cell_size, mean, std)
        self.around = max(classifier.scales)

    @property
    def reader(self):
        """What of the classifier learns from windows alone."""
        return nn.ModuleList([self.classifier.window, self.classifier.output])

    def classify_known(self, images, theta, patch_theta=None, color=None):
        """Classify the cells in windows alone; arguments and result are those of `STNNet`."""
        windows = self.standardize(self.attend(images, theta, patch_theta), color)
        with self.autocast():
            return self.classifier(self.trunk(windows))[0]

    def candidates(self, images, location, patch_theta=None, color=None, tta=False):
        """Classify the windows at the best positions.

        Parameters
        ----------
        images, location, patch_theta, color, tta
            As for `recognize`.

        Returns
        -------
        Candidates
        """
        patch_theta = identity(images) if patch_theta is None else patch_theta
        features = location.features
        if features is None:
            views = sample(images, patch_theta, self.localizer.view, self.view_reduction)
            with self.autocast():
                features = self.trunk(self.standardize(views, color))
        thetas, shares = location.theta[:, None], 0.0
        if location.heatmap is not None and self.n_glimpses > 1:
            thetas, shares = self.localizer.glimpses(location.heatmap.detach(), self.n_glimpses)
        thetas = thetas.detach()
        n, k = thetas.shape[:2]
        turns = SYMMETRIES if tta else SYMMETRIES[:1]
        windows = torch.cat([self.attend(images, theta, patch_theta) for theta in thetas.unbind(1)])
        windows = torch.cat([turned(windows) for turned in turns])
        many = len(turns) * k
        color = None if color is None else color.repeat(many, 1, 1)
        windows = self.standardize(windows, color)
        with self.autocast():
            patch = self.classifier.read_patch(features).repeat(many, 1)
            logits, match = self.classifier(self.trunk(windows), patch)
        logits = logits.view(len(turns), k, n, -1).log_softmax(3).logsumexp(0)
        match = match.view(len(turns), k, n).mean(0)
        return Candidates(thetas, shares + match.T, logits.transpose(0, 1) - math.log(len(turns)))

    def recognize(self, images, location, patch_theta=None, color=None, tta=False):
        """Classify the cells in patches; arguments and result are those of `STNNet`.

        Of a heatmap's ``n_glimpses`` best peaks each has the share that the heatmap and the second
        look give it.
        """
        return self.candidates(images, location, patch_theta, color, tta).mixture()

    def look(self, patches):
        """Map patches to the windows that are believed."""
        return self.attend(patches, self(patches)[1])

    def forward(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, k) and theta (n, 2, 3)."""
        location = self.locate(patches)
        seen = self.candidates(patches, location, tta=self.tta and self.has_symmetries)
        return seen.mixture(), seen.best()
