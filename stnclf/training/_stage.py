"""What a stage of the training is: who learns, what is shown, what counts, at which rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..losses import (
    classification_loss,
    guided_loss,
    heatmap_loss,
    localization_loss,
    objectness_loss,
)
from ..networks import Location

__all__ = ["Stage", "guided_stages", "learning_rate", "stage_loss"]


#: Weight of the sum over all positions, of which there are hundreds.
_OBJECTNESS = 0.1


@dataclass(frozen=True)
class Stage:
    """One stage of the training (section 4.3).

    Attributes
    ----------
    name : str
        Name by which ``fit(..., stages=...)`` and ``history_`` know it.
    learns : tuple of str
        Which networks' weights move: ``"localizer"``, ``"trunk"`` (the layers of it that are
        shared), ``"classifier"``, or ``"all"``.
    classifies : {"cell", "window", "patch", None}
        What the classifier is shown: the window on the true centre, the one that the
        localizer chose, the whole patch, or nothing.
    localizes : bool
        Whether the localization loss is part of the loss.
    kappa : float
        Weight of the classification loss beside the localization loss (equation 9).
    epochs : int
        Number of epochs.
    lr : float
        Initial learning rate.
    label_smoothing : float, default=0.0
        Part of the target that is distributed evenly over all classes.
    """

    name: str
    learns: tuple
    classifies: str | None
    localizes: bool
    kappa: float
    epochs: int
    lr: float
    label_smoothing: float = 0.0


def guided_stages(params, rates, shared):
    """List the three stages of a guided spatial transformer network (section 4.3).

    Parameters
    ----------
    params : STNCellClassifier
        Has the lengths and the weights of the losses.
    rates : sequence of float
        Learning rates of the three stages.
    shared : bool
        Whether localizer and classifier share layers. Then these layers and the classifier learn
        in every stage: first the classes alone, then the positions beside them.

    Returns
    -------
    dict of str to Stage
        By name, in their order.
    """
    both = ("localizer", "classifier")
    smoothing = params.label_smoothing
    rates = dict(zip(("classifier", "localizer", "joint"), rates))

    def stage(name, learns, classifies, localizes):
        return Stage(
            name,
            learns=learns,
            classifies=classifies,
            localizes=localizes,
            kappa=params.kappa,
            epochs=getattr(params, f"{name}_epochs"),
            lr=rates[name],
            label_smoothing=smoothing if classifies else 0.0,
        )

    stages = [
        stage("classifier", ("trunk", "classifier") if shared else ("classifier",), "cell", False),
        stage("localizer", both if shared else ("localizer",), "cell" if shared else None, True),
        stage("joint", both, "window", True),
    ]
    return {stage.name: stage for stage in stages}


def stage_loss(module, batch, stage):
    """Loss of each sample of a batch in a stage.

    Parameters
    ----------
    module : nn.Module
        `stnclf.networks.STNNet` or `stnclf.networks._ciresan.CiresanNet`.
    batch : Batch
        On the module's device.
    stage : Stage
        What is shown and what counts.

    Returns
    -------
    loss : Tensor of shape (n,)
        What is minimised.
    parts : dict of str to Tensor of shape (n,)
        ``"localization_loss"`` and ``"classification_loss"``, those that there are.
    """
    images, location = batch.images(), Location(batch.shown, None)
    drawn = batch.patch_theta, batch.color
    if stage.localizes or stage.classifies == "window":
        location = module.locate(images, *drawn)
    parts, located = {}, 0
    if stage.localizes:
        located = _localization_loss(batch, location, module.objectness)
        parts["localization_loss"] = located
    if not stage.classifies:
        return located, parts
    logits = _logits(module, batch, images, stage, location)
    classified = classification_loss(logits, batch.y, stage.label_smoothing)
    parts["classification_loss"] = classified
    if stage.localizes:
        return guided_loss(located, classified, kappa=stage.kappa), parts
    return classified, parts


def _localization_loss(batch, location, objectness):
    """Loss of where the cell is."""
    if location.heatmap is None:
        return localization_loss(location.theta, batch.theta)
    if objectness:
        return _OBJECTNESS * objectness_loss(location.heatmap, *_all_cells(batch))
    return heatmap_loss(location.heatmap, batch.theta)


def _all_cells(batch):
    """Positions of all annotated cells in view, and whether their class is known."""
    meant = batch.theta[:, None, :, 2].masked_fill(~batch.is_cell[:, None, None], torch.nan)
    cells = torch.cat([meant, batch.neighbors[:, :, :2]], dim=1)
    known = torch.cat([batch.is_cell[:, None], batch.neighbors[:, :, 2] >= 0], dim=1)
    return cells, known


def _logits(module, batch, images, stage, location):
    """Logits of the classes in what the stage shows."""
    if stage.classifies == "cell":
        location = Location(batch.shown, None, features=location.features)
    return module.recognize(images, location, batch.patch_theta, batch.color)


def learning_rate(schedule, lr, progress):
    """Learning rate at a point of a stage.

    Parameters
    ----------
    schedule : {"constant", "one-cycle"}
        "one-cycle" rises from a tenth of ``lr`` to all of it over the first fifth of the
        stage and falls to zero along a cosine (after Smith and Topin, 2018).
    lr : float
        The stage's learning rate.
    progress : float
        Share of the stage's steps that are done, 0 to 1.

    Returns
    -------
    float

    Examples
    --------
    >>> from stnclf.training import learning_rate
    >>> [round(learning_rate("one-cycle", 1.0, p), 3) for p in (0, 0.1, 0.2, 0.6, 1)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """
    if schedule == "constant":
        return lr
    rise = 0.2
    if progress < rise:
        return lr * (0.1 + 0.9 * progress / rise)
    return lr * (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2
