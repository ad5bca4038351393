"""Images in all the forms that users have them, as one array (n, height, width, channels)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from math import isqrt, prod
from numbers import Integral

import numpy as np
from PIL import Image
from scipy import sparse
from sklearn.utils.validation import validate_data

from .containers import is_table, plain, refuse_masked, with_names
from .errors import argument_error
from .image_files import load_images
from .pixel_unit import PixelUnit, as_fitted, units_of
from .printable import counted

_FORMS = (
    "images of shape (n_samples, height, width, channels) or (n_samples, height, width), rows of "
    "flattened images, or a sequence of paths or PIL images"
)

__all__ = [
    "as_images",
    "check_image_shape",
    "check_size",
    "guess_image_shape",
    "naming",
]


def as_images(estimator, X, image_shape=None, *, reset):
    """Check X and bring it to four axes, without copying what is an image array already.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_``, ``image_shape_`` and ``pixel_unit_`` are set (``reset=True``) or
        compared with.
    X : array-like or sequence
        uint8 or float array of shape (n, height, width, channels) or (n, height, width); rows
        of flattened images, (n, height * width * channels); or a sequence of paths or PIL
        images of one size.
    image_shape : tuple of int, default=None
        ``(height, width, channels)`` of rows; None guesses, see `guess_image_shape`.
    reset : bool
        True in ``fit``, False afterwards.

    Returns
    -------
    ndarray or `Converted` of shape (n, height, width, channels)
        uint8, which is divided by 255 later, or numbers that are finite in float32 and are taken
        as they are, see `stnclf._utils.pixel_unit`.

    Raises
    ------
    TypeError, ValueError
        If X is nothing of the kind, is empty, holds NaN or infinity, differs in shape or unit
        from what the estimator was fitted on, or an image cannot be read.

    Warns
    -----
    UserWarning
        If the unit of the pixels was assumed; it says which.
    """
    name, image_shape = type(estimator).__name__, check_image_shape(image_shape)
    if sparse.issparse(X):
        raise argument_error(
            "X", f"got a sparse matrix, {name} wants a dense array of images.", TypeError
        )
    fitted = None if reset else estimator.image_shape_
    refuse_masked("X", X)
    X = plain(X)
    if _is_image_sequence(X):
        X = load_images(X, None if fitted is None else fitted[2])
    elif not hasattr(X, "dtype") and not hasattr(X, "iloc") and not is_table(X):
        X = _stack(X)
    ndim = getattr(X, "ndim", 2)
    if ndim < 2:
        raise argument_error(
            "X",
            f"got an array of shape {np.shape(X)}, wants {_FORMS}. Reshape your data; X[None] "
            "is a single sample.",
        )
    if ndim == 2:
        # Tables go through scikit-learn's own checks, feature names and messages included.
        with naming("X", "rows of numbers, one flattened image each; paths come as a list"):
            X = validate_data(estimator, with_names(X), reset=reset, dtype="numeric")
        _check_kind(X)
        _check_float32(X)
        if fitted is None:
            fitted = image_shape or guess_image_shape(X.shape[1])
            if prod(fitted) != X.shape[1]:
                raise argument_error(
                    "X",
                    f"rows of {X.shape[1]} values do not make images of image_shape="
                    f"{tuple(image_shape)}, which takes {prod(fitted)}.",
                )
        X = X.reshape(len(X), *fitted)
    else:
        X = _check_array(np.asarray(X), name, fitted, image_shape)
        if reset and image_shape is not None and X.shape[1:] != tuple(image_shape):
            raise argument_error(
                "X",
                f"images of {describe(X.shape[1:])} do not agree with image_shape="
                f"{tuple(image_shape)}.",
            )
        if reset:
            estimator.n_features_in_ = prod(X.shape[1:])
            vars(estimator).pop("feature_names_in_", None)
    if reset:
        estimator.image_shape_, estimator.pixel_unit_ = X.shape[1:], PixelUnit.of(X)
    # Members of an ensemble have units of one kind, which make the same of X where none refuses.
    for unit in units_of(estimator):
        converted = as_fitted(X, unit, name)
    return converted


def check_image_shape(value):
    """Check ``image_shape``: None, or (height, width, channels); one channel may be left out."""
    if value is None:
        return None
    if len(value) not in (2, 3) or not all(isinstance(v, Integral) and v > 0 for v in value):
        raise argument_error(
            "image_shape", f"got {value!r}, wants positive integers (height, width, channels)."
        )
    return (*(int(v) for v in value), 1)[:3]


def check_size(name, value, default, limit, of):
    """Check a size in pixels that must fit into another.

    Parameters
    ----------
    name : str
        The parameter, for the message.
    value : int, sequence of two int, or None
        One integer is a square, None the default.
    default, limit : tuple of int
        ``(height, width)`` that None stands for, and that must not be exceeded.
    of : str
        What the limit is, for the message.

    Returns
    -------
    tuple of int
        ``(height, width)``.
    """
    sides = default if value is None else value
    sides = (sides, sides) if isinstance(sides, Integral) else tuple(sides)
    if len(sides) != 2 or not all(isinstance(v, Integral) and v > 0 for v in sides):
        raise argument_error(name, f"got {value!r}, wants a positive integer or (height, width).")
    if any(side > most for side, most in zip(sides, limit)):
        raise argument_error(name, f"got {sides} (height, width), larger than the {of}, {limit}.")
    return tuple(int(side) for side in sides)


def guess_image_shape(n_features):
    """Shape of flattened images: square RGB, else square grey, else one row of pixels.

    Parameters
    ----------
    n_features : int
        Values in a row of X.

    Returns
    -------
    tuple of int
        ``(height, width, channels)``.

    Examples
    --------
    >>> from stnclf._utils.images import guess_image_shape
    >>> guess_image_shape(48), guess_image_shape(49), guess_image_shape(50)
    ((4, 4, 3), (7, 7, 1), (1, 50, 1))
    """
    for channels in (3, 1):
        side = isqrt(n_features // channels)
        if side and side * side * channels == n_features:
            return side, side, channels
    return 1, n_features, 1


def describe(shape):
    """Words for the shape of an image."""
    height, width, channels = shape
    return f"{height} x {width} px (height x width) with {counted(channels, 'channel')}"


def _is_image_sequence(X):
    """Whether X is a non-empty sequence of paths or PIL images."""
    if hasattr(X, "iloc"):
        X = X.to_numpy() if getattr(X, "ndim", 2) == 1 else ()
    if not _is_sequence(X) or getattr(X, "ndim", 1) != 1:
        return False
    kinds = [isinstance(item, (str, os.PathLike, Image.Image)) for item in X]
    if any(kinds) and not all(kinds):
        i = kinds.index(False)
        raise TypeError(
            f"X[{i}]: got {type(X[i]).__name__}, wants a path or PIL image as other items of X are."
        )
    return any(kinds)


def _is_sequence(X):
    ordered = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    return ordered and not isinstance(X, (str, bytes, Mapping))


def _stack(X):
    """Turn nested sequences or a list of arrays into one array."""
    if isinstance(X, (str, bytes, os.PathLike, Image.Image)):
        raise argument_error(
            "X", f"got {X!r}, wants a sequence of images or paths, not a single one.", TypeError
        )
    if hasattr(X, "__dataframe__"):
        return X
    if hasattr(X, "__array__"):
        return np.asarray(X)
    if not _is_sequence(X):
        raise argument_error("X", f"got {type(X).__name__}, wants {_FORMS}.", TypeError)
    with naming("X", _FORMS):
        if any(hasattr(item, "shape") for item in X):
            shapes = [np.shape(item) for item in X]
            for i, shape in enumerate(shapes):
                if shape != shapes[0]:
                    raise ValueError(
                        f"X[{i}]: has shape {shape}, but X[0] has {shapes[0]}; all images must "
                        "be of one shape."
                    )
            arrays = [np.asarray(plain(item)) for item in X]
            kinds = [_kind_of_pixels(array.dtype) for array in arrays]
            for i, kind in enumerate(kinds):
                if kind != kinds[0]:
                    raise ValueError(
                        f"X[{i}]: has {arrays[i].dtype} pixels, but X[0] has {arrays[0].dtype}; "
                        "all images must be of one unit."
                    )
            return np.stack(arrays)
        array = np.asarray(X)
    # scikit-learn has its own way with lists of numbers, strings and objects.
    return X if array.ndim == 2 else array


def _kind_of_pixels(dtype):
    """Distinguish what may be pixels of another unit: floats, truth values, 8 and 16 bits."""
    return dtype.name if dtype.kind == "u" and dtype.itemsize <= 2 else dtype.kind.replace("u", "i")


def _channels_first(shape):
    """Say whether images of a shape can only be meant as (n, channels, height, width)."""
    channels, height, width = shape[1:]
    few = channels <= 4 and min(height, width) >= 5
    return few or (channels <= 16 <= width and height == width >= 2 * channels)


def _check_array(X, name, fitted, image_shape):
    """Check an array of three or four axes."""
    if X.ndim not in (3, 4):
        raise argument_error(
            "X", f"got an array of {X.ndim} axes, shape {X.shape}; wants {_FORMS}."
        )
    _check_kind(X)
    single = X.ndim == 3 and fitted is not None and X.shape[2] == fitted[2] != X.shape[0]
    if X.ndim == 3:
        X = X[..., None]
    if 0 in X.shape:
        raise argument_error("X", f"is empty, shape {X.shape}; wants at least one image and pixel.")
    known = fitted or image_shape
    if (known is None or X.shape[1:] != tuple(known)) and _channels_first(X.shape):
        raise argument_error(
            "X",
            f"shape {X.shape} looks like channels first, wants (n, height, width, channels): "
            "X.transpose(0, 2, 3, 1) of an array, X.permute(0, 2, 3, 1) of a tensor. Images that "
            f"do have {X.shape[3]} channels take image_shape={X.shape[1:]}.",
        )
    if fitted is not None and X.shape[1:] != fitted:
        raise argument_error(
            "X",
            f"got images of {describe(X.shape[1:])}; {name} was fitted on images of "
            f"{describe(fitted)}.{_hint(X.shape, fitted, single)}",
        )
    _check_float32(X)
    return X


def _hint(shape, fitted, single):
    """Say what images of another size may be meant for; `single` ones look like one image."""
    image = shape[:2] if single else shape[1:3]
    if all(side >= known for side, known in zip(image, fitted)) and image != fitted[:2]:
        return (
            " To find all cells of a larger image, a tile or slide, use stnclf.scan.scan (the "
            "command: stnclf scan)."
        )
    return " X[None] is a single image." if single else ""


def _check_kind(X):
    """Refuse what is no real numbers."""
    if X.dtype.kind == "c":
        raise argument_error("X", "Complex data not supported.")
    if X.dtype.kind not in "buif":
        raise argument_error(
            "X", f"got an array of dtype {X.dtype}, wants uint8 or float pixels.", TypeError
        )


def _check_float32(X):
    """Refuse what is not finite in float32, a few images at a time."""
    if X.dtype.kind != "f":
        return
    limit = np.finfo(np.float32).max
    for start in range(0, len(X), 256):
        part = X[start : start + 256]
        # One comparison finds NaN too, without the warnings of a cast.
        if not (np.abs(part) <= limit).all():
            word = "NaN" if np.isnan(part).any() else "infinity or a value too large for float32"
            raise ValueError(f"Input X contains {word}.")


@contextmanager
def naming(argument, wants):
    """Make the errors of a check name the argument that they are about.

    Parameters
    ----------
    argument : str
        Its name. An error that holds this word goes on as it is.
    wants : str
        What the argument should be, for the message.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        # An argument may be part of another: predictions['CNN'].
        if re.search(rf"(?<!\w){re.escape(argument)}(?!\w)", str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        problem = f"{str(error).strip(' .')}; wants {wants}."
        raise argument_error(argument, problem, kind) from error
