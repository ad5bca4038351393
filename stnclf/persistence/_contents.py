"""What is in a model file: the description of an estimator and its weights, and the way back."""

from __future__ import annotations

import math
import platform

import numpy as np
import PIL
import safetensors
import sklearn
import skorch
import torch
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import EarlyStopping

from .._base import PATIENCE
from .._serialization.codec import decode, decode_classes, encode, encode_classes
from .._serialization.container import check_finite
from .._serialization.model_format import FORMAT_VERSION, check_format
from .._serialization.training_record import TrainingRecord
from .._serialization.version_1 import current_parameters
from .._utils.errors import argument_error
from .._utils.images import check_image_shape
from .._utils.pixel_unit import PixelUnit
from .._utils.thresholds import check_thresholds
from .._version import __version__
from ..baseline import CiresanBaseline
from ..classifier import STNCellClassifier
from ..ensemble import Ensemble, members_of
from ..networks import positional_names
from ..sampling import Augmentation, Frame
from ..training import CellNet, Optimizer
from ..training._callbacks import history_rows

__all__ = ["check_estimator", "describe", "restore", "versions", "weights"]

_KINDS = {kind.__name__: kind for kind in (CiresanBaseline, STNCellClassifier)}

#: What objects have that files of version 1 do not know, as if it were not there.
_LATER = {"augment": {"stain": 0.0}}

#: An ensemble's file may have so many members.
_MOST_MEMBERS = 100

#: Parameters may be such objects.
_OBJECTS = (Augmentation, Optimizer)

#: Parameters that are code, another model, or a place of one machine.
_LEFT_OUT = ("callbacks", "init", "checkpoint")


def check_estimator(estimator):
    """Refuse what is no fitted estimator of this package."""
    kind = type(estimator)
    if kind is not Ensemble and _KINDS.get(kind.__name__) is not kind:
        raise argument_error(
            "estimator",
            f"got {kind.__name__}, wants one of {sorted([*_KINDS, 'Ensemble'])} "
            "themselves; of a pipeline or search, the step or best estimator that is one.",
            TypeError,
        )
    check_is_fitted(estimator)
    if kind is Ensemble:
        for member in members_of(estimator):
            check_estimator(member)


def versions():
    """Return versions by package."""
    packages = (torch, skorch, sklearn, np, PIL, safetensors)
    versions = {package.__name__: str(package.__version__) for package in packages}
    return {"stnclf": __version__, "python": platform.python_version(), **versions}


def weights(estimator):
    """Return the tensors of a file: of an ensemble, names begin with the number of the member."""
    found, seen = {}, set()
    for i, member in enumerate(members_of(estimator)):
        for name, tensor in member.net_.module_.state_dict().items():
            tensor = tensor.cpu().contiguous()
            # A member may be there twice, and no two tensors of a file may share their memory.
            if tensor.data_ptr() in seen:
                tensor = tensor.clone()
            seen.add(tensor.data_ptr())
            found[f"{_prefix(estimator, i)}{name}"] = tensor
    return found


def _prefix(estimator, i):
    return f"{i}." if isinstance(estimator, Ensemble) else ""


def describe(estimator):
    """Return everything about an estimator but its weights, as JSON values."""
    check_estimator(estimator)
    facts = {"format": "stnclf model", "format_version": FORMAT_VERSION}
    facts |= {"class": type(estimator).__name__, "versions": versions()}
    chosen = getattr(estimator, "detection_thresholds_", None)
    if chosen:
        known = check_thresholds(chosen, estimator.classes_)
        facts["detection_thresholds_"] = [known.get(k) for k in estimator.classes_.tolist()]
    if isinstance(estimator, Ensemble):
        members = members_of(estimator)
        if len(members) > _MOST_MEMBERS:
            raise argument_error(
                "estimator", f"has {len(members)} members, a file holds at most {_MOST_MEMBERS}."
            )
        kinds = [{"class": type(member).__name__} for member in members]
        return {**facts, "members": [k | _describe_one(m) for k, m in zip(kinds, members)]}
    return facts | _describe_one(estimator)


def _describe_one(estimator):
    if estimator._architecture() != estimator._architecture_:
        raise argument_error(
            "estimator",
            f"was fitted with {estimator._architecture_}, but its parameters now say "
            f"{estimator._architecture()}; set them back, or fit anew.",
        )
    parameters = {}
    for name, value in estimator.get_params(deep=False).items():
        if name not in _LEFT_OUT:
            try:
                parameters[name] = encode(value, _OBJECTS)
            except TypeError as error:
                raise TypeError(f"{name}: {error}.") from error
    names = getattr(estimator, "feature_names_in_", None)
    unit = getattr(estimator, "pixel_unit_", None)
    return {
        "parameters": parameters,
        "classes_": encode_classes(estimator.classes_),
        "image_shape_": list(estimator.image_shape_),
        "patch_size_": list(estimator.patch_size_),
        "cell_size_": list(estimator.cell_size_),
        "n_features_in_": estimator.n_features_in_,
        "pixel_unit_": unit and unit.encoded(),
        "has_cell_": estimator._has_cell.tolist(),
        "objectness_": bool(getattr(estimator, "objectness_", False)),
        "feature_names_in_": None if names is None else names.tolist(),
        **TrainingRecord.of(estimator.net_).encoded(),
    }


def restore(reader):
    """Make the estimator that a file describes, or raise one of REFUSALS."""
    estimator, chosen = _restore(reader), reader.facts.get("detection_thresholds_")
    if chosen is not None:
        names = estimator.classes_.tolist()
        if not isinstance(chosen, list) or len(chosen) != len(names):
            raise ValueError(f"detection_thresholds_: wants a list of {len(names)} numbers")
        known = {name: value for name, value in zip(names, chosen) if value is not None}
        estimator.detection_thresholds_ = check_thresholds(known, estimator.classes_)
    return estimator


def _restore(reader):
    facts = reader.facts
    check_format(facts)
    if facts.get("class") == Ensemble.__name__:
        return _restore_ensemble(reader)
    parts = _parts(facts)
    wanted = parts[-1]
    names = positional_names(wanted) if facts["format_version"] == 1 else None
    tensors = reader.tensors(wanted.state_dict(), names)
    check_finite(tensors)
    return _filled(facts, *parts[:-1], tensors)


def _restore_ensemble(reader):
    """Make the ensemble that a file describes."""
    common = {name: reader.facts.get(name) for name in ("format", "format_version", "versions")}
    listed = reader.facts.get("members")
    if not isinstance(listed, list) or not all(isinstance(facts, dict) for facts in listed):
        raise ValueError("members: wants a list of objects")
    if not 1 <= len(listed) <= _MOST_MEMBERS:
        raise ValueError(f"members: got {len(listed)}, wants 1 to {_MOST_MEMBERS}")
    described = [{**facts, **common} for facts in listed]
    parts = [_parts(facts) for facts in described]
    wanted = {
        f"{i}.{name}": tensor
        for i, (*_, module) in enumerate(parts)
        for name, tensor in module.state_dict().items()
    }
    tensors = reader.tensors(wanted)
    check_finite(tensors)
    members = []
    for i, (facts, (*made, module)) in enumerate(zip(described, parts)):
        own = {name: tensors.pop(f"{i}.{name}") for name in module.state_dict()}
        members.append(_filled(facts, *made, own))
    ensemble = Ensemble(members)
    ensemble._members()  # an error says what does not fit together
    return ensemble


def _parts(facts):
    """Read a description: the unfitted estimator, frame and classes, and networks on "meta"."""
    classes = decode_classes(facts.get("classes_"))
    image = _sides(facts, "image_shape_", 3)
    frame = Frame(image[:2], _sides(facts, "patch_size_", 2), _sides(facts, "cell_size_", 2))
    for name, inner, outer in (
        ("patch_size_", frame.patch, frame.image),
        ("cell_size_", frame.cell, frame.patch),
    ):
        if inner[0] > outer[0] or inner[1] > outer[1]:
            raise ValueError(f"{name}: {inner} does not fit into {outer}")
    estimator = _unfitted(facts, frame)
    if facts.get("n_features_in_") != math.prod(image):
        raise ValueError("n_features_in_: is not that of image_shape_")
    module = _module(estimator, frame, image[2], len(classes), "meta")
    return estimator, frame, image, classes, module


def _filled(facts, estimator, frame, image, classes, tensors):
    """Make an estimator fitted, with the networks' weights."""
    module = _module(estimator, frame, image[2], len(classes), "cpu")
    module.load_state_dict(tensors)
    del tensors  # what follows may copy
    estimator.net_ = CellNet.around(module.eval())
    TrainingRecord.decoded(facts, estimator._stages()).restore(estimator.net_)
    estimator.history_, estimator.detection_thresholds_ = history_rows(estimator.net_.history), {}
    estimator.classes_, estimator.image_shape_ = classes, image
    estimator.patch_size_, estimator.cell_size_ = frame.patch, frame.cell
    estimator.n_features_in_ = math.prod(image)
    estimator.pixel_unit_ = PixelUnit.decoded(facts.get("pixel_unit_"))
    estimator.has_cell_ = np.array(_has_cell(facts, len(classes)))
    estimator.objectness_ = facts.get("objectness_", False) is True
    estimator.net_.module_.objectness = estimator.objectness_
    names = facts.get("feature_names_in_")
    if names is not None:
        listed = isinstance(names, list) and len(names) == estimator.n_features_in_
        if not listed or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names_in_: wants {estimator.n_features_in_} names")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    estimator._architecture_ = estimator._architecture()
    return estimator


def _has_cell(facts, n_classes):
    """Which classes had a cell; files of before there were others have no such entry."""
    found = facts.get("has_cell_", [True] * n_classes)
    listed = isinstance(found, list) and len(found) == n_classes
    if not listed or not all(isinstance(value, bool) for value in found):
        raise ValueError(f"has_cell_: wants {n_classes} of true and false")
    return found


def _unfitted(facts, frame):
    """Make the estimator with its parameters."""
    writer = check_format(facts)
    name, stored = facts.get("class"), facts.get("parameters")
    if not isinstance(name, str) or name not in _KINDS:
        raise ValueError(f"class: got {str(name)[:80]!r}, wants one of {sorted(_KINDS)}")
    if not isinstance(stored, dict):
        raise ValueError("parameters: are missing")
    kind, patience = _KINDS[name], PATIENCE
    known = set(kind().get_params(deep=False)) - set(_LEFT_OUT)
    try:
        parameters = {key: decode(value, _OBJECTS) for key, value in stored.items()}
        if facts["format_version"] == 1:
            whole = frame.cell == frame.patch
            parameters = current_parameters(name, parameters, whole=whole)
            patience = parameters.pop("n_iter_no_change")
            parameters = _with_objects(kind, parameters)
        if parameters.get("classifier") == "zoom":
            raise ValueError(
                "they have classifier='zoom', which this version does not have; train anew, "
                "'context' is the nearest"
            )
        unknown = sorted(set(parameters) - known)
        if unknown:
            raise ValueError(f"{unknown} are unknown ({writer})")
        estimator = kind(**parameters)
        if type(patience) is not int or patience < 1:
            raise ValueError("n_iter_no_change: wants a positive integer")
        if estimator.validation_fraction is not None and patience != PATIENCE:
            estimator.callbacks = [EarlyStopping(patience=patience, load_best=True)]
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters: {error}") from error
    estimator._validate_params()
    check_image_shape(estimator.image_shape)
    estimator._check_networks(frame)
    return estimator


def _with_objects(kind, flat):
    """Make objects, or the names of known ones, of what a file of version 1 has one by one."""
    parameters = {name: value for name, value in flat.items() if "__" not in name}
    for name, made in (("augment", Augmentation), ("optimizer", Optimizer)):
        start = f"{name}__"
        parts = {k.removeprefix(start): v for k, v in flat.items() if k.startswith(start)}
        parts = _LATER.get(name, {}) | parts
        names = [known for known, same in kind._NAMED[name].items() if same.get_params() == parts]
        parameters[name] = names[0] if names else made(**parts)
    return parameters


def _module(estimator, frame, n_channels, n_classes, device):
    """Build the networks, on the meta device without memory for their weights."""
    with torch.device(device):
        # Two tensors: the module keeps them, and its weights must not share memory.
        mean, std = torch.zeros(n_channels), torch.ones(n_channels)
        try:
            return estimator._new_module(frame, n_channels, n_classes, mean, std)
        except RuntimeError as error:
            if device != "meta":
                raise
            raise ValueError(f"its sizes make no networks ({error})") from error


def _sides(facts, name, n):
    sides = facts.get(name)
    whole = isinstance(sides, list) and len(sides) == n and all(type(s) is int for s in sides)
    if not whole or not all(1 <= side < 2**31 for side in sides):
        raise ValueError(f"{name}: got {str(sides)[:80]}, wants {n} positive integers")
    return tuple(sides)
