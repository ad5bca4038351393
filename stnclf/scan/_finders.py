"""Ways to find and classify the cells in a rectangle of a slide, one for each kind of network.

A slide at the resolution of training is a plane of pixels; all lengths here are in these. A
finder searches it from positions on a grid that covers the plane without gaps. Which positions
are worked on at a time makes no difference: each finder reads as many pixels around them as its
result depends on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..geometry import theta_centers
from ..networks import Location, sample

__all__ = ["DIGITS", "Block", "Finder", "Found", "PatchFinder", "WindowFinder", "is_peak"]

#: Decimals of probabilities. More would be noise; what is kept, and why, can be told from a table.
DIGITS = 6

#: How far a peak must lie above the mean around it: on empty glass, where all values are equal
#: but for rounding, there is none.
_PROMINENCE = 1e-3

#: What has less than this fraction of the least probability in one orientation is not classified
#: in all symmetries (``tta``), which takes eight times as long.
_SCREEN = 0.1

#: Where ``tta`` is "undecided", what has a probability between these is classified in all
#: symmetries. They do not follow `min_probability`: a cell has one probability, whatever least one
#: is asked for, so that thresholds chosen on one scan hold for another.
_UNDECIDED = 0.3, 0.9


class Block(NamedTuple):
    """Positions of the grid: columns `left` to `right`, rows `top` to `bottom`, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def grown(self, columns, rows):
        """Return the block with more positions on all sides."""
        return Block(self.left - columns, self.top - rows, self.right + columns, self.bottom + rows)

    def positions(self):
        """Return all ``(column, row)``, row by row, as an int ndarray of shape (n, 2)."""
        rows, columns = np.mgrid[self.top : self.bottom, self.left : self.right]
        return np.stack([columns.ravel(), rows.ravel()], axis=1)


class Found(NamedTuple):
    """Cells: positions (n, 2), probabilities (n, n_classes), and the index (n,) of their class."""

    points: np.ndarray
    proba: np.ndarray
    label: np.ndarray


class Finder:
    """Base of the finders.

    Parameters
    ----------
    module : STNNet or CiresanNet
        Trained, in evaluation mode, on the device that it is to compute on.
    estimator : STNCellClassifier or CiresanBaseline
        Has the sizes and classes.
    reported : int ndarray
        Indices of the classes that count.
    min_probability : float
        Least probability of the label of a cell.

    Attributes
    ----------
    step : ndarray of shape (2,)
        Pixels from one position of the grid to the next, ``(x, y)``.
    zoom : ndarray of shape (2,)
        Pixels for each that a network sees where it takes a whole block at once, ``(x, y)``.
    """

    zoom = np.ones(2)

    #: Numbers that are found of each class; the first is its probability.
    per_class = 1

    #: Whether cells are classified as the mean over the symmetries of their patch: none, all
    #: that count, or those that the first look leaves "undecided".
    tta: bool | str = False

    def __init__(self, module, estimator, reported, min_probability):
        self.module, self.reported, self.min_probability = module, reported, min_probability
        self.patch, self.cell = estimator.patch_size_, estimator.cell_size_
        self.n_classes = len(estimator.classes_)
        self.patch_xy = np.array(self.patch[::-1])
        self.device = module.mean.device
        # What is classified at a time: on processors it ought to stay in the cache.
        self.batch = 16 if self.device.type == "cpu" else 512

    def box(self, block):
        """Return the ``(left, top, right, bottom)`` of the pixels that `find` needs."""
        raise NotImplementedError

    def find(self, pixels, box, block, is_wanted):
        """Find the cells at the positions of a block.

        Parameters
        ----------
        pixels : uint8 ndarray of shape (height, width, channels)
            What lies in `box`.
        box : tuple of int
            ``(left, top, right, bottom)``.
        block : Block
            The positions.
        is_wanted : callable
            Takes rectangles, (n, 4) like `box`; returns in which of them cells are wanted.

        Returns
        -------
        Found
        """
        raise NotImplementedError

    def cells(self, block):
        """Return the rectangles of the positions of a block, (n, 4) like `box`."""
        low = block.positions() * self.step
        return np.concatenate([low, low + self.step], axis=1)

    def images(self, pixels):
        """Convert uint8 (n, height, width, channels) to images as the networks take them."""
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255.0)

    def view(self, pixels, box, corner, extent, size):
        """Resample a rectangle, corner and extent ``(x, y)``, to `size` (height, width) pixels."""
        low, high = np.array(box[:2]), np.array(box[2:])
        scale, shift = extent / (high - low), (2 * (corner - low) + extent) / (high - low) - 1
        theta = [[[scale[0], 0, shift[0]], [0, scale[1], shift[1]]]]
        theta = torch.tensor(theta, dtype=torch.float32, device=self.device)
        return sample(self.images(pixels[None]), theta, size, self.module.view_reduction)

    def apply(self, function, pixels, box, corners):
        """Apply a function to batches of patches and the slices that they are.

        Parameters
        ----------
        function : callable
            Returns a tensor of one row per patch.
        pixels, box
            As for `find`.
        corners : int ndarray of shape (n, 2)
            ``(x, y)`` of the patches' top-left pixels.

        Returns
        -------
        list of ndarray
            One per batch.
        """
        (height, width), results = self.patch, []
        offsets = corners - box[:2]
        for start in range(0, len(offsets), self.batch):
            part = slice(start, start + self.batch)
            cut = [pixels[y : y + height, x : x + width] for x, y in offsets[part].tolist()]
            results.append(function(self.images(np.stack(cut)), part).cpu().numpy())
        return results

    def softmax(self, batches):
        """Join batches of logits, perhaps none, and return the probabilities (n, n_classes)."""
        logits = np.concatenate([np.empty((0, self.n_classes)), *batches])
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def recognize(self, pixels, box, corners, theta, objectness=1.0, proba=None):
        """Classify the cells at known positions: probabilities (n, n_classes).

        Parameters
        ----------
        pixels, box, corners
            As for `apply`.
        theta : ndarray of shape (n, 2, 3)
            Where the window lies in each patch.
        objectness : float or ndarray of shape (n, 1), default=1.0
            Probability that there is a cell; it has a part in what is undecided, and is not
            multiplied in.
        proba : ndarray of shape (n, n_classes), default=None
            What a first look has found, if there was one; it is changed.
        """
        theta = torch.from_numpy(theta.astype(np.float32)).to(self.device)

        def classify(rows, tta):
            def logits(patches, part):
                location = Location(theta[rows][part], None)
                return self.module.recognize(patches, location, tta=tta)

            return self.softmax(self.apply(logits, pixels, box, corners[rows]))

        if proba is None:
            proba = classify(np.arange(len(corners)), False)
        if self.tta:
            best = (proba * objectness)[:, self.reported].max(axis=1)
            least, most = _SCREEN * self.min_probability, np.inf
            if self.tta == "undecided":
                least, most = _UNDECIDED
            (again,) = np.nonzero((best >= least) & (best <= most))
            proba[again] = classify(again, True)
        return proba

    def enough(self, probability):
        """Whether probabilities, or what a table keeps of them, are as large as the least."""
        return np.maximum(probability, probability.round(DIGITS)) >= self.min_probability

    def labelled(self, points, proba):
        """Label each cell with the most probable of the classes that count."""
        return self.likely(points, proba, self.reported[proba[:, self.reported].argmax(axis=1)])

    def likely(self, points, proba, label):
        """Leave out the cells whose label is not probable enough."""
        rows = self.enough(proba[np.arange(len(label)), label])
        return Found(points[rows], proba[rows], label[rows])


class WindowFinder(Finder):
    """Finder that takes the cell that the network finds in each of many overlapping patches.

    Parameters
    ----------
    module, estimator, reported, min_probability
        As for every finder.
    stride : tuple of int
        Pixels between patches, ``(x, y)``. Rectangles of this size in the middle of the patches
        cover the plane.
    """

    def __init__(self, module, estimator, reported, min_probability, stride):
        super().__init__(module, estimator, reported, min_probability)
        self.step = np.array(stride)
        self.lead = (self.patch_xy - self.step) // 2

    def box(self, block):
        """Return the box of all patches."""
        low = block[:2] * self.step - self.lead
        high = (np.array(block[2:]) - 1) * self.step - self.lead + self.patch_xy
        return (*low.tolist(), *high.tolist())

    def find(self, pixels, box, block, is_wanted):
        """Take the position and the class that the network predicts for each patch."""
        corners = block.positions()[is_wanted(self.cells(block))] * self.step - self.lead
        locate = self.module.locate
        thetas = self.thetas(lambda patches, _: locate(patches).theta, pixels, box, corners)
        proba = self.recognize(pixels, box, corners, thetas)
        return self.labelled(theta_centers(thetas, self.patch) + corners, proba)

    def thetas(self, function, pixels, box, corners):
        """Join what `apply` returns of transforms (n, 2, 3)."""
        batches = self.apply(function, pixels, box, corners)
        return np.concatenate([np.empty((0, 2, 3)), *batches])


class PatchFinder(WindowFinder):
    """`WindowFinder` for the baseline, which sees whole patches.

    Its position takes a backward pass, which is computed for the cells that count alone.
    """

    def find(self, pixels, box, block, is_wanted):
        """Take the class of each patch, then the position."""
        corners = block.positions()[is_wanted(self.cells(block))] * self.step - self.lead
        scores = self.apply(lambda patches, _: self.module.scores(patches), pixels, box, corners)
        corners, proba, label = self.labelled(corners, self.softmax(scores))
        thetas = self.thetas(lambda patches, _: self.module(patches)[1], pixels, box, corners)
        return Found(theta_centers(thetas, self.patch) + corners, proba, label)


def is_peak(values, radius):
    """Mark the values of a map, but the outermost ones, that are the highest around.

    Parameters
    ----------
    values : Tensor of shape (1, height, width)
        The map.
    radius : sequence of int
        How far around, ``(x, y)``.

    Returns
    -------
    bool Tensor of shape (height - 2 * radius[1], width - 2 * radius[0])
    """
    column, row = radius
    side = (2 * row + 1, 2 * column + 1)
    inner = values[:, row:-row, column:-column]
    is_highest = inner == F.max_pool2d(values, side, stride=1)
    return (is_highest & (inner - F.avg_pool2d(values, side, stride=1) > _PROMINENCE))[0]
