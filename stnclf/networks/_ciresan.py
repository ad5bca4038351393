"""The 12-layer network of Ciresan et al. (2013), which the paper compares with.

A plain torch module on images of shape (n, channels, height, width), as those of `networks`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ._stn import System
from .layers import (
    ConvPool,
    head,
    in_float32,
    reduction_for,
    sample,
    view_size,
)
from .localizers import centred_theta

__all__ = ["CiresanNet"]


class CiresanNet(System):
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

    def recognize(self, images, location, patch_theta, color=None):
        """Classify the cells in the patches at ``patch_theta``; ``location`` is not looked at."""
        return self.classify(self.attend(images, patch_theta), color)

    def compile_networks(self):
        """Compile the network with ``torch.compile``."""
        self.trunk = torch.compile(self.trunk, dynamic=False)
        self.tail = torch.compile(self.tail, dynamic=False)

    def look(self, patches):
        """Bring whole patches to the network's size."""
        return self.sample_patch(patches, None, self.view)

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
        maps = self.trunk(self.standardize(self.look(patches)))
        logits, slope = self.tail_and_slope(maps)
        heat = F.relu((slope * maps).sum(1)).detach()
        return logits.detach(), centred_theta(self.peak(heat), self.scale)

    def tail_and_slope(self, maps):
        """Apply `tail`, and differentiate its highest logit.

        Parameters
        ----------
        maps : Tensor of shape (n, width, *cam_shape)
            From `trunk`.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
        slope : Tensor of shape (n, width, *cam_shape)
            Derivative of the highest logit of each image with respect to its maps.

        Notes
        -----
        Written out, not left to autograd, so that the graph of an export holds it.
        """
        x, way_back = maps, []
        for convolution, *_ in self.blocks[self.cam_block + 1 :]:
            filtered = convolution(x)
            x, places = F.max_pool2d(filtered, 2, return_indices=True)
            x = F.relu(x)
            way_back.append((convolution, filtered, places, x))
        hidden = F.relu(self.dense(x.flatten(1)))
        logits = self.output(hidden)
        slope = torch.where(hidden > 0, self.output.weight[logits.argmax(1)], 0.0)
        slope = (slope @ self.dense.weight).view_as(x)
        for convolution, filtered, places, x in reversed(way_back):
            slope = torch.where(x > 0, slope, 0.0).flatten(2)
            unpooled = torch.zeros_like(filtered).flatten(2).scatter(2, places.flatten(2), slope)
            slope = F.conv_transpose2d(unpooled.view_as(filtered), convolution.weight)
        return logits, slope

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
