"""What a training was begun with, as JSON values: parameters as they are, data as digests."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from .._serialization.codec import encode, encode_classes

__all__ = ["differences", "fingerprint", "start_digest"]

#: Parameters in which two runs of one training may differ: how and where it runs, not what is
#: learned. ``warm_start`` and ``init`` count by their effect, the weights that training starts
#: from.
_FREE = ("callbacks", "checkpoint", "compile", "device", "init", "mpp", "verbose", "warm_start")

#: Parameters that earlier versions did not have, and what they amounted to then.
_LATER = {"augment__stain": 0.0}

#: Bytes of images that are read at a time.
_PIECE = 16 << 20


def fingerprint(estimator, stages, X, classes, y, centers, weight, start, neighbors=None):
    """Describe what a training begins with.

    Parameters
    ----------
    estimator : estimator
        Its class and parameters; a RandomState as it is before anything is drawn from it.
    stages : list of str
        What is trained.
    X : ndarray of shape (n, height, width, channels)
        Images; read a few at a time.
    classes : ndarray of shape (n_classes,)
        Labels.
    y : int64 ndarray of shape (n,)
        Their indices.
    centers : float64 ndarray of shape (n, 2)
        Cell centres.
    weight : float64 ndarray of shape (n,)
        Sample weights.
    start : dict of str to Tensor, or None
        Weights that training starts from; None where ``random_state`` decides them.
    neighbors : float64 ndarray of shape (n, k, 3), default=None
        Other annotated cells.

    Returns
    -------
    dict
        JSON values.

    Raises
    ------
    TypeError
        If a parameter, or a label, is of a type that cannot be written.
    """
    parameters = {}
    for name, value in estimator._resolved_parameters(X.shape[1:3]).items():
        if name not in _FREE and (name not in _LATER or value != _LATER[name]):
            try:
                parameters[name] = _short(encode(value))
            except TypeError as error:
                raise TypeError(f"{name}: {error}.") from error
    names = json.dumps(encode_classes(classes)["values"]).encode()
    return {
        "class": type(estimator).__name__,
        "parameters": parameters,
        "stages": stages,
        "X": _digest([X]),
        "y": _digest([y], names),
        "centers": _digest([centers]),
        "sample_weight": _digest([weight]),
        "start": start and start_digest(start),
        # Only where there are some: checkpoints of trainings without them have no such entry.
        **({} if neighbors is None else {"neighbors": _digest([neighbors])}),
    }


def start_digest(start):
    """Digest weights, in the order of their names.

    Parameters
    ----------
    start : dict of str to Tensor

    Returns
    -------
    str
    """
    return _digest([tensor.cpu().numpy() for _, tensor in sorted(start.items())])


def differences(there, here):
    """List in words where two fingerprints differ.

    Parameters
    ----------
    there, here : dict
        The one of a checkpoint, as JSON gave it, and that of the present fit.

    Returns
    -------
    list of str
        Names of arguments, parameters with both values.

    Examples
    --------
    >>> from stnclf.training._fingerprint import differences
    >>> a = {"class": "A", "X": "8f3a", "parameters": {"lr": 0.1, "epochs": 3}}
    >>> differences(a, {"class": "A", "X": "77b0", "parameters": {"lr": 0.2, "epochs": 3}})
    ['lr (was 0.1, is 0.2)', 'X']
    """
    if there.get("class") != here["class"]:
        return [f"class (was {_show(there, 'class')}, is {_show(here, 'class')})"]
    old = there.get("parameters")
    old, new = old if isinstance(old, dict) else {}, here["parameters"]
    found = [
        f"{name} (was {_show(old, name)}, is {_show(new, name)})"
        for name in sorted(old.keys() | new.keys())
        if name not in old or name not in new or old[name] != new[name]
    ]
    for name in dict.fromkeys([*here, *(there.keys() & {"neighbors"})]):
        if name != "parameters" and there.get(name) != here.get(name):
            other = "warm_start or init (it starts from other weights)"
            found.append(other if name == "start" else name)
    return found


def _show(values, name):
    return json.dumps(values[name])[:60] if name in values else "not known"


def _short(value):
    """Keep the digest of a long value, such as the state of a generator."""
    text = json.dumps(value)
    return value if len(text) < 1000 else {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def _digest(arrays, more=b""):
    result = hashlib.sha256(more)
    for array in arrays:
        result.update(f"{array.dtype.str} {array.shape}".encode())
        rows = max(1, _PIECE // max(1, array[:1].nbytes)) if array.ndim else 1
        for start in range(0, len(array), rows) if array.ndim else ():
            result.update(np.ascontiguousarray(array[start : start + rows]))
        if not array.ndim:
            result.update(array.tobytes())
    return result.hexdigest()
