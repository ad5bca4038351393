"""The networks: the classifier, and the two systems of the paper.

Plain torch modules on images of shape (n, channels, height, width); nothing here knows
scikit-learn or skorch.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .layers import (
    SYMMETRIES,
    ConvPool,
    head,
    identity,
    in_float32,
    reduction_for,
    sample,
    view_size,
)
from .localizers import Location, centred_theta

__all__ = ["CiresanNet", "STNNet"]


class _System(nn.Module):
    """What both systems share: images come in raw units and are standardised inside.

    Attributes
    ----------
    bfloat16 : bool
        Whether convolutions and dense layers but the last compute in bfloat16. Sampling,
        theta and the losses are float32 in any case.
    """

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

    def standardize(self, views, color=None):
        """Subtract the training images' mean from each channel, divide by their spread.

        Parameters
        ----------
        views : Tensor of shape (n, channels, height, width)
            One view after the other along the channels, where there are several.
        color : Tensor of shape (n, 2, channels), default=None
            Factors before, and shifts after.

        Returns
        -------
        Tensor of the same shape
        """
        factor, shift = 1 / self.std[None], (-self.mean / self.std)[None]
        if color is not None:
            factor, shift = color[:, 0] * factor, color[:, 1] + shift
        n_views = views.shape[1] // len(self.mean)
        factor, shift = (t.repeat(1, n_views)[:, :, None, None] for t in (factor, shift))
        # Channels last in memory: convolutions are 1.4 to 1.8 times as fast on the CPU.
        return (views * factor + shift).contiguous(memory_format=torch.channels_last)

    def autocast(self):
        """Give the context in which the networks compute."""
        # Without the cache: a recorded CUDA graph must not find casts that were made before it.
        return torch.autocast(
            self.mean.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False
        )


class STNNet(_System):
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
    compares : bool
        Whether several places are looked at and compared in training.
    around : float or None
        How many cell sizes the classifier sees around a known cell; None is the patch.
    """

    n_glimpses, tta, compares = 1, False, False
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

    @property
    def reader(self):
        """What of the classifier learns in the first stage."""
        return self.classifier

    def compile_networks(self):
        """Let ``torch.compile`` make both networks' code; sampling and losses stay as they are."""
        for network in (self.localizer, self.classifier):
            network.compile(dynamic=False)

    def locate(self, images, place=None, color=None):
        """Find the cell in patches.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            The patches, or images that hold them.
        place : Tensor of shape (n, 2, 3), default=None
            Patch coordinates to image coordinates; None where the images are the patches.
        color : Tensor of shape (n, 2, channels), default=None
            See `standardize`.

        Returns
        -------
        Location
        """
        place = identity(images) if place is None else place
        views = sample(images, place, self.localizer.view, self.view_reduction)
        with self.autocast():
            return self.localizer(self.standardize(views, color))

    def attend(self, images, theta, place=None):
        """Cut windows out of patches, at the classifier's size.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width)
            The patches, or images that hold them.
        theta : Tensor of shape (n, 2, 3)
            Window coordinates to patch coordinates.
        place : Tensor of shape (n, 2, 3), default=None
            As for `locate`.

        Returns
        -------
        Tensor of shape (n, n_scales * channels, *view)
            A window for each of the classifier's scales.
        """
        windows = []
        for scale, reduction in zip(self.classifier.scales, self.window_reductions):
            wide = torch.cat([scale * theta[:, :, :2], theta[:, :, 2:]], dim=2)
            windows.append(sample(images, wide, self.classifier.view, reduction, place))
        return torch.cat(windows, dim=1)

    def classify(self, windows, color=None):
        """Map windows as from `attend`, not yet standardised, to logits (n, n_classes)."""
        with self.autocast():
            return self.classifier(self.standardize(windows, color))

    def recognize(self, images, location, place=None, color=None, tta=False):
        """Name the cells in patches, on what was said of where they are.

        Parameters
        ----------
        images, place, color
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
            return self._name(self.attend(images, location.theta, place), color, tta)
        k, n = self.n_glimpses, len(images)
        theta, weights = self.localizer.glimpses(location.heatmap, k)
        windows = torch.cat([self.attend(images, theta[:, j], place) for j in range(k)])
        color = None if color is None else color.repeat(k, 1, 1)
        logits = self._name(windows, color, tta).view(k, n, -1)
        return (logits.log_softmax(2) + weights.T[:, :, None]).logsumexp(0)

    def name_known(self, images, theta, place=None, color=None):
        """Name the cells in windows ``theta`` (n, 2, 3) that are known: logits (n, n_classes)."""
        return self.recognize(images, Location(theta, None), place, color)

    def _name(self, windows, color, tta):
        if not tta:
            return self.classify(windows, color)
        n = len(SYMMETRIES)
        color = None if color is None else color.repeat(n, 1, 1)
        logits = self.classify(torch.cat([turned(windows) for turned in SYMMETRIES]), color)
        logits = logits.view(n, len(windows), -1)
        return logits.log_softmax(2).logsumexp(0) - math.log(n)

    def look(self, patches):
        """Map patches to the windows that the localizer chooses."""
        windows = self.attend(patches, self.locate(patches).theta)
        return windows[:, : patches.shape[1]]

    def forward(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, k) and theta (n, 2, 3).

        Where the localizer has class maps, what is seen in the windows counts with the share
        of the peaks that they lie on, and the maps speak for all other positions.
        """
        location = self.locate(patches)
        tta = self.tta and self.has_symmetries
        logits = self.recognize(patches, location, tta=tta)
        return self.with_maps(location, logits), location.theta

    def with_maps(self, location, logits):
        """Let class maps, if there are any, speak for what was not looked at."""
        if location.maps is None:
            return logits
        peaks, others = self.localizer.elsewhere(location, self.n_glimpses)
        return torch.logaddexp(peaks + logits.log_softmax(1), others)


class CiresanNet(_System):
    """The 12-layer network of Ciresan et al. (2013), with as many classes as wanted.

    Five convolutions with kernels of 2, 3, 3, 2 and 2 px and 16 maps, each followed by 2 x 2
    maximum pooling, then 100 fully connected units and the classes (section 4.4). No padding:
    where a map has an odd side, pooling drops its last row or column.

    Parameters
    ----------
    n_channels, n_classes : int
        Channels of the patches, and classes.
    patch_size, cell_size : tuple of int
        ``(height, width)`` in pixels. Patches with sides of 69 to 128 px are taken as they
        are, others are resampled to 128 px; ``cell_size`` is only the scale of theta.
    mean, std : array-like of shape (channels,)
        Standardisation of the images.
    width : int, default=16
        Maps of each convolution.
    hidden : int, default=100
        Units of the first fully connected layer.
    """

    #: Index of the block whose maps give the class-activation map (14 x 14 for 128 px).
    cam_block = 2

    def __init__(
        self, n_channels, n_classes, patch_size, cell_size, mean, std, width=16, hidden=100
    ):
        super().__init__(mean, std)
        fits = all(69 <= side <= 128 for side in patch_size)
        self.view = tuple(patch_size) if fits else view_size(patch_size, 128, 69)
        self.view_reduction = reduction_for(patch_size, self.view)
        self.scale = (cell_size[1] / patch_size[1], cell_size[0] / patch_size[0])
        blocks, (height, width_px), n_in = [], self.view, n_channels
        # Without padding, position j of the maps looks at pixel step * j + first of the view.
        step, first = 1, 0.0
        for i, kernel in enumerate((2, 3, 3, 2, 2)):
            blocks.append(ConvPool(n_in, width, kernel))
            height, width_px, n_in = (height - kernel + 1) // 2, (width_px - kernel + 1) // 2, width
            if i <= self.cam_block:
                first += step * ((kernel - 1) / 2 + 0.5)
                step *= 2
                self.cam_shape = (height, width_px)
        self.blocks, self.cam_step, self.cam_first = nn.ModuleList(blocks), step, first
        self.dense_shape = (height, width_px)
        self.dense = nn.Linear(width * height * width_px, hidden)
        self.output = head(nn.Linear(hidden, n_classes))

    def attend(self, images, theta):
        """Cut the patches ``theta`` (n, 2, 3) out of the images, at the network's size."""
        return sample(images, theta, self.view, self.view_reduction)

    def classify(self, views, color=None):
        """Map views (n, channels, *view), not yet standardised, to logits."""
        with self.autocast():
            return self.tail(self.trunk(self.standardize(views, color)))

    def recognize(self, images, location, place, color=None):
        """Name the cells in the patches at ``place``; ``location`` is not looked at."""
        return self.classify(self.attend(images, place), color)

    def compile_networks(self):
        """Let ``torch.compile`` make the network's code."""
        self.trunk = torch.compile(self.trunk, dynamic=False)
        self.tail = torch.compile(self.tail, dynamic=False)

    def look(self, patches):
        """Bring whole patches to the network's size."""
        return self.attend(patches, identity(patches))

    def scores(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, n_classes) alone."""
        return self.classify(self.look(patches))

    def trunk(self, x):
        """Layers up to the maps of the class-activation map."""
        for block in self.blocks[: self.cam_block + 1]:
            x = block(x)
        return x

    def tail(self, x):
        """Layers from the maps of the class-activation map to the logits."""
        for block in self.blocks[self.cam_block + 1 :]:
            x = block(x)
        return in_float32(self.output, F.relu(self.dense(x.flatten(1))))

    def scores_everywhere(self, views):
        """Classify every window of large views, all at once.

        Parameters
        ----------
        views : Tensor of shape (n, channels, height, width)
            Images at the network's resolution, not yet standardised.

        Returns
        -------
        Tensor of shape (n, n_classes, n_rows, n_columns)
            Logits of the windows of size ``view`` that begin at multiples of ``cam_step``
            pixels and lie inside.

        Notes
        -----
        The blocks up to `trunk` have a step of ``cam_step`` pixels and no padding, so that
        neighbouring windows share their maps. Behind it pooling takes the maximum at every
        position instead of every second one, and what follows looks that much wider, as in the
        fragments of Giusti et al. (2013). The results are those of windows one by one.
        """
        with self.autocast():
            x, dilation = self.trunk(self.standardize(views)), 1
            for convolution, *_ in self.blocks[self.cam_block + 1 :]:
                x = F.conv2d(x, convolution.weight, convolution.bias, dilation=dilation)
                x = F.relu(F.max_pool2d(x, 2, stride=1, dilation=dilation))
                dilation *= 2
            weight = self.dense.weight.view(len(self.dense.weight), -1, *self.dense_shape)
            x = F.relu(F.conv2d(x, weight, self.dense.bias, dilation=dilation))
        # Pooling leaves out what is odd, so that windows that are cut off fit in at the end.
        rows, columns = (
            (side - window) // self.cam_step + 1 for side, window in zip(views.shape[2:], self.view)
        )
        x = x[:, :, :rows, :columns].movedim(1, -1)
        return in_float32(self.output, x).movedim(-1, 1)

    def forward(self, patches):
        """Map patches (n, channels, *patch_size) to logits (n, k) and theta (n, 2, 3).

        The translation of theta is the peak of the class-activation map of the predicted
        class, maps times gradients (Draelos and Carin, 2020), its scale the known one.
        """
        views = self.standardize(self.look(patches))
        with torch.enable_grad():
            maps = self.trunk(views).detach().requires_grad_()
            logits = self.tail(maps)
            (slope,) = torch.autograd.grad(logits.max(1).values.sum(), maps)
        heat = F.relu((slope * maps.detach()).sum(1))
        return logits.detach(), centred_theta(self.peak(heat), self.scale)

    def peak(self, heat):
        """Find the centre of mass of the 3 x 3 positions around the peak.

        Parameters
        ----------
        heat : Tensor of shape (n, height, width)
            Activation maps, 0 or more.

        Returns
        -------
        Tensor of shape (n, 2)
            Normalised ``(u, v)`` in the patch; the middle for a map that is flat.
        """
        height, width = heat.shape[1:]
        rows = torch.arange(height, device=heat.device)[None, :, None]
        columns = torch.arange(width, device=heat.device)[None, None, :]
        flat = heat.flatten(1)
        # Of positions that tie but for rounding, the first: the batch must not decide.
        best = (flat >= 0.9999 * flat.amax(1, keepdim=True)).to(torch.int8).argmax(1)
        near = ((rows - (best // width)[:, None, None]).abs() <= 1) & (
            (columns - (best % width)[:, None, None]).abs() <= 1
        )
        mass = torch.where(near, heat, 0.0)
        total = mass.sum((1, 2))
        empty = total <= 0
        total = torch.where(empty, 1.0, total)
        x = self.cam_step * (mass * columns).sum((1, 2)) / total + self.cam_first
        y = self.cam_step * (mass * rows).sum((1, 2)) / total + self.cam_first
        centers = torch.stack(
            [(2 * x + 1) / self.view[1] - 1, (2 * y + 1) / self.view[0] - 1], dim=1
        )
        return centers.masked_fill(empty[:, None], 0.0)
