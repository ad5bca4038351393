"""Finders for the heatmap localizer, which sees a whole block of a slide at once."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..geometry import cell_theta
from ..networks import centred_theta
from ._finders import Finder, is_peak

__all__ = ["HeatFinder", "SharedFinder"]


class HeatFinder(Finder):
    """Finder for the heatmap localizer, with a classifier that reads pixels.

    Candidates are the positions whose logit is the highest within the radius of the localizer's
    soft-argmax, which also says where exactly the cell is. The classifier then sees the patch
    around each of them. Where the localizer has learned how probable it is that a cell is here,
    the probabilities of the classes are multiplied by that, and peaks that cannot be probable
    enough are not classified.
    """

    def __init__(self, module, estimator, reported, min_probability):
        super().__init__(module, estimator, reported, min_probability)
        self.localizer = module.localizer
        self.absolute = getattr(estimator, "objectness_", False)
        self.radius = self.localizer.radius
        #: Positions around a block that the localizer sees, ``(columns, rows)``.
        self.margin = np.full(2, self.localizer.reach + self.radius)
        self.zoom = self.patch_xy / self.localizer.view[::-1]
        self.step = self.localizer.step * self.zoom

    def box(self, block):
        """Pixels that the localizer sees, and those of patches around the peaks."""
        low, high = self._seen(block)
        # A peak may be off its position by the radius of the soft-argmax.
        off = self.radius * self.step + self.patch_xy / 2 + 1
        low = np.minimum(low - 1, block[:2] * self.step - off)
        high = np.maximum(high + 1, block[2:] * self.step + off)
        return (*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())

    def find(self, pixels, box, block, is_wanted):
        """Find the peaks of the heatmap and classify what is there."""
        with self.module.autocast():
            logits = self.localizer.logits(self._standardized(pixels, box, block))
        peaks, objectness = self.peaks(logits, block, is_wanted)
        points, objectness = self.points(peaks), objectness[:, None]
        proba = self.recognize(pixels, box, *self.placed(points), objectness)
        return self.labelled(points, proba * objectness)

    def peaks(self, logits, block, is_wanted):
        """Find the peaks of the heatmap.

        Parameters
        ----------
        logits : Tensor of shape (1, height, width)
            Of the positions of the block and of `margin` more on each side.
        block, is_wanted
            As for `find`.

        Returns
        -------
        peaks : ndarray of shape (n, 2)
            ``(x, y)`` in positions of the grid; the middle of the first one is at 0.5.
        objectness : ndarray of shape (n,)
            Probability that a cell is there; 1 where the localizer has not learned it.
        """
        # Closer to its border the heatmap is that of an image that ends there.
        columns, rows = (self.margin - self.radius).tolist()
        logits = logits[:, rows:-rows, columns:-columns]
        peaks = is_peak(logits, (self.radius, self.radius)).flatten().cpu()
        peaks &= torch.from_numpy(is_wanted(self.cells(block)))
        side = 2 * self.radius + 1
        around = F.unfold(logits[None], side)[0].T[peaks].view(-1, side, side)
        shift = self.localizer.peak(around).cpu().numpy()
        # -1 to 1 are the edges of the `side` positions that the soft-argmax looked at.
        shift = shift.astype(np.float64) * side / 2
        places, objectness = block.positions()[peaks.numpy()] + 0.5 + shift, np.ones(len(shift))
        if self.absolute:
            # The target at this distance from a cell; it is 1 at the cell itself.
            most = np.exp(-(shift**2).sum(axis=1) / 2)
            logit = around[:, self.radius, self.radius].cpu().numpy().astype(np.float64)
            objectness = np.minimum(1.0, 1 / (1 + np.exp(-logit)) / most)
        likely = self.enough(objectness)
        return places[likely], objectness[likely]

    def points(self, peaks):
        """Turn positions of the grid into pixels, ``(x, y)`` of shape (n, 2)."""
        return peaks * self.step - 0.5

    def placed(self, points):
        """Corners of the patches around points ``(x, y)``, and the windows on these."""
        corners = np.floor(points - (self.patch_xy - 1) / 2 + 0.5).astype(int)
        return corners, cell_theta(points - corners, self.patch, self.cell)

    def _seen(self, block):
        """Corners of what the localizer must see for the peaks of a block."""
        grown = block.grown(*self.margin.tolist())
        return np.array(grown[:2]) * self.step, np.array(grown[2:]) * self.step

    def _standardized(self, pixels, box, block):
        """Show the localizer a block and what is around it."""
        low, high = self._seen(block)
        size = np.rint((high - low) / self.step).astype(int) * self.localizer.step
        views = self.view(pixels, box, low, high - low, size[::-1].tolist())
        return self.module.standardize(views)


class SharedFinder(HeatFinder):
    """Finder for a classifier that shares the localizer's first layers: one pass for all cells.

    The shared layers see the whole block once. What the classifier reads of a peak, the maps of
    the patch around it and of the window, is cut out of the block's maps, at whole positions for
    the patch. At the edges of a patch these maps know what lies beyond, where those of a patch
    by itself are padded. With ``tta`` "undecided", what is so is then looked at in its patch.
    """

    def __init__(self, module, estimator, reported, min_probability):
        super().__init__(module, estimator, reported, min_probability)
        #: Positions of a patch, ``(columns, rows)``.
        self.side = np.array(self.localizer.view[::-1]) // self.localizer.step
        # Half a patch around a peak, which may be off its position by the radius; one for the
        # whole positions; and what the shared layers see beyond.
        half = (self.side + 1) // 2 + self.radius + 1
        self.margin = np.maximum(self.margin, half + self.localizer.shared_reach)

    def find(self, pixels, box, block, is_wanted):
        """Find the peaks of the heatmap and classify what the maps hold there."""
        with self.module.autocast():
            features = self.module.trunk(self._standardized(pixels, box, block))
            logits = self.localizer.scored(features)
        peaks, objectness = self.peaks(logits, block, is_wanted)
        points, objectness = self.points(peaks), objectness[:, None]
        corner = np.array(block[:2]) - self.margin
        proba = self.softmax(self._classified(features, peaks - corner))
        if self.tta:
            proba = self.recognize(pixels, box, *self.placed(points), objectness, proba)
        return self.labelled(points, proba * objectness)

    def _classified(self, features, peaks):
        """Classify what is around peaks ``(x, y)``, in positions of `features`, in batches."""
        corners = np.floor(peaks - self.side / 2 + 0.5).astype(int)
        centers = 2 * (peaks - corners) / self.side - 1
        columns, rows = self.side.tolist()
        results = []
        for start in range(0, len(peaks), self.batch):
            part = slice(start, start + self.batch)
            cut = [features[0, :, y : y + rows, x : x + columns] for x, y in corners[part].tolist()]
            maps = torch.stack(cut).contiguous(memory_format=torch.channels_last)
            middle = torch.tensor(centers[part], dtype=torch.float32, device=self.device)
            with self.module.autocast():
                logits = self.module.classifier(maps, centred_theta(middle, self.localizer.scale))
            results.append(logits.cpu().numpy())
        return results
