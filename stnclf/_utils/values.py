"""Checks of single values, which need nothing but NumPy: files, pixels, numbers."""

from __future__ import annotations

import math
import os
from numbers import Real

import numpy as np

from .errors import argument_error

__all__ = ["check_file", "check_pixels", "check_positive", "is_missing"]


def check_file(path):
    """Check that a file is there.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is nothing of that name, or a folder, pipe or device.
    """
    if "\0" in path or not os.path.exists(path):
        raise FileNotFoundError(f"{path!r}: there is no such file.")
    if os.path.isdir(path):
        raise ValueError(f"{path!r}: is a folder, wants the file of a slide or image.")
    if not os.path.isfile(path):  # to open a pipe would wait for its writer
        raise ValueError(f"{path!r}: is a pipe or device, wants the file of a slide or image.")


def check_pixels(name, pixels):
    """Check an array of pixels.

    Parameters
    ----------
    name : str
        The argument, for the message.
    pixels : ndarray
        Wanted: uint8 of shape (height, width, 3), not empty.

    Raises
    ------
    TypeError, ValueError
        If it is not that.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise argument_error(name, f"got {kind}, wants a NumPy array of uint8.", TypeError)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise argument_error(name, f"got shape {pixels.shape}, wants (height, width, 3).")


def check_positive(name, value, unit):
    """Check a positive, finite number.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : float
        The number.
    unit : str
        What it counts, for the message.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If it is no number, or not above 0, or not finite.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise argument_error(name, f"got {value!r}, wants a positive number of {unit}.", TypeError)
    if not 0 < value < math.inf:
        raise argument_error(name, f"got {value!r}, wants a positive number of {unit}.")
    return float(value)


def is_missing(label):
    """Say whether a label is none: None, NaN, NaT, pandas' NA, or masked.

    Parameters
    ----------
    label : object
        A single label.

    Returns
    -------
    bool
    """
    if label is None or label is np.ma.masked:
        return True
    try:
        return bool(label != label)  # NaN is the one that differs from itself
    except TypeError:  # pandas.NA says neither
        return True
    except ValueError:  # an array of several
        return False
