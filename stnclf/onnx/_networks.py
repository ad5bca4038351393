"""The two systems as ONNX graphs: what their ``forward`` does, in evaluation mode."""

from __future__ import annotations

import numpy as np
import torch

from ..networks import (
    NEVER,
    SYMMETRIES,
    CiresanNet,
    FixedLocalizer,
    HeatmapLocalizer,
    SharedNet,
    WindowClassifier,
    ZoomNet,
    flips,
)

__all__ = ["add_system"]

#: Stands for minus infinity in a softmax; not every runtime takes the infinity itself.
_NOTHING = -1e30


def add_system(graph, system, patches, patch_size):
    """Add one of the systems to a graph.

    Parameters
    ----------
    graph : Graph
        Changed in place.
    system : STNNet or CiresanNet
        On the CPU.
    patches : str
        Name of the input, float32 of shape (n, channels, *patch_size).
    patch_size : tuple of int
        ``(height, width)`` of the patches.

    Returns
    -------
    probabilities, theta : str
        Names of results of shape (n, n_classes) and (n, 2, 3).
    """
    add = _add_baseline if isinstance(system, CiresanNet) else _add_stn
    return add(graph, system, patches, patch_size)


def _add_stn(g, system, patches, patch_size):
    localizer, shares, k = system.localizer, None, 1
    if isinstance(localizer, FixedLocalizer):
        n = g.add("Shape", patches, end=1)
        thetas = g.add("Expand", np.eye(2, 3), g.add("Concat", n, [1, 2, 3], axis=0))
    else:
        views = g.resized(patches, patch_size, localizer.view, system.view_reduction)
        views = g.standardize(system, views)
        if isinstance(localizer, HeatmapLocalizer):
            k = system.n_glimpses
            maps, layers = views, [localizer.features]
            if isinstance(system, SharedNet):
                maps = g.layers([system.trunk], views)
                layers = [localizer.features["own"]]
            scores = g.layers([*layers, localizer.position], maps)
            thetas, shares = _peaks(g, localizer, scores, k)
        else:
            blocks = [localizer.block_1, localizer.block_2, localizer.inception]
            features = g.add("Flatten", g.layers(blocks, views))
            numbers = g.layers([localizer.dense, torch.nn.ReLU(), localizer.theta], features)
            thetas = g.add("Reshape", numbers, [-1, 1, 2, 3])
    if isinstance(system, ZoomNet):
        probabilities, match = _named_again(g, system, patches, maps, thetas, k)
        shares, thetas = _compared(g, shares, match, thetas, k)
    elif isinstance(system, SharedNet):
        probabilities = _named_on_maps(g, system, views, maps, thetas, k)
    else:
        probabilities = _named(g, system, patches, thetas, k)
    if shares is not None:
        probabilities = g.add("Mul", probabilities, shares)
    probabilities = g.add("ReduceSum", probabilities, [1], keepdims=0)
    return probabilities, g.add("Gather", thetas, 0, axis=1)


def _peaks(g, localizer, logits, k):
    """Find the k best peaks: transforms (n, k, 2, 3) and shares (n, k, 1)."""
    logits = rest = g.add("Reshape", logits, [0, -1])
    height, width = (side // localizer.step for side in localizer.view)
    y, x = (axis.ravel() for axis in np.mgrid[:height, :width])
    points = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=1)
    thetas, masses = [], []
    for _ in range(k):
        near = _near(g, g.add("ArgMax", rest, axis=1), (height, width), localizer.radius)
        weight = g.add("Softmax", g.add("Where", near, logits, _NOTHING), axis=1)
        thetas.append(_centred_theta(g, g.add("MatMul", weight, points), localizer.scale))
        masses.append(_log_sum_exp(g, g.add("Where", near, rest, NEVER)))
        rest = g.add("Where", near, NEVER, rest)
    shares = g.add("Softmax", g.add("Concat", *masses, axis=1), axis=1)
    return g.add("Concat", *thetas, axis=1), g.add("Unsqueeze", shares, [2])


def _near(g, best, shape, radius):
    """Tell which positions of a grid, in one row, are at most ``radius`` from position ``best``."""
    y, x = (axis.ravel() for axis in np.mgrid[: shape[0], : shape[1]])
    close = []
    for positions, chosen in (
        (y, g.add("Div", best, shape[1])),
        (x, g.add("Mod", best, shape[1])),
    ):
        distance = g.add("Abs", g.add("Sub", positions, chosen))
        close.append(g.add("LessOrEqual", distance, radius))
    return g.add("And", *close)


def _log_sum_exp(g, x):
    highest = g.add("ReduceMax", x, axes=[1])
    total = g.add("ReduceSum", g.add("Exp", g.add("Sub", x, highest)), [1])
    return g.add("Add", g.add("Log", total), highest)


def _centred_theta(g, centers, scale):
    """Make unrotated transforms (n, 1, 2, 3) around centres (n, 2)."""
    column = g.add("Reshape", centers, [-1, 1, 2, 1])
    translation = g.add("MatMul", column, [[0.0, 0.0, 1.0]])
    return g.add("Add", translation, [[scale[0], 0, 0], [0, scale[1], 0]])


def _windows(g, system, patches, thetas, k):
    """Cut k windows of each scale, each turned if that is wanted: names, and how many turns.

    Each is of shape (n * k * turns, channels, *view).
    """
    classifier = system.classifier
    height, width = classifier.view
    turns = SYMMETRIES if system.tta and system.has_symmetries else SYMMETRIES[:1]
    plain = torch.arange(height * width).view(1, 1, height, width)
    turned = np.stack([turn(plain).flatten() for turn in turns])
    n_channels = len(system.mean)
    windows = []
    for scale, reduction in zip(classifier.scales, system.window_reductions):
        wide = g.add("Mul", thetas, [[scale, scale, 1.0]] * 2)
        seen = g.sample(patches, wide, classifier.view, reduction)
        seen = g.standardize(system, seen)
        if k * len(turns) > 1:
            seen = g.add("Reshape", seen, [0, n_channels, k, height * width])
            seen = g.add("Gather", seen, turned, axis=3)  # (n, channels, k, turns, pixels)
            seen = g.add("Transpose", seen, perm=[0, 2, 3, 1, 4])
            seen = g.add("Reshape", seen, [-1, n_channels, height, width])
        windows.append(seen)
    return windows, len(turns)


def _named(g, system, patches, thetas, k):
    """Name what k windows show: probabilities (n, k, n_classes)."""
    classifier = system.classifier
    windows, n_turns = _windows(g, system, patches, thetas, k)
    if isinstance(classifier, WindowClassifier):
        features = [
            g.add("ReduceMean", g.layers(tower, seen), axes=[2, 3], keepdims=0)
            for tower, seen in zip(classifier.towers, windows)
        ]
        logits = g.layers([classifier.output], g.add("Concat", *features, axis=1))
    else:
        blocks = [classifier.block_1, classifier.block_2, classifier.inception]
        features = g.add("Flatten", g.layers(blocks, windows[0]))
        logits = g.layers([classifier.dense, torch.nn.ReLU(), classifier.output], features)
    probabilities = g.add("Softmax", logits, axis=1)
    shape = [-1, k, n_turns, classifier.output.out_features]
    return g.add("ReduceMean", g.add("Reshape", probabilities, shape), axes=[2], keepdims=0)


def _named_again(g, system, patches, maps, thetas, k):
    """Name what a second look shows: probabilities (n, k, n_classes), and matches (n, k, 1)."""
    classifier = system.classifier
    (seen,), n_turns = _windows(g, system, patches, thetas, k)
    near = g.layers([system.trunk, classifier.window], seen)
    near = g.add("ReduceMean", near, axes=[2, 3], keepdims=0)
    whole = g.add("ReduceMean", g.layers([classifier.patch], maps), axes=[2, 3], keepdims=0)
    whole = g.add("Expand", g.add("Unsqueeze", whole, [1]), [1, k * n_turns, 1])
    whole = g.add("Reshape", whole, [-1, classifier.match.in_features])
    logits = g.layers([classifier.output], g.add("Concat", near, whole, axis=1))
    shape = [-1, k, n_turns, classifier.output.out_features]
    probabilities = g.add("Reshape", g.add("Softmax", logits, axis=1), shape)
    match = g.add("Reshape", g.layers([classifier.match], near), [-1, k, n_turns])
    return (
        g.add("ReduceMean", probabilities, axes=[2], keepdims=0),
        g.add("ReduceMean", match, axes=[2], keepdims=1),
    )


def _compared(g, shares, match, thetas, k):
    """Let matches (n, k, 1) have a say in shares, and put the transform of the largest first."""
    highest = g.add("ReduceMax", match, axes=[1])
    weight = g.add("Mul", shares, g.add("Exp", g.add("Sub", match, highest)))
    weight = g.add("Div", weight, g.add("ReduceSum", weight, [1]))
    is_best = g.add("Equal", np.arange(k)[:, None], g.add("ArgMax", weight, axis=1))
    chosen = g.add("Where", g.add("Unsqueeze", is_best, [3]), thetas, 0.0)
    total = g.add("ReduceSum", shares, [1])
    return g.add("Mul", weight, total), g.add("ReduceSum", chosen, [1])


def _named_on_maps(g, system, views, maps, thetas, k):
    """Name what k windows on feature maps show: probabilities (n, k, n_classes)."""
    found = [_read_maps(g, system.classifier, maps, thetas, k, 1)]
    if not (system.tta and system.has_symmetries):
        return g.add("Squeeze", found[0], [1])
    localizer, n_channels = system.localizer, len(system.mean)
    height, width = localizer.view
    rows = g.add("Reshape", views, [0, n_channels, height * width])
    centers = g.add("Gather", thetas, 2, axis=3)  # (n, k, 2)
    for turn in (False, True):
        plain, scale = torch.arange(height * width).view(height, width), localizer.scale
        if turn:
            plain, scale = plain.T, scale[::-1]
            centers = g.add("Gather", centers, [1, 0], axis=2)
        chosen = flips() if turn else flips()[1:]  # the maps of the view as it is are there
        turned = np.stack([plain.flip(axes).flatten() for axes, _ in chosen])
        shape = [-1, n_channels, *plain.shape]
        seen = g.add("Transpose", g.add("Gather", rows, turned, axis=2), perm=[0, 2, 1, 3])
        seen = g.layers([system.trunk], g.add("Reshape", seen, shape))
        signs = np.array([[sign] for _, sign in chosen], float)
        moved = g.add("Mul", g.add("Unsqueeze", centers, [1]), signs)  # (n, turns, k, 2)
        moved = _centred_theta(g, g.add("Reshape", moved, [-1, 2]), scale)
        moved = g.add("Reshape", moved, [-1, k, 2, 3])
        found.append(_read_maps(g, system.classifier, seen, moved, k, len(turned)))
    return g.add("ReduceMean", g.add("Concat", *found, axis=1), axes=[1], keepdims=0)


def _read_maps(g, classifier, maps, thetas, k, n_turns):
    """Name what windows on maps of some symmetries show: (n, n_turns, k, n_classes)."""
    side, n_maps = classifier.side, classifier.window[0].in_channels
    seen = g.sample(maps, thetas, (side, side), (1, 1))
    if k > 1:
        seen = g.add("Reshape", seen, [0, n_maps, k, side * side])
        seen = g.add("Transpose", seen, perm=[0, 2, 1, 3])
        seen = g.add("Reshape", seen, [-1, n_maps, side, side])
    near = g.add("ReduceMean", g.layers(classifier.window, seen), axes=[2, 3], keepdims=0)
    whole = g.layers([classifier.halve, classifier.patch], maps)
    whole = g.add("ReduceMean", whole, axes=[2, 3], keepdims=0)
    if k > 1:
        width = classifier.output.in_features // 2
        whole = g.add("Reshape", g.add("Concat", *[whole] * k, axis=1), [-1, width])
    logits = g.layers([classifier.output], g.add("Concat", near, whole, axis=1))
    shape = [-1, n_turns, k, classifier.output.out_features]
    return g.add("Reshape", g.add("Softmax", logits, axis=1), shape)


def _add_baseline(g, system, patches, patch_size):
    views = g.resized(patches, patch_size, system.view, system.view_reduction)
    head = system.cam_block + 1
    maps = g.layers(system.blocks[:head], g.standardize(system, views))
    x, way_back = maps, []
    for convolution, *_ in system.blocks[head:]:
        filtered = g.layers([convolution], x)
        x, places = g.add("MaxPool", filtered, n_outputs=2, kernel_shape=[2, 2], strides=[2, 2])
        x = g.add("Relu", x)
        way_back.append((convolution, filtered, places, x))
    hidden = g.layers([system.dense, torch.nn.ReLU()], g.add("Flatten", x))
    logits = g.layers([system.output], hidden)
    # Back again: the gradient of the highest logit.
    best = g.add("ArgMax", logits, axis=1, keepdims=0)
    slope = _where_positive(g, hidden, g.add("Gather", system.output.weight, best))
    slope = g.add("Reshape", g.add("MatMul", slope, system.dense.weight), g.add("Shape", x))
    for convolution, filtered, places, x in reversed(way_back):
        slope = _where_positive(g, x, slope)
        slope = g.add(
            "MaxUnpool",
            slope,
            places,
            g.add("Shape", filtered),
            kernel_shape=[2, 2],
            strides=[2, 2],
        )
        slope = g.add("ConvTranspose", slope, convolution.weight)
    heat = g.add("ReduceSum", g.add("Mul", slope, maps), [1], keepdims=0)
    thetas = _centred_theta(g, _heat_centers(g, system, g.add("Relu", heat)), system.scale)
    return g.add("Softmax", logits, axis=1), g.add("Squeeze", thetas, [1])


def _where_positive(g, x, slope):
    """Pass a gradient through the ReLU whose result is ``x``."""
    return g.add("Where", g.add("Greater", x, 0.0), slope, 0.0)


def _heat_centers(g, system, heat):
    """Find the peaks of maps, normalised (n, 2), see `CiresanNet.peak`."""
    height, width = system.cam_shape
    flat = g.add("Reshape", heat, [0, -1])
    enough = g.add("Mul", g.add("ReduceMax", flat, axes=[1]), 0.9999)
    tied = g.add("Cast", g.add("GreaterOrEqual", flat, enough), to=6)
    near = _near(g, g.add("ArgMax", tied, axis=1), (height, width), 1)
    mass = g.add("Where", near, flat, 0.0)
    total = g.add("ReduceSum", mass, [1])
    empty = g.add("LessOrEqual", total, 0.0)
    y, x = (system.cam_step * axis.ravel() + system.cam_first for axis in np.mgrid[:height, :width])
    points = np.stack([(2 * x + 1) / system.view[1] - 1, (2 * y + 1) / system.view[0] - 1], axis=1)
    centers = g.add("Div", g.add("MatMul", mass, points), g.add("Where", empty, 1.0, total))
    return g.add("Where", empty, 0.0, centers)
