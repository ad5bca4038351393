"""The way to find cells with networks that do not look for them: maps of class probabilities."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..networks import CiresanNet
from ._finders import WindowFinder, is_peak

__all__ = ["MapFinder"]


class MapFinder(WindowFinder):
    """Finder that maps the probability of each class, for networks that do not look for cells.

    The network is asked about patches that overlap much. As training shows it cells off the
    middle by some distance, a cell raises the map in a disc of that radius; the mean over such a
    disc is highest where the cell is (Ciresan et al., 2013, do the same).
    """

    def __init__(self, module, estimator, reported, min_probability, stride):
        super().__init__(module, estimator, reported, min_probability, stride)
        reach = (self.patch_xy - self.cell[::-1]).min() / 2
        self.halo = np.floor(reach / self.step).astype(int)
        self.radius = np.maximum(1, np.rint(np.array(self.cell[::-1]) / 4 / self.step).astype(int))
        self.kernels = self._kernels(reach).to(self.device)
        self.every = None
        if isinstance(module, CiresanNet):
            zoom = self.patch_xy / module.view[::-1]
            every = self.step / zoom / module.cam_step
            if np.all(every == every.astype(int)):
                self.zoom, self.every = zoom, every.astype(int)

    def _kernels(self, reach):
        """Disc, and disc times the distance along x and along y, of shape (3, 1, h, w)."""
        columns, rows = (np.arange(-n, n + 1) for n in self.halo)
        x, y = np.meshgrid(columns * self.step[0], rows * self.step[1])
        disc = x**2 + y**2 <= reach**2
        kernels = np.stack([disc, disc * x, disc * y]) / disc.sum()
        return torch.tensor(kernels[:, None], dtype=torch.float32)

    def box(self, block):
        """Return the pixels of all patches that the means depend on."""
        left, top, right, bottom = super().box(block.grown(*(self.halo + self.radius)))
        # One more on each side: where a view is finer than the slide, its outermost pixels are
        # interpolated with what lies beyond the patch.
        return left - 1, top - 1, right + 1, bottom + 1

    def find(self, pixels, box, block, is_wanted):
        """Find the peaks in the map of each class that counts."""
        maps = self.maps(pixels, box, block.grown(*(self.halo + self.radius)))
        # Classes take the place of images in a batch.
        means = F.conv2d(maps[:, None], self.kernels)
        inner = means[:, :, self.radius[1] : -self.radius[1], self.radius[0] : -self.radius[0]]
        inner = inner.flatten(2).cpu().numpy().astype(np.float64)
        middles = (block.positions() + 0.5) * self.step - 0.5
        is_there = is_wanted(self.cells(block))
        points, proba, label = [], [], []
        for k in self.reported.tolist():
            peaks = is_peak(means[k, :1], self.radius).flatten().cpu().numpy() & is_there
            # The map is flat where it is all but one; its centre of mass is in the middle.
            shift = inner[k, 1:, peaks] / inner[k, :1, peaks]
            points.append(middles[peaks] + shift)
            proba.append(inner[:, 0, peaks].T)
            label.append(np.full(len(shift), k))
        return self.likely(*(np.concatenate(parts) for parts in (points, proba, label)))

    def maps(self, pixels, box, block):
        """Compute the probability of each class at all positions, as `logits` does."""
        return self.logits(pixels, box, block).softmax(0)

    def logits(self, pixels, box, block):
        """Classify the patches at all positions: a tensor of shape (n_classes, rows, columns)."""
        columns, rows = block.right - block.left, block.bottom - block.top
        if self.every is None:
            corners = block.positions() * self.step - self.lead
            logits = self.apply(self._one_look, pixels, box, corners)
            logits = torch.from_numpy(np.concatenate(logits)).to(self.device)
            return logits.T.reshape(self.n_classes, rows, columns)
        corner = block[:2] * self.step - self.lead
        extent = (np.array([columns, rows]) - 1) * self.step + self.patch_xy
        size = np.rint(extent / self.zoom).astype(int)
        views = self.view(pixels, box, corner, extent, size[::-1].tolist())
        return self.module.scores_everywhere(views)[0, :, :: self.every[1], :: self.every[0]]

    def _one_look(self, patches, part):
        if isinstance(self.module, CiresanNet):
            return self.module.scores(patches)
        return self.module.recognize(patches, self.module.locate(patches))
