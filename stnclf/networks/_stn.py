"""`STNNet`: localizer, sampler and classifier in one; and what all systems share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ._mean import log_sum_exp
from ._stain import restained
from .layers import SYMMETRIES, identity, reduction_for, sample

__all__ = ["STNNet", "System"]


class System(nn.Module):
    """What all systems share: images come in raw units and are standardised inside.

    Parameters
    ----------
    mean, std : array-like of shape (channels,)
        Standardisation of the images.

    Attributes
    ----------
    bfloat16 : bool
        Whether convolutions and dense layers but the last compute in bfloat16. Sampling,
        theta and the losses are float32 in any case.
    resizes : bool
        Whether whole patches are resized and not sampled, which is the same but for rounding: what
        runs an exported graph resizes several times as fast.
    """

    resizes = False
    bfloat16 = False  # type: ignore[assignment]  # hides Module.bfloat16

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    def scores(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, n_classes) alone."""
        return self(patches)[0]

    def look(self, patches):
        """Map patches to what the classifier is shown of them."""
        raise NotImplementedError

    def sample_patch(self, images, patch_theta, size):
        """Sample whole patches.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            The patches, or images that hold them.
        patch_theta : Tensor of shape (n, 2, 3) or None
            Patch coordinates to image coordinates; None where the images are the patches.
        size : tuple of int
            ``(height, width)`` of the output.

        Returns
        -------
        Tensor of shape (n, channels, *size)
        """
        reduction = self.view_reduction
        if self.resizes and patch_theta is None:
            fine = [side * factor for side, factor in zip(size, reduction)]
            if fine != [*images.shape[2:]]:
                images = F.interpolate(images, fine, mode="bilinear", align_corners=False)
            return images if tuple(reduction) == (1, 1) else F.avg_pool2d(images, reduction)
        theta = identity(images) if patch_theta is None else patch_theta
        return sample(images, theta, size, reduction)

    def standardize(self, views, color=None):
        """Subtract the training images' mean from each channel, divide by their standard deviation.

        Parameters
        ----------
        views : Tensor of shape (n, channels, height, width)
            One view after the other along the channels, where there are several.
        color : Tensor of shape (n, 2, channels) or (n, 4, 3), default=None
            Factors before, and shifts after; two rows more change the stains first (`restained`).

        Returns
        -------
        Tensor of the same shape
        """
        if color is not None and color.shape[1] > 2:
            views, color = restained(views, color[:, 2:]), color[:, :2]
        factor, shift = 1 / self.std[None], (-self.mean / self.std)[None]
        if color is not None:
            factor, shift = color[:, 0] * factor, color[:, 1] + shift
        n_views = views.shape[1] // len(self.mean)
        factor, shift = (t.repeat(1, n_views)[:, :, None, None] for t in (factor, shift))
        # Channels last in memory: convolutions are 1.4 to 1.8 times as fast on the CPU.
        return (views * factor + shift).contiguous(memory_format=torch.channels_last)

    def autocast(self):
        """Return the context in which the networks compute."""
        # Without the cache: a recorded CUDA graph must not find casts that were made before it.
        return torch.autocast(
            self.mean.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False
        )


class STNNet(System):
    """Guided spatial transformer network (figure 3): localizer, sampler, classifier.

    Parameters
    ----------
    localizer, classifier : nn.Module
        Networks with an attribute ``view``, the size ``(height, width)`` they look at; the
        classifier also with ``scales``, the sizes of its windows in cell sizes.
    patch_size, cell_size : tuple of int
        ``(height, width)`` of patch and window in pixels.
    mean, std : array-like of shape (channels,)
        Standardisation of the images.

    Attributes
    ----------
    n_glimpses : int
        How many peaks of a heatmap are looked at, see `recognize`.
    tta : bool
        Whether predictions (`forward`) are averaged over the eight symmetries of the window.
    objectness : bool
        Whether the heatmap learns an absolute probability that a cell is here.
    around : float or None
        How many cell sizes the classifier sees around a known cell; None is the patch.
    """

    n_glimpses, tta, objectness = 1, False, False
    trunk = nn.Identity()  # a classifier of its own shares no layers with the localizer

    def __init__(self, localizer, classifier, patch_size, cell_size, mean, std):
        super().__init__(mean, std)
        self.localizer, self.classifier = localizer, classifier
        self.around = max(classifier.scales)
        self.has_symmetries = patch_size[0] > 1  # a row of pixels has none
        self.view_reduction = reduction_for(patch_size, localizer.view)
        self.window_reductions = [
            reduction_for([scale * side for side in cell_size], classifier.view)
            for scale in classifier.scales
        ]

    def compile_networks(self):
        """Compile both networks with ``torch.compile``; sampling and losses stay as they are."""
        for network in (self.localizer, self.classifier):
            network.compile(dynamic=False)

    def locate(self, images, patch_theta=None, color=None):
        """Find the cell in patches.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            The patches, or images that hold them.
        patch_theta : Tensor of shape (n, 2, 3), default=None
            Patch coordinates to image coordinates; None where the images are the patches.
        color : Tensor of shape (n, 2, channels) or (n, 4, 3), default=None
            See `standardize`.

        Returns
        -------
        Location
        """
        views = self.sample_patch(images, patch_theta, self.localizer.view)
        with self.autocast():
            return self.localizer(self.standardize(views, color))

    def attend(self, images, theta, patch_theta=None):
        """Cut windows out of patches, at the classifier's size.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            The patches, or images that hold them.
        theta : Tensor of shape (n, 2, 3)
            Window coordinates to patch coordinates.
        patch_theta : Tensor of shape (n, 2, 3), default=None
            As for `locate`.

        Returns
        -------
        Tensor of shape (n, n_scales * channels, *view)
            A window for each of the classifier's scales.
        """
        windows = []
        for scale, reduction in zip(self.classifier.scales, self.window_reductions):
            wide = torch.cat([scale * theta[:, :, :2], theta[:, :, 2:]], dim=2)
            windows.append(sample(images, wide, self.classifier.view, reduction, patch_theta))
        return torch.cat(windows, dim=1)

    def classify(self, windows, color=None):
        """Map windows as from `attend`, not yet standardised, to logits (n, n_classes)."""
        with self.autocast():
            return self.classifier(self.standardize(windows, color))

    def recognize(self, images, location, patch_theta=None, color=None, tta=False):
        """Classify the cells in patches, given where they are.

        Parameters
        ----------
        images, patch_theta, color
            As for `locate`.
        location : Location
            With a heatmap, as many of its peaks as ``n_glimpses`` are looked at, and what the
            classifier says of each is weighted with its share.
        tta : bool, default=False
            Whether probabilities are averaged over the eight symmetries of the windows.

        Returns
        -------
        Tensor of shape (n, n_classes)
            Logits.
        """
        if location.heatmap is None or self.n_glimpses == 1:
            return self._classify(self.attend(images, location.theta, patch_theta), color, tta)
        k, n = self.n_glimpses, images.shape[0]
        theta, weights = self.localizer.glimpses(location.heatmap, k)
        windows = torch.cat([self.attend(images, theta[:, j], patch_theta) for j in range(k)])
        color = None if color is None else color.repeat(k, 1, 1)
        logits = self._classify(windows, color, tta).view(k, n, -1)
        return log_sum_exp(logits.log_softmax(2) + weights.T[:, :, None], 0)

    def _classify(self, windows, color, tta):
        if not tta:
            return self.classify(windows, color)
        n = len(SYMMETRIES)
        color = None if color is None else color.repeat(n, 1, 1)
        logits = self.classify(torch.cat([turned(windows) for turned in SYMMETRIES]), color)
        logits = logits.view(n, windows.shape[0], -1)
        return log_sum_exp(logits.log_softmax(2), 0) - math.log(n)

    def look(self, patches):
        """Map patches to the windows that the localizer chooses."""
        windows = self.attend(patches, self.locate(patches).theta)
        return windows[:, : patches.shape[1]]

    def forward(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, k) and theta (n, 2, 3)."""
        location = self.locate(patches)
        tta = self.tta and self.has_symmetries
        logits = self.recognize(patches, location, tta=tta)
        return logits, location.theta
