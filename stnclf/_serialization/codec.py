"""Parameters and labels as JSON values, and back, with their types and without pickle."""

from __future__ import annotations

import math
import re

import numpy as np

from .._utils.errors import argument_error

__all__ = ["decode", "decode_classes", "encode", "encode_classes"]

#: Dtypes of labels that can be stored, as `numpy.dtype.str` writes them.
_LABELS = re.compile(r"\|O|[<>]U[1-9]\d{0,6}|\|b1|[|<>][iu][1248]|[<>]f[248]")

#: The labels' type in JSON by their dtype's kind.
_JSON_TYPE = {"O": str, "U": str, "b": bool, "i": int, "u": int, "f": float}

#: Padding lets few short labels of a long dtype take any amount of memory.
_MOST_LABEL_BYTES = 16 << 20


def encode(value, kinds=()):
    """Turn the value of a parameter into what JSON can hold.

    Parameters
    ----------
    value : object
        None, a bool, number or str (NumPy's become Python's), a list, tuple or dict of such, or
        a `numpy.random.RandomState`; or an object of one of ``kinds``.
    kinds : sequence of type, default=()
        Classes with ``get_params``, whose parameters are stored.

    Returns
    -------
    object
        For `decode`: plain values as they are, others as a dict of one entry, their kind.

    Raises
    ------
    TypeError
        If the value is of another type.

    Examples
    --------
    >>> from stnclf._serialization.codec import decode, encode
    >>> encode({1: (2.5, None)})
    {'dict': [[1, {'tuple': [2.5, None]}]]}
    >>> decode(encode({1: (2.5, None)}))
    {1: (2.5, None)}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in kinds:
        parameters = value.get_params(deep=False).items()
        return {type(value).__name__: {name: encode(item) for name, item in parameters}}
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is list:
        return [encode(item) for item in value]
    if type(value) is tuple:
        return {"tuple": [encode(item) for item in value]}
    if type(value) is dict:
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, np.random.RandomState):
        content = value.get_state(legacy=False)
        if content["bit_generator"] == "MT19937":
            key, position = content["state"]["key"].tolist(), content["state"]["pos"]
            return {"RandomState": [key, position, content["has_gauss"], content["gauss"]]}
    raise TypeError(f"got {type(value).__name__}, which a model file cannot hold")


def decode(value, kinds=()):
    """Turn a value from `encode` back.

    Parameters
    ----------
    value : object
        What JSON gave.
    kinds : sequence of type, default=()
        As for `encode`.

    Returns
    -------
    object

    Raises
    ------
    TypeError, ValueError
        If the value is not one that `encode` gives.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()), (None, None))
    if len(value) == 1 and kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if len(value) == 1 and kind == "tuple" and isinstance(content, list):
        return tuple(decode(content))
    if len(value) == 1 and kind == "dict" and isinstance(content, list):
        return {decode(key): decode(item) for key, item in content}
    if len(value) == 1 and kind == "RandomState" and isinstance(content, list):
        return _random_state(*content)
    for known in kinds:
        if len(value) == 1 and kind == known.__name__ and isinstance(content, dict):
            return known(**{name: decode(item) for name, item in content.items()})
    raise ValueError(f"a value of unknown kind {str(kind)[:40]!r}")


def _random_state(key, position, has_gauss, gauss):
    # NumPy does not check these and would read beyond the key.
    words = isinstance(key, list) and len(key) == 624
    if not words or not all(type(word) is int and 0 <= word < 2**32 for word in key):
        raise ValueError("a RandomState whose key is not 624 words of 32 bits")
    if type(position) is not int or not 0 <= position <= 624 or has_gauss not in (0, 1):
        raise ValueError("a RandomState whose position is out of range")
    state = np.random.RandomState(0)
    state.set_state(("MT19937", np.array(key, np.uint32), position, has_gauss, float(gauss)))
    return state


def encode_classes(classes):
    """Turn ``classes_`` into what JSON can hold.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels: str (fixed width, or objects), bool, integers, or floats up to 64 bits.

    Returns
    -------
    dict
        ``"dtype"``, as `numpy.dtype.str` writes it, and ``"values"``.

    Raises
    ------
    TypeError
        If the labels are of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf._serialization.codec import encode_classes
    >>> encode_classes(np.array([3, 7], dtype="<i2"))
    {'dtype': '<i2', 'values': [3, 7]}
    """
    dtype, values = classes.dtype, classes.tolist()
    known = _LABELS.fullmatch(dtype.str) and dtype.names is None
    if not known or not all(isinstance(value, _JSON_TYPE[dtype.kind]) for value in values):
        raise argument_error(
            "y",
            f"labels of dtype {dtype} cannot be stored; wants strings, integers, booleans, or "
            "floats of at most 64 bits",
            TypeError,
        )
    return {"dtype": dtype.str, "values": [_JSON_TYPE[dtype.kind](value) for value in values]}


def decode_classes(content):
    """Turn the labels from `encode_classes` back.

    Parameters
    ----------
    content : object
        What JSON gave.

    Returns
    -------
    ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If the labels are not sorted, different, at least two, and of their dtype.
    """
    fields = content if isinstance(content, dict) else {}
    dtype, values = fields.get("dtype"), fields.get("values")
    if not isinstance(dtype, str) or not _LABELS.fullmatch(dtype):
        raise ValueError(f"classes_: unknown dtype {str(dtype)[:40]!r}")
    dtype = np.dtype(dtype)
    kind = _JSON_TYPE[dtype.kind]
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise ValueError(f"classes_: wants a list of {kind.__name__}")
    if len(values) * dtype.itemsize > _MOST_LABEL_BYTES:
        raise ValueError(f"classes_: {len(values)} labels of dtype {dtype.str} are too large")
    if dtype.kind in "iu":  # NumPy 1 would wrap them around
        limits = np.iinfo(dtype)
        if not all(limits.min <= value <= limits.max for value in values):
            raise ValueError(f"classes_: a label is out of the bounds of dtype {dtype.str}")
    with np.errstate(all="ignore"):
        classes = np.array(values, dtype)
    if classes.tolist() != values or len(np.unique(classes)) < 2:
        raise ValueError(f"classes_: wants two or more labels of dtype {dtype.str}")
    if not np.array_equal(np.unique(classes), classes):
        raise ValueError("classes_: labels are not sorted and different")
    return classes
