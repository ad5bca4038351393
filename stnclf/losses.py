"""The losses of the paper (equations 4 to 9) and the one of the heatmap localizer.

All of them return one value per sample, so that weights can be applied and micro-batches
added up by whoever calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "classification_loss",
    "guided_loss",
    "heatmap_loss",
    "localization_loss",
    "objectness_loss",
]


def classification_loss(logits: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the class: equation 4.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
        Scores before the softmax.
    target : int64 Tensor of shape (n,)
        Index of the true class.
    label_smoothing : float, default=0.0
        Part of the target that is distributed evenly over all classes (Szegedy et al., 2016); the
        paper has none.

    Returns
    -------
    Tensor of shape (n,)
        ``-ln`` of the probability given to the true class.

    Examples
    --------
    >>> import torch
    >>> from stnclf.losses import classification_loss
    >>> classification_loss(torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3863])
    """
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing)


def localization_loss(theta_hat: Tensor, theta: Tensor) -> Tensor:
    """Distance of an estimated transform to the true one: equations 6 to 8.

    Parameters
    ----------
    theta_hat : Tensor of shape (n, 2, 3)
        Estimated transforms, named in the paper ``[[t1, t2, tx], [t3, t4, ty]]``.
    theta : Tensor of shape (n, 2, 3)
        True transforms, ``[[s, 0, tx], [0, s, ty]]`` (equation 1).

    Returns
    -------
    Tensor of shape (n,)
        Sum of six squares: two of the translation, two of the scale along the window's axes
        (``sqrt(t1^2 + t3^2)`` and ``sqrt(t2^2 + t4^2)`` against ``s``), and two that are zero
        for a rotation with scale (``t1 - t4`` and ``t2 + t3``). The angle itself is free.

    Notes
    -----
    The paper's patches and windows are square. Where they are not of the same shape, ``s``
    differs between the axes and ``t1 - t4`` is compared with that known difference.

    Examples
    --------
    >>> import torch
    >>> from stnclf.losses import localization_loss
    >>> theta = torch.tensor([[[0.5, 0.0, 0.25], [0.0, 0.5, 0.0]]])
    >>> turned = torch.tensor([[[0.0, -0.5, 0.25], [0.5, 0.0, 0.0]]])
    >>> localization_loss(turned, theta)
    tensor([0.])
    """
    scale_x, scale_y = theta[:, 0, 0], theta[:, 1, 1]
    # vector_norm has gradient 0 where the norm is 0; the square root would give NaN there.
    norms = torch.linalg.vector_norm(theta_hat[:, :, :2], dim=1)
    translation = theta_hat[:, :, 2] - theta[:, :, 2]
    diagonal = theta_hat[:, 0, 0] - theta_hat[:, 1, 1] - (scale_x - scale_y)
    skew = theta_hat[:, 0, 1] + theta_hat[:, 1, 0]
    return (
        translation.square().sum(1)
        + (norms[:, 0] - scale_x).square()
        + (norms[:, 1] - scale_y).square()
        + diagonal.square()
        + skew.square()
    )


def heatmap_loss(logits: Tensor, theta: Tensor, sigma: float = 1.0) -> Tensor:
    """Cross-entropy over positions against a Gaussian at the true centre.

    Parameters
    ----------
    logits : Tensor of shape (n, height, width)
        Scores of the heatmap's positions; position ``(i, j)`` stands for the middle of its
        cell, ``u = (2 j + 1) / width - 1`` and ``v = (2 i + 1) / height - 1``.
    theta : Tensor of shape (n, 2, 3)
        True transforms; only their translation is used.
    sigma : float, default=1.0
        Width of the Gaussian in heatmap cells.

    Returns
    -------
    Tensor of shape (n,)
        Kullback-Leibler divergence: 0 where the softmax of ``logits`` is the Gaussian.

    Examples
    --------
    >>> import torch
    >>> from stnclf.losses import heatmap_loss
    >>> theta = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
    >>> x = torch.arange(4.0) - 1.5
    >>> gaussian = -(x[:, None] ** 2 + x**2) / 2
    >>> heatmap_loss(gaussian[None], theta).abs() < 1e-6
    tensor([True])
    """
    target = _target(theta, logits.shape[1:], sigma).flatten(1)
    estimate = F.log_softmax(logits.flatten(1), dim=1)
    return F.kl_div(estimate, target, reduction="none").sum(1)


def objectness_loss(
    logits: Tensor, cells: Tensor, known: Tensor, sigma: float = 1.0, reach: float = 2.0
) -> Tensor:
    """Binary cross-entropy of "a cell is here" at each position, against Gaussians at all cells.

    Where the softmax of `heatmap_loss` only says which position is the best, the sigmoid of each
    logit is here the probability of a cell, as in detectors that score the points of a map [1]_.

    Parameters
    ----------
    logits : Tensor of shape (n, height, width)
        Scores of the heatmap's positions.
    cells : Tensor of shape (n, k, 2)
        Normalised ``(u, v)`` of all annotated cells; NaN where there are fewer.
    known : bool Tensor of shape (n, k)
        Whether the class of the cell is known. Positions near a cell of unknown class, and near no
        other, do not count.
    sigma : float, default=1.0
        Width of the Gaussians in positions; their height is 1, and where two meet, the larger
        one counts.
    reach : float, default=2.0
        How many positions around a cell of unknown class do not count.

    Returns
    -------
    Tensor of shape (n,)
        Sum of the Kullback-Leibler divergences of all positions: 0 where the sigmoid is the
        target.

    References
    ----------
    .. [1] X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", arXiv:1904.07850, 2019.

    Examples
    --------
    >>> import torch
    >>> from stnclf.losses import objectness_loss
    >>> nothing = torch.full((1, 1, 2), float("nan"))
    >>> objectness_loss(torch.zeros(1, 3, 4), nothing, torch.ones(1, 1) > 0) / 12
    tensor([0.6931])
    """
    squares = _squares(cells, logits.shape[1:])
    target = _peaks(squares.masked_fill(~known[:, :, None, None], torch.inf), sigma)
    vague = squares.masked_fill(known[:, :, None, None], torch.inf).amin(1) <= reach**2
    counts = ~(vague & (target < 0.1))
    # At a target of 0 or 1 the entropy is 0, and xlogy says so.
    entropy = torch.special.entr(target) + torch.special.entr(1 - target)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") - entropy
    return (loss * counts).flatten(1).sum(1)


def _squares(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Squared distances, in positions, of all positions to cells: (n, k, height, width).

    Those to cells that are NaN are infinite.
    """
    height, width = size
    columns = torch.arange(width, dtype=cells.dtype, device=cells.device)
    rows = torch.arange(height, dtype=cells.dtype, device=cells.device)
    x = ((cells[:, :, 0] + 1) * width - 1) / 2
    y = ((cells[:, :, 1] + 1) * height - 1) / 2
    across, down = (columns - x[:, :, None]).square(), (rows - y[:, :, None]).square()
    return (down[:, :, :, None] + across[:, :, None, :]).nan_to_num(nan=torch.inf)


def _peaks(squares: Tensor, sigma: float) -> Tensor:
    """Gaussians of height 1, the largest at each position: (n, height, width)."""
    return torch.exp(-squares.amin(1) / (2 * sigma**2))


def _target(theta: Tensor, size: Sequence[int], sigma: float) -> Tensor:
    """Gaussians over positions around true centres, (n, height, width), each summing to one."""
    target_x = _gaussian(theta[:, 0, 2], size[1], sigma)
    target_y = _gaussian(theta[:, 1, 2], size[0], sigma)
    return target_y[:, :, None] * target_x[:, None, :]


def _gaussian(center: Tensor, size: int, sigma: float) -> Tensor:
    """Gaussian over ``size`` positions for each normalised centre, summing to one."""
    position = torch.arange(size, dtype=center.dtype, device=center.device)
    pixel = ((center + 1) * size - 1) / 2
    return torch.softmax(-((position - pixel[:, None]) ** 2) / (2 * sigma**2), dim=1)


def guided_loss(localization: Tensor, classification: Tensor, kappa: float = 1.0) -> Tensor:
    """Combine the losses for the joint stage: equation 9.

    Parameters
    ----------
    localization, classification : Tensor of shape (n,)
        What `localization_loss` (or `heatmap_loss`) and `classification_loss` returned.
    kappa : float, default=1.0
        Weight of the classification loss.

    Returns
    -------
    Tensor of shape (n,)
        ``localization + kappa * classification``.

    Examples
    --------
    >>> import torch
    >>> from stnclf.losses import guided_loss
    >>> guided_loss(torch.tensor([0.5]), torch.tensor([2.0]), kappa=0.25)
    tensor([1.])
    """
    return localization + kappa * classification
