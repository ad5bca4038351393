"""Other amounts of haematoxylin and eosin in an image, as another laboratory's would have."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["restained"]

#: Optical densities of haematoxylin and eosin in red, green and blue (Ruifrok and Johnston, 2001).
_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11))

#: The darkest that a channel of a pixel counts as: there is no logarithm of 0.
_DARKEST = 1 / 255


def restained(images, change):
    """Change the amounts of haematoxylin, of eosin, and of what is neither.

    The optical density of each pixel is a mixture of those of the stains; each amount is
    multiplied by a factor, and another one is added [1]_.

    Parameters
    ----------
    images : Tensor of shape (n, 3 * n_views, height, width)
        Red, green and blue from 0 to 1, one view after the other.
    change : Tensor of shape (n, 2, 3)
        Factor, and what is added in natural optical densities, of haematoxylin, eosin and the rest.

    Returns
    -------
    Tensor of the same shape

    References
    ----------
    .. [1] D. Tellez et al., "Whole-Slide Mitosis Detection in H&E Breast Histology Using PHH3 as
       a Reference to Train Distilled Stain-Invariant Convolutional Networks", IEEE TMI 37(9), 2018.
    """
    to_stains, to_density = (torch.tensor(m, device=images.device) for m in _matrices())
    # Rows: what each channel of the result takes of the channels of the image.
    mix = (to_density[None, :, :, None] * change[:, 0].float()[:, None, :, None] * to_stains).sum(2)
    more = (to_density * change[:, 1].float()[:, None]).sum(2)
    n, _, height, width = images.shape
    density = -images.float().clamp_min(_DARKEST).log().view(n, -1, 3, height, width)
    # Products and sums one by one: a matrix product might be rounded to bfloat16.
    parts = [mix[:, None, :, k, None, None] * density[:, :, k, None] for k in range(3)]
    density = parts[0] + parts[1] + parts[2] + more[:, None, :, None, None]
    return torch.exp(-density).clamp_max(1.0).view(images.shape)


def _matrices():
    """Make the matrices from densities to stains and back, float32 (3, 3)."""
    stains = np.array(_STAINS)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    rest = np.cross(*stains)
    to_density = np.stack([*stains, rest / np.linalg.norm(rest)], axis=1)
    return np.linalg.inv(to_density).astype(np.float32), to_density.astype(np.float32)
