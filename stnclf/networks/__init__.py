"""The networks: localizers, window classifiers, and the systems built from them.

Plain torch modules on images of shape (n, channels, height, width); nothing here knows
scikit-learn or skorch.
"""

from ._ciresan import CiresanNet
from ._ensemble import EnsembleNet, agreed_theta, mean_logits
from ._shared import MapClassifier, SharedLocalizer, SharedNet, flips
from ._stn import STNNet, System
from .layers import (
    SYMMETRIES,
    ConvPool,
    Inception,
    compose,
    conv_norm,
    head,
    identity,
    in_float32,
    initialize,
    named,
    positional_names,
    reduction_for,
    sample,
    view_size,
)
from .localizers import (
    LOCALIZERS,
    NEVER,
    DenseLocalizer,
    FixedLocalizer,
    HeatmapLocalizer,
    Location,
    centred_theta,
)
from .window_classifiers import CLASSIFIERS, InceptionClassifier, WindowClassifier

__all__ = [
    "CLASSIFIERS",
    "LOCALIZERS",
    "NEVER",
    "SYMMETRIES",
    "CiresanNet",
    "ConvPool",
    "DenseLocalizer",
    "EnsembleNet",
    "FixedLocalizer",
    "HeatmapLocalizer",
    "Inception",
    "InceptionClassifier",
    "Location",
    "MapClassifier",
    "STNNet",
    "SharedLocalizer",
    "SharedNet",
    "System",
    "WindowClassifier",
    "agreed_theta",
    "centred_theta",
    "compose",
    "conv_norm",
    "flips",
    "head",
    "identity",
    "in_float32",
    "initialize",
    "mean_logits",
    "named",
    "positional_names",
    "reduction_for",
    "sample",
    "view_size",
]
