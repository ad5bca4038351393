"""Write and read model files."""

from __future__ import annotations

import io
import math
import os
import platform
import warnings

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
from .._serialization.container import REFUSALS, Reader, check_finite, one_line, pack, reading
from .._serialization.model_format import FORMAT_VERSION, check_format
from .._serialization.training_record import TrainingRecord
from .._serialization.version_1 import current_parameters
from .._utils.checks import check_device
from .._utils.files import write_atomically
from .._utils.images import check_image_shape
from .._utils.neutral import neutral
from .._utils.pixel_unit import PixelUnit
from .._utils.typing import PathLike
from .._version import __version__
from ..baseline import CiresanBaseline
from ..classifier import STNCellClassifier
from ..networks import positional_names
from ..sampling import Augmentation, Frame
from ..training import CellNet, Optimizer
from ..training._callbacks import history_rows
from ._model_card import as_markdown

__all__ = ["load", "model_card", "save"]

_KINDS = {kind.__name__: kind for kind in (CiresanBaseline, STNCellClassifier)}

#: Parameters may be such objects.
_OBJECTS = (Augmentation, Optimizer)

#: Parameters that are code, another model, or a place of one machine.
_LEFT_OUT = ("callbacks", "init", "checkpoint")


@neutral()
def save(estimator: CiresanBaseline | STNCellClassifier, path: PathLike) -> None:
    """Write a fitted estimator to a file that is safe to open.

    The file is written as a whole or not at all: if that fails, a file that stood there before
    is as it was. Equal estimators give equal bytes, as far as the same packages write them.

    Parameters
    ----------
    estimator : STNCellClassifier or CiresanBaseline
        Fitted.
    path : str or path-like
        Name of the file; ``.safetensors`` is the usual ending. A file there is replaced.

    Returns
    -------
    None

    Warns
    -----
    UserWarning
        If the estimator has ``callbacks``. They are code and are left out.

    Raises
    ------
    TypeError
        If the estimator is of another class, a parameter is of a type that cannot be stored (a
        ``random_state`` that is a RandomState can be), the labels are neither strings,
        integers, booleans nor floats of at most 64 bits, or ``path`` is no path.
    ValueError
        If the estimator is not fitted, its weights are not finite, or its parameters were
        changed since ``fit`` so that they describe other networks.
    OSError
        If the file cannot be written; the error names it.

    See Also
    --------
    load : The way back.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import stnclf
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = stnclf.CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     stnclf.save(clf, path)
    ...     again = stnclf.load(path)
    >>> np.array_equal(clf.predict_proba(X), again.predict_proba(X))
    True
    """
    path, facts = _as_str(path), _describe(estimator)
    state = estimator.net_.module_.state_dict()
    data = pack(facts, {name: tensor.cpu().contiguous() for name, tensor in state.items()})
    try:
        # What could not be loaded must not replace what can.
        _restore(Reader(io.BytesIO(data), len(data)))
    except REFUSALS as error:
        raise ValueError(f"{path}: not written; {one_line(error)}") from error
    write_atomically(path, data)
    if estimator.callbacks:
        warnings.warn(
            "callbacks are code and are left out of the model file; pass them again after load.",
            UserWarning,
            stacklevel=2,
        )


@neutral()
def load(path: PathLike, device: str | None = None) -> CiresanBaseline | STNCellClassifier:
    """Load an estimator from a file that `save` wrote.

    On the same device, with the same packages, predictions are the same bit for bit, and
    ``warm_start=True`` continues the training where it ended.

    Everything in the file is checked, sizes before anything of that size is made: loading takes
    no more memory than twice the file and 100 MB.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    device : str, default=None
        The estimator's parameter ``device``; None leaves it as it was saved. A model that was
        trained on a GPU loads anywhere, but to predict with it where there is none takes
        ``device="cpu"``, unless it was saved with "auto".

    Returns
    -------
    STNCellClassifier or CiresanBaseline
        Fitted. Parameters that did not exist yet when the file was written have their defaults.

    Raises
    ------
    ValueError
        If the file is damaged, no model file, or written by a newer version of the package; in
        one line that names the path and what is wrong. Also if there is no such device.
    TypeError
        If ``path`` is no path or ``device`` no str.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Writes such files.
    """
    if device is not None:
        if not isinstance(device, str):
            raise TypeError(f"device: got {device!r}, wants a str or None.")
        check_device(device)
    path = _as_str(path)
    try:
        with reading(path) as reader:
            estimator = _restore(reader)
    except REFUSALS as error:
        raise ValueError(f"{path}: cannot be loaded; {one_line(error)}") from error
    return estimator if device is None else estimator.set_params(device=device)


def model_card(estimator: CiresanBaseline | STNCellClassifier) -> str:
    """Describe a fitted estimator in Markdown, from the facts that a model file holds.

    Parameters
    ----------
    estimator : STNCellClassifier or CiresanBaseline
        Fitted.

    Returns
    -------
    str
        Input and output, training, parameters and versions, and a list of what only people can
        add: data, scores, intended use.

    Raises
    ------
    TypeError, ValueError
        As `save` does.

    Examples
    --------
    >>> import stnclf
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = stnclf.CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> print(stnclf.persistence.model_card(clf).splitlines()[0])
    # CiresanBaseline
    """
    _check_estimator(estimator)
    return as_markdown(estimator, _versions())


def _as_str(path):
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path: got {path!r}, wants a str or path-like.")
    return os.fsdecode(path)


def _check_estimator(estimator):
    kind = type(estimator)
    if _KINDS.get(kind.__name__) is not kind:
        raise TypeError(
            f"estimator: got {kind.__name__}, wants one of {sorted(_KINDS)} themselves; of a "
            "pipeline or search, the step or best estimator that is one."
        )
    check_is_fitted(estimator)


def _versions():
    packages = (torch, skorch, sklearn, np, PIL, safetensors)
    versions = {package.__name__: str(package.__version__) for package in packages}
    return {"stnclf": __version__, "python": platform.python_version(), **versions}


def _describe(estimator):
    """Everything about an estimator but its weights, as JSON values."""
    _check_estimator(estimator)
    if estimator._architecture() != estimator._architecture_:
        raise ValueError(
            f"estimator: was fitted with {estimator._architecture_}, but its parameters now say "
            f"{estimator._architecture()}; set them back, or fit anew."
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
        "format": "stnclf model",
        "format_version": FORMAT_VERSION,
        "class": type(estimator).__name__,
        "parameters": parameters,
        "classes_": encode_classes(estimator.classes_),
        "image_shape_": list(estimator.image_shape_),
        "patch_size_": list(estimator.patch_size_),
        "cell_size_": list(estimator.cell_size_),
        "n_features_in_": estimator.n_features_in_,
        "pixel_unit_": unit and unit.encoded(),
        "feature_names_in_": None if names is None else names.tolist(),
        **TrainingRecord.of(estimator.net_).encoded(),
        "versions": _versions(),
    }


def _restore(reader):
    """Make the estimator that a file describes, or raise one of REFUSALS."""
    facts = reader.facts
    check_format(facts)
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
    wanted = _module(estimator, frame, image[2], len(classes), "meta")
    names = positional_names(wanted) if facts["format_version"] == 1 else None
    tensors = reader.tensors(wanted.state_dict(), names)
    check_finite(tensors)
    module = _module(estimator, frame, image[2], len(classes), "cpu")
    module.load_state_dict(tensors)
    del tensors  # what follows may copy
    estimator.net_ = CellNet.around(module.eval())
    TrainingRecord.decoded(facts, estimator._stages()).restore(estimator.net_)
    estimator.history_ = history_rows(estimator.net_.history)
    estimator.classes_, estimator.image_shape_ = classes, image
    estimator.patch_size_, estimator.cell_size_ = frame.patch, frame.cell
    estimator.n_features_in_ = math.prod(image)
    estimator.pixel_unit_ = PixelUnit.decoded(facts.get("pixel_unit_"))
    names = facts.get("feature_names_in_")
    if names is not None:
        listed = isinstance(names, list) and len(names) == estimator.n_features_in_
        if not listed or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names_in_: wants {estimator.n_features_in_} names")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    estimator._architecture_ = estimator._architecture()
    return estimator


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
