"""Finders for an ensemble: its members' maps are averaged, and so is what they say of each cell."""

from __future__ import annotations

import numpy as np
import torch

from .._utils.errors import argument_error
from ..networks import EnsembleNet
from ._finders import PatchFinder, WindowFinder
from ._heatmap_finder import HeatFinder, SharedFinder
from ._map_finder import MapFinder

__all__ = ["EnsembleMapFinder", "ScanNet", "finder_for_ensemble"]


class ScanNet(EnsembleNet):
    """Members of one kind, as the one network that a finder works with.

    All of them see the same block of a slide. The logits of their heatmaps are averaged, so that
    there is one map and one list of candidates, and each of these is classified by all members.
    """

    def __init__(self, members, patch_size, cell_size):
        super().__init__(members, patch_size, cell_size)
        kinds = dict.fromkeys(self._kind(member) for member in members)
        if len(kinds) > 1:
            raise argument_error(
                "estimator",
                f"has members that look for cells in different ways ({'; '.join(kinds)}); wants "
                "one kind of networks to scan with.",
            )

    @staticmethod
    def _kind(member):
        localizer = getattr(member, "localizer", None)
        parts = [type(part).__name__ for part in (member, localizer) if part is not None]
        return ", ".join(
            [*parts, *(["objectness"] if getattr(member, "objectness", False) else [])]
        )

    @property
    def localizer(self):
        """The members' localizers as one."""
        return _MeanLocalizer(self.members)

    @property
    def tta(self):
        """Whether a member averages over symmetries."""
        return any(getattr(member, "tta", False) for member in self.members)

    @property
    def view_reduction(self):
        """What `sample` needs to show a patch to the localizers."""
        return self.members[0].view_reduction

    def autocast(self):
        """Return the context in which the networks compute."""
        return self.members[0].autocast()

    def standardize(self, views):
        """Return views as they are: each member has its own means."""
        return views

    def trunk(self, views):
        """Apply the layers that localizer and classifier share; maps of all members in a row."""
        return torch.cat([m.trunk(m.standardize(views)) for m in self.members], 1)

    def classifier(self, maps, theta):
        """Classify what lies in windows of maps from `trunk`: (n, n_members, n_classes)."""
        parts = maps.chunk(len(self.members), 1)
        logits = [
            member.classifier(part.contiguous(memory_format=torch.channels_last), theta)
            for member, part in zip(self.members, parts)
        ]
        return torch.stack(logits, 1)

    def recognize(self, images, location, tta=False):
        """Classify the cells at known positions in patches: (n, n_members, n_classes)."""
        logits = [m.recognize(images, location, tta=tta and m.tta) for m in self.members]
        return torch.stack(logits, 1)


class _MeanLocalizer:
    """Localizers with heatmaps as one, whose heatmap is the mean of theirs."""

    def __init__(self, members):
        self.members, first = members, members[0].localizer
        self.has_heatmap = first.has_heatmap
        for name in ("view", "step", "reach", "shared_reach", "radius", "scale", "peak"):
            if hasattr(first, name):
                setattr(self, name, getattr(first, name))

    def logits(self, views):
        """Score positions of views, not yet standardised."""
        return torch.stack([m.localizer.logits(m.standardize(views)) for m in self.members]).mean(0)

    def scored(self, features):
        """Score positions where `ScanNet.trunk` has computed the maps."""
        parts = zip(self.members, features.chunk(len(self.members), 1))
        return torch.stack([member.localizer.scored(part) for member, part in parts]).mean(0)


class _Averaging:
    """What a finder adds for an ensemble: a second column of each class, the disagreement."""

    per_class = 2

    def softmax(self, batches):
        """Join batches of the members' logits.

        Returns
        -------
        ndarray of shape (n, 2 * n_classes)
            Means of the probabilities over the members, then their standard deviations.
        """
        n_members = len(self.module.members)
        logits = np.concatenate([np.empty((0, n_members, self.n_classes)), *batches])
        proba = np.exp(logits - logits.max(axis=2, keepdims=True))
        return _summary(proba / proba.sum(axis=2, keepdims=True))


class EnsembleMapFinder(_Averaging, MapFinder):
    """`MapFinder` for an ensemble: the map of each class is the mean of the members' maps."""

    def __init__(self, module, estimator, reported, min_probability, stride):
        super().__init__(module, estimator, reported, min_probability, stride)
        what = estimator, reported, min_probability, stride
        self.finders = [MapFinder(member, *what) for member in module.members]
        self.zoom = self.finders[0].zoom

    def maps(self, pixels, box, block):
        """Compute the mean probability of each class everywhere, then those of each member."""
        each = torch.stack([finder.maps(pixels, box, block) for finder in self.finders])
        return torch.cat([each.mean(0), each.flatten(0, 1)])

    def find(self, pixels, box, block, is_wanted):
        """Find the peaks in the mean map of each class that counts."""
        found = super().find(pixels, box, block, is_wanted)
        shape = len(found.proba), len(self.finders), self.n_classes
        members = found.proba[:, self.n_classes :].reshape(shape)
        return found._replace(proba=_summary(members))


def _summary(proba):
    """Means and standard deviations of probabilities (n, n_members, n_classes)."""
    return np.concatenate([proba.mean(axis=1), proba.std(axis=1)], axis=1)


_KINDS: dict[type, type] = {
    kind: type(f"Ensemble{kind.__name__}", (_Averaging, kind), {})
    for kind in (HeatFinder, SharedFinder, WindowFinder, PatchFinder)
}
_KINDS[MapFinder] = EnsembleMapFinder


def finder_for_ensemble(kind):
    """Return the finder that does for a `ScanNet` what `kind` does for a single network."""
    return _KINDS[kind]
