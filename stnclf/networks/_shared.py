"""Localizer and classifier that share their first layers: the window is laid on feature maps.

A spatial transformer may stand at any depth of a network (Jaderberg et al., 2015). Here it stands
behind the layers that the localizer needs anyhow, as the pooling of regions of interest does in
detectors (Girshick, 2015).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from ._mean import log_sum_exp
from ._stn import STNNet
from .layers import conv_norm, head, in_float32, named, sample
from .localizers import HeatmapLocalizer, Location, centred_theta

__all__ = ["MapClassifier", "SharedLocalizer", "SharedNet", "flips"]


class SharedLocalizer(HeatmapLocalizer):
    """Heatmap localizer that hands on the maps of its first layers.

    A convolution of stride two, four 3 x 3 convolutions at a half and a quarter of the view, and
    behind these shared layers one of its own, dilated, before the heatmap.

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
    widths : tuple of int, default=(16, 32, 64)
        Maps of the first convolution, and at a half and a quarter of the view.
    """

    reach = 6
    #: The same for the shared layers alone.
    shared_reach = 4

    def __init__(self, n_channels, patch_size, scale, view=64, widths=(16, 32, 64)):
        super().__init__(n_channels, patch_size, scale, view, widths)
        self.n_maps = widths[-1]

    def _layers(self, n_channels, stem, a, b):
        shared = named(
            conv_norm("stem", n_channels, stem, 4, stride=2),
            conv_norm("1", stem, a, 3),
            conv_norm("2", a, a, 3, pool=True),
            conv_norm("3", a, b, 3),
            conv_norm("4", b, b, 3),
        )
        own = named(conv_norm("1", b, b, 3, dilation=2))
        return nn.ModuleDict({"shared": shared, "own": own})

    def forward(self, views):
        """Map views (n, channels, *view) to theta, heatmap and the maps that it was made from."""
        features = self.features["shared"](views)
        logits = self.scored(features)
        return Location(centred_theta(self.peak(logits), self.scale), logits, features)

    def logits(self, views):
        """Score positions of views of any size, a multiple of `step`: (n, height, width)."""
        return self.scored(self.features["shared"](views))

    def scored(self, features):
        """Score positions where the shared maps are known: (n, height, width)."""
        return in_float32(self.position, self.features["own"](features)).squeeze(1)


class MapClassifier(nn.Module):
    """Classifier that reads feature maps in a window, and those of the whole patch.

    Both parts are two 3 x 3 convolutions with batch normalisation, 2 x 2 maximum pooling and the
    mean over all positions; one dense layer reads the features of both.

    Parameters
    ----------
    n_maps, n_classes : int
        Maps that come in, and classes.
    width : int, default=128
        Maps of the convolutions.
    side : int, default=8
        Positions along each side of the window.
    """

    #: Size at which a window is shown to people, and that it is one of the cell's size.
    view, scales = (64, 64), (1.0,)

    def __init__(self, n_maps, n_classes, width=128, side=8):
        super().__init__()
        self.side = side
        self.window, self.patch = (
            named(conv_norm("1", n_maps, width, 3), conv_norm("2", width, width, 3, pool=True))
            for _ in range(2)
        )
        self.halve = nn.MaxPool2d(2)
        self.output = head(nn.Linear(2 * width, n_classes))

    def forward(self, features, theta):
        """Map maps (n, n_maps, height, width) and theta (n, 2, 3) to logits (n, n_classes)."""
        windows = sample(features.float(), theta, (self.side, self.side))
        windows = windows.contiguous(memory_format=torch.channels_last)
        parts = self.window(windows), self.patch(self.halve(features))
        return in_float32(self.output, torch.cat([x.mean((2, 3)) for x in parts], dim=1))


class SharedNet(STNNet):
    """Guided spatial transformer network whose window lies on the localizer's own maps.

    Parameters
    ----------
    localizer : SharedLocalizer
        Makes the maps.
    classifier : MapClassifier
        Reads them.
    patch_size, cell_size, mean, std
        As for `STNNet`.
    """

    def __init__(self, localizer, classifier, patch_size, cell_size, mean, std):
        super().__init__(localizer, classifier, patch_size, cell_size, mean, std)
        self.around = None

    @property
    def trunk(self):
        """The layers that localizer and classifier share."""
        return self.localizer.features["shared"]

    def recognize(self, images, location, patch_theta=None, color=None, tta=False):
        """Classify the cells in patches; arguments and result are those of `STNNet`."""
        thetas, weights = location.theta[:, None], None
        if location.heatmap is not None and self.n_glimpses > 1:
            thetas, weights = self.localizer.glimpses(location.heatmap, self.n_glimpses)
        logits = []
        if location.features is not None:
            logits.append(self._glimpsed(location.features, thetas, weights))
        if tta or not logits:
            views = self.sample_patch(images, patch_theta, self.localizer.view)
            views = self.standardize(views, color)
            for n, turned, moved in _symmetric(views, thetas, tta, known=bool(logits)):
                many = None if weights is None else weights.repeat(n, 1)
                with self.autocast():
                    features = self.trunk(turned)
                again = self._glimpsed(features, moved, many)
                logits += again.unflatten(0, (n, views.shape[0])).unbind(0)
        if len(logits) == 1:
            return logits[0]
        return log_sum_exp(torch.stack(logits).log_softmax(2), 0) - math.log(len(logits))

    def _glimpsed(self, features, thetas, weights):
        """Logits of what lies in some windows, averaged by the windows' weights."""
        with self.autocast():
            logits = [self.classifier(features, theta) for theta in thetas.unbind(1)]
        if weights is None:
            return logits[0]
        return log_sum_exp(torch.stack(logits, 1).log_softmax(2) + weights[:, :, None], 1)


def flips():
    """Mirror images of a view.

    Returns
    -------
    list of tuple
        Of each: the axes, of (rows, columns), that change their direction, and the signs of
        ``(x, y)`` of a point that moves with them. The first one is the view as it is.
    """
    return [
        ([axis for axis in (0, 1) if (down, across)[axis] < 0], (across, down))
        for down in (1, -1)
        for across in (1, -1)
    ]


def _symmetric(views, thetas, tta, known):
    """Yield views and windows as they are, or in batches of their eight symmetries.

    Views that are not square have another shape when they lie on their side; so there are two
    batches. Where what is seen without any change is known, it is left out.
    """
    for turn in (False, True) if tta else (False,):
        chosen = flips() if tta else flips()[:1]
        chosen = chosen[1:] if known and not turn else chosen
        linear, shift = thetas[..., :2], thetas[..., 2:]
        if turn:
            views, linear, shift = views.transpose(2, 3), linear.flip(2, 3), shift.flip(2)
        batch = torch.cat([views.flip([axis - 2 for axis in axes]) for axes, _ in chosen])
        signs = torch.tensor([signs for _, signs in chosen], dtype=shift.dtype, device=shift.device)
        moved = [torch.cat([linear, shift * sign[:, None]], dim=3) for sign in signs]
        yield len(chosen), batch.contiguous(memory_format=torch.channels_last), torch.cat(moved)
