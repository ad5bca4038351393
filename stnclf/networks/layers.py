"""Parts of the networks: the sampler, weights, and the blocks that several networks share."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

__all__ = [
    "SYMMETRIES",
    "ConvPool",
    "Inception",
    "compose",
    "conv_norm",
    "head",
    "identity",
    "in_float32",
    "initialize",
    "named",
    "positional_names",
    "reduction_for",
    "sample",
    "view_size",
]


#: The eight ways to lay a square on itself.
SYMMETRIES = [
    lambda x, flips=flips, turn=turn: (x.transpose(2, 3) if turn else x).flip(flips)
    for turn in (False, True)
    for flips in ((), (2,), (3,), (2, 3))
]


def view_size(size, target, minimum=1):
    """Size at which a network looks at something: aspect kept, longer side ``target``.

    Parameters
    ----------
    size : tuple of int
        ``(height, width)`` of what is looked at, in pixels.
    target, minimum : int
        Length of the longer side and least length of the shorter one.

    Returns
    -------
    tuple of int
        ``(height, width)`` of the view.

    Examples
    --------
    >>> from stnclf.networks.layers import view_size
    >>> view_size((64, 128), 64), view_size((1, 100), 64, 16)
    ((32, 64), (16, 64))
    """
    scale = target / max(size)
    return tuple(max(minimum, round(side * scale)) for side in size)


def sample(images, theta, size, reduction=(1, 1), patch_theta=None):
    """Grid generator and sampler of the spatial transformer (Jaderberg et al., 2015).

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
        Sources.
    theta : Tensor of shape (n, 2, 3)
        Output coordinates to source coordinates, both normalised (``align_corners=False``).
    size : tuple of int
        ``(height, width)`` of the output.
    reduction : tuple of int, default=(1, 1)
        The output is sampled this many times finer, in height and width, and averaged:
        bilinear interpolation reads only the four nearest pixels, which is exact averaging
        up to a reduction of two but skips pixels beyond.
    patch_theta : Tensor of shape (n, 2, 3), default=None
        Where the source is only a part of the images: ``theta`` leads to the coordinates of that
        part, ``patch_theta`` from there to the images. What lies beyond its edges is not seen,
        but for the half pixel that interpolation reads.

    Returns
    -------
    Tensor of shape (n, channels, *size)
        Bilinear samples; beyond its edges a source is continued by reflection.
    """
    fine = [*images.shape[:2], size[0] * reduction[0], size[1] * reduction[1]]
    grid = F.affine_grid(theta, fine, align_corners=False)
    if patch_theta is not None:
        grid = 1 - ((grid + 1) % 4 - 2).abs()  # reflection at -1 and 1
        points = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=3).flatten(1, 2)
        grid = (points @ patch_theta.transpose(1, 2)).view_as(grid)
    out = F.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return out if tuple(reduction) == (1, 1) else F.avg_pool2d(out, reduction)


def reduction_for(source, size):
    """Return the oversampling that `sample` needs to show ``source`` in ``size`` pixels.

    Parameters
    ----------
    source, size : tuple of int
        ``(height, width)`` in pixels of what is sampled and of the output.

    Returns
    -------
    tuple of int
        Factors of height and width.
    """
    return tuple(max(1, math.ceil(a / b / 2)) for a, b in zip(source, size))


def compose(outer, inner):
    """Chain two affine transforms: ``inner`` first, ``outer`` on its result.

    Parameters
    ----------
    outer, inner : Tensor of shape (n, 2, 3)
        Affine transforms.

    Returns
    -------
    Tensor of shape (n, 2, 3)
        ``outer(inner(.))``.
    """
    linear = outer[:, :, :2] @ inner
    return torch.cat([linear[:, :, :2], linear[:, :, 2:] + outer[:, :, 2:]], dim=2)


def identity(images):
    """Make the transform that leaves each image as it is.

    Parameters
    ----------
    images : Tensor of shape (n, ...)
        Gives number and device.

    Returns
    -------
    Tensor of shape (n, 2, 3)
    """
    eye = torch.eye(2, 3, dtype=torch.float32, device=images.device)
    return eye.expand(images.shape[0], 2, 3)


def initialize(module, generator):
    """Draw all weights of a module from one generator.

    Parameters
    ----------
    module : nn.Module
        Changed in place: He-normal weights for convolutions and dense layers that feed a
        ReLU, unit-variance ones for the output layers, zero biases. Modules with a method
        ``reset_head`` get the last word on their own output layer.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    nn.Module
        The same module.
    """
    with torch.no_grad():
        for child in module.modules():
            if isinstance(child, (nn.Conv2d, nn.Linear)):
                fan_in = child.weight[0].numel()
                gain = 1.0 if getattr(child, "is_head", False) else 2.0
                child.weight.normal_(0.0, math.sqrt(gain / fan_in), generator=generator)
                if child.bias is not None:
                    child.bias.zero_()
            elif isinstance(child, nn.BatchNorm2d):
                child.reset_parameters()
        for child in module.modules():
            if hasattr(child, "reset_head"):
                child.reset_head()
    return module


def head(layer):
    """Mark an output layer, which no ReLU follows, for `initialize`.

    Parameters
    ----------
    layer : nn.Module
        Changed in place.

    Returns
    -------
    nn.Module
        The same layer.
    """
    layer.is_head = True
    return layer


def in_float32(layer, x):
    """Apply a layer in float32, whatever precision the network around it computes in.

    Parameters
    ----------
    layer : nn.Module
        A coordinate head or an output layer: small, and eight bits are too few for it.
    x : Tensor of shape (n, ...)
        Input of any floating-point type.

    Returns
    -------
    float32 Tensor of shape (n, ...)
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        answers = x.device.type == "cpu" and not torch.is_grad_enabled()
        if answers and isinstance(layer, nn.Linear) and x.dim() == 2:
            # On some processors a matrix product rounds a row by its place in the batch; then a
            # prediction would depend on what is predicted beside it.
            return (x[:, None] * layer.weight).sum(2) + layer.bias
        return layer(x)


def conv_norm(name, n_in, n_out, kernel_size, dilation=1, pool=False, stride=1):
    """Make the layers of a convolution with batch normalisation and ReLU.

    The size does not change but by pooling and stride.

    Parameters
    ----------
    name : str
        What the layers are called: ``conv_`` and the name, ``norm_`` and the name, and so on.
    n_in, n_out : int
        Channels that come in and go out.
    kernel_size, dilation : int
        Of the convolution.
    pool : bool, default=False
        Whether a 2 x 2 maximum comes before the ReLU, with which it commutes.
    stride : int, default=1
        Of the convolution.

    Returns
    -------
    dict of str to nn.Module
        For `named`.
    """
    padding = dilation * ((kernel_size - 1) // 2)
    how = {"padding": padding, "dilation": dilation, "stride": stride, "bias": False}
    return {
        f"conv_{name}": nn.Conv2d(n_in, n_out, kernel_size, **how),
        f"norm_{name}": nn.BatchNorm2d(n_out),
        **({f"pool_{name}": nn.MaxPool2d(2)} if pool else {}),
        f"relu_{name}": nn.ReLU(inplace=True),
    }


def named(*groups):
    """Chain layers that have names.

    Parameters
    ----------
    *groups : dict of str to nn.Module
        Layers in their order.

    Returns
    -------
    nn.Sequential
    """
    return nn.Sequential(OrderedDict(layer for group in groups for layer in group.items()))


def positional_names(module):
    """Map the names of a module's tensors to those of files of format version 1.

    There the layers of a `torch.nn.Sequential` were called by their position: ``"0"``, ``"1"``.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    dict of str to str
        For each name in ``module.state_dict()`` the one that it had.
    """
    found = {}
    for name in module.state_dict():
        part, path = module, []
        for word in name.split("."):
            children = list(part._modules) if isinstance(part, nn.Sequential) else []
            path.append(str(children.index(word)) if word in children else word)
            part = part._modules.get(word) if isinstance(part, nn.Module) else None
        found[name] = ".".join(path)
    return found


class ConvPool(nn.Sequential):
    """Convolution, 2 x 2 maximum, ReLU.

    The maximum commutes with ReLU (and with the increasing map of a batch normalisation only
    up to its sign), so that taking it first costs a quarter of the element-wise work.

    Parameters
    ----------
    n_in, n_out : int
        Channels that come in and go out.
    kernel_size : int or tuple of int
        Of the convolution.
    padding : int or tuple of int, default=0
        Of the convolution.
    """

    def __init__(self, n_in, n_out, kernel_size, padding=0):
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(n_in, n_out, kernel_size, padding=padding),
                pool=nn.MaxPool2d(2),
                relu=nn.ReLU(inplace=True),
            )
        )


class Inception(nn.Module):
    """Inception block, version 1, with 1 x 1 reductions (Szegedy et al., 2014).

    Parameters
    ----------
    n_in : int
        Channels that come in.
    ones : int
        Channels of the branch of one 1 x 1 convolution.
    reduce_threes, threes : int
        Channels of the branch of a 1 x 1 and a 3 x 3 convolution.
    reduce_fives, fives : int
        Channels of the branch of a 1 x 1 and a 5 x 5 convolution.
    pooled : int
        Channels of the branch of a 3 x 3 maximum and a 1 x 1 convolution.
    """

    def __init__(self, n_in, ones, reduce_threes, threes, reduce_fives, fives, pooled):
        super().__init__()
        self.split = [ones, reduce_threes, reduce_fives]
        # The three 1 x 1 convolutions that read the same input, as one.
        self.pointwise = nn.Conv2d(n_in, sum(self.split), 1)
        self.threes = nn.Conv2d(reduce_threes, threes, 3, padding=1)
        self.fives = nn.Conv2d(reduce_fives, fives, 5, padding=2)
        self.pooled = nn.Conv2d(n_in, pooled, 1)
        self.n_out = ones + threes + fives + pooled

    def forward(self, x):
        """Map (n, n_in, h, w) to (n, n_out, h, w)."""
        ones, threes, fives = F.relu(self.pointwise(x)).split(self.split, dim=1)
        pooled = self.pooled(F.max_pool2d(x, 3, stride=1, padding=1))
        rest = torch.cat([self.threes(threes), self.fives(fives), pooled], dim=1)
        return torch.cat([ones, F.relu(rest)], dim=1)
