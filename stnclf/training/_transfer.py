"""Weights to begin with: those of a fitted or saved model, as far as they fit."""

from __future__ import annotations

import math
import os

import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._serialization.codec import decode_classes
from .._serialization.container import REFUSALS, one_line, reading
from .._serialization.model_format import check_format
from .._utils.errors import argument_error
from ..networks import positional_names

__all__ = ["initial_weights", "load_matching_weights"]

#: Layers with a unit for each class: new where the classes are others.
CLASS_LAYERS = ("output.", "classifier.output.")
#: The standardisation is that of the images at hand.
STATISTICS = ("mean", "std")

_DTYPES = {"F32": torch.float32, "I64": torch.int64}


def initial_weights(init, kinds):
    """Find the weights that the parameter ``init`` stands for.

    Parameters
    ----------
    init : estimator, str or path-like
        A fitted estimator, maybe in a `sklearn.frozen.FrozenEstimator`, or a model file.
    kinds : type
        Base class of the estimators that have weights.

    Returns
    -------
    weights : dict of str to Tensor
        By the names in ``net_.module_.state_dict()``.
    classes : ndarray of shape (n_classes,)
        Classes that they tell apart.

    Raises
    ------
    ValueError
        If the estimator is not fitted, or the file no model file.
    TypeError
        If ``init`` is something else.
    OSError
        If the file cannot be read.
    """
    if isinstance(init, (str, os.PathLike)):
        return _read(os.fspath(init))
    estimator = init.estimator if isinstance(init, FrozenEstimator) else init
    if isinstance(estimator, type) or not isinstance(estimator, kinds):
        raise argument_error(
            "init",
            f"got {type(init).__name__}, wants a fitted STNCellClassifier or "
            "CiresanBaseline, the path of a model file, or None.",
            TypeError,
        )
    check_is_fitted(
        estimator, msg="init: got a %(name)s that is not fitted, wants one that is, or a file."
    )
    return estimator.net_.module_.state_dict(), estimator.classes_


def load_matching_weights(module, weights, *, same_classes):
    """Copy weights into a module where names and shapes agree.

    Parameters
    ----------
    module : nn.Module
        Changed in place.
    weights : dict of str to Tensor
        As from `initial_weights`.
    same_classes : bool
        Whether the layers that name the classes are taken too.

    Raises
    ------
    ValueError
        If no weight of a convolution agrees.
    """
    own = module.state_dict()
    # Files of version 1 have other names for layers; none of them is one of today's.
    today = {there: here for here, there in positional_names(module).items()}
    weights = {today.get(name, name): tensor for name, tensor in weights.items()}
    left_out = STATISTICS if same_classes else STATISTICS + CLASS_LAYERS
    taken = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and own[name].shape == tensor.shape and not name.startswith(left_out)
    }
    # A counter or a bias that happens to have the same name and size is no transfer.
    if not any(tensor.dim() == 4 for tensor in taken.values()):
        raise argument_error(
            "init",
            "none of its convolutions has the name and shape of one here; it must have the "
            "same kind of networks (localizer, classifier) and images of as many channels.",
        )
    module.load_state_dict({**own, **taken})


def _read(path):
    try:
        with reading(path) as reader:
            check_format(reader.facts)
            if "members" in reader.facts:
                raise ValueError("it is an ensemble; wants one of its members (estimators[0])")
            wanted = {name: _meta(name, *kind) for name, kind in reader.layout.items()}
            return reader.tensors(wanted), decode_classes(reader.facts.get("classes_"))
    except REFUSALS as error:
        raise argument_error("init", f"{path} cannot be loaded; {one_line(error)}") from error


def _meta(name, dtype, shape):
    """Make a tensor without memory, of a dtype and shape that anyone may have written."""
    whole = isinstance(shape, list) and all(type(side) is int and side >= 0 for side in shape)
    if dtype not in _DTYPES or not whole or math.prod(shape) >= 2**40:
        raise ValueError(f"tensor {name[:80]!r} is {dtype} {str(shape)[:80]}")
    return torch.empty(shape, dtype=_DTYPES[dtype], device="meta")
