"""Torch layers, and the operations that the networks share, as nodes of an ONNX graph.

Graphs are written node by node. What ``torch.onnx.export`` makes of a module depends on the
version of torch, and the gradient behind the class-activation map would not come through at all.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..networks import Inception

__all__ = ["Graph"]


class Graph:
    """A graph that grows: each method adds nodes and gives the names of their results.

    Images are float32 of shape (n, channels, height, width) in it.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        The operations, in their order.
    constants : list of onnx.TensorProto
        Weights and other values that do not depend on the input.
    """

    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, kind, *inputs, output=None, n_outputs=1, **attributes):
        """Add one operation.

        Parameters
        ----------
        kind : str
            Name of the operator.
        *inputs : str or array-like
            Names of results, or values: floating point is stored as float32, integers as int64.
        output : str, default=None
            Name of the first result; None makes one up.
        n_outputs : int, default=1
            How many results there are.
        **attributes
            Of the operator.

        Returns
        -------
        str, or list of str
            Name of the result, or of the results.
        """
        from onnx import helper

        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        first = output or f"{kind}_{len(self.nodes)}"
        outputs = [first, *(f"{first}_{i}" for i in range(1, n_outputs))]
        self.nodes.append(helper.make_node(kind, names, outputs, **attributes))
        return first if n_outputs == 1 else outputs

    def _constant(self, value):
        from onnx import numpy_helper

        value = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
        kinds = {"f": np.float32, "i": np.int64, "b": np.bool_}
        name = f"constant_{len(self.constants)}"
        self.constants.append(
            numpy_helper.from_array(np.array(value, kinds[value.dtype.kind], order="C"), name)
        )
        return name

    def layers(self, modules, x):
        """Apply torch modules in evaluation mode, one after the other."""
        modules = list(modules)
        for i, module in enumerate(modules):
            if isinstance(module, nn.Sequential):
                x = self.layers(module, x)
            elif isinstance(module, nn.Conv2d):
                after = modules[i + 1] if i + 1 < len(modules) else None
                x = self._convolution(module, x, after)
            elif isinstance(module, nn.MaxPool2d):
                x = self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
            elif isinstance(module, nn.AvgPool2d):
                x = self.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            elif isinstance(module, nn.ReLU):
                x = self.add("Relu", x)
            elif isinstance(module, nn.Linear):
                x = self.add("Gemm", x, module.weight, module.bias, transB=1)
            elif isinstance(module, Inception):
                x = self._inception(module, x)
            elif not isinstance(module, nn.BatchNorm2d):  # done with the convolution before it
                raise NotImplementedError(f"{type(module).__name__} has no translation")
        return x

    def _convolution(self, module, x, after=None):
        weight = module.weight.detach().double()
        bias = torch.zeros(len(weight)) if module.bias is None else module.bias.detach()
        if isinstance(after, nn.BatchNorm2d):
            factor = (
                after.weight.detach().double() / (after.running_var + after.eps).double().sqrt()
            )
            weight = weight * factor[:, None, None, None]
            bias = (bias - after.running_mean) * factor + after.bias.detach()
        return self.add(
            "Conv",
            x,
            weight,
            bias,
            dilations=module.dilation,
            kernel_shape=module.kernel_size,
            pads=[*module.padding] * 2,
            strides=module.stride,
        )

    def _inception(self, module, x):
        pointwise = self.add("Relu", self._convolution(module.pointwise, x))
        ones, threes, fives = self.add("Split", pointwise, module.split, n_outputs=3, axis=1)
        around = self.add("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
        rest = [
            self._convolution(module.threes, threes),
            self._convolution(module.fives, fives),
            self._convolution(module.pooled, around),
        ]
        return self.add("Concat", ones, *(self.add("Relu", x) for x in rest), axis=1)

    def standardize(self, system, x):
        """Subtract the mean of each channel and divide by its spread."""
        factor, shift = 1 / system.std, -system.mean / system.std
        scaled = self.add("Mul", x, factor[:, None, None])
        return self.add("Add", scaled, shift[:, None, None])

    def sample(self, images, theta, size, reduction):
        """Sample images as `stnclf.networks.layers.sample` does, several times each.

        Parameters
        ----------
        images : str
            Float32 of shape (n, channels, height, width).
        theta : str
            Float32 of shape (n, k, 2, 3), output coordinates to those of the images.
        size, reduction : tuple of int
            ``(height, width)`` of an output, and how many times finer it is sampled.

        Returns
        -------
        str
            Float32 of shape (n, channels, k * height, width), one below the other.
        """
        height, width = (side * factor for side, factor in zip(size, reduction))
        v, u = (np.arange(1, 2 * side, 2) / side - 1 for side in (height, width))
        points = np.stack([*np.meshgrid(u, v), np.ones((height, width))]).reshape(3, -1)
        grid = self.add("MatMul", theta, points)  # (n, k, 2, height * width)
        grid = self.add("Transpose", grid, perm=[0, 1, 3, 2])
        grid = self.add("Reshape", grid, [0, -1, width, 2])
        out = self.add(
            "GridSample",
            images,
            grid,
            align_corners=0,
            mode="bilinear",
            padding_mode="reflection",
        )
        return self.averaged(out, reduction)

    def averaged(self, x, reduction):
        """Average over rectangles of ``reduction`` pixels."""
        if tuple(reduction) == (1, 1):
            return x
        return self.add("AveragePool", x, kernel_shape=reduction, strides=reduction)

    def resized(self, images, source, size, reduction):
        """Show whole images of the size ``source`` at another one, as `sample` would."""
        if tuple(source) == tuple(size) and tuple(reduction) == (1, 1):
            return images
        down, across = (interpolation(*sides) for sides in zip(source, size, reduction))
        return self.add("MatMul", self.add("MatMul", down, images), across.T)


def interpolation(source, size, reduction):
    """Weights of bilinear interpolation along one axis.

    Parameters
    ----------
    source, size : int
        Number of pixels there are, and number wanted.
    reduction : int
        How many times finer it is sampled before it is averaged.

    Returns
    -------
    ndarray of shape (size, source)
    """
    fine = size * reduction
    # Beyond the middle of the outermost pixels, reflection repeats them.
    positions = np.clip((np.arange(fine) + 0.5) * source / fine - 0.5, 0, source - 1)
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(source)))
    return weights.reshape(size, reduction, source).mean(axis=1)
