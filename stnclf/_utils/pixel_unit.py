"""`PixelUnit`: what the numbers of images mean, kept by `fit` and held against what comes later."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass

import numpy as np

from .errors import argument_error

__all__ = ["OVERSHOOT", "Converted", "PixelUnit", "as_fitted", "check_white", "units_of"]

_8_BIT, _16_BIT = 255.0, 65535.0

#: How far floats may lie beyond 0 to 1: interpolation and normalised stains overshoot a little.
#: Images from -1 to 1 are refused.
OVERSHOOT = 0.5

#: The same for rows of numbers, and for images in a range of their own, in multiples of its length:
#: such data have outliers.
_FAR = 8.0

#: And for integers given in place of floats of a range of their own.
_NEAR = 0.25

#: Pixels that are all this many times as large, or small, as the largest of fit are warned of.
_BRIGHTER, _DARKER = 2.0, 12.0

#: Images looked at together, so that memory does not grow with X.
_SOME = 256


def check_white(unit, shape):
    """Refuse images of which it is not known what white is; tiny ones may be test data.

    Parameters
    ----------
    unit : PixelUnit
        What the pixels are.
    shape : tuple of int
        (height, width, channels) of the images.

    Raises
    ------
    ValueError
        If they are neither 8 nor 16 bits nor near 0 to 1.

    Warns
    -----
    UserWarning
        If 16 bits are used by so little that they may be 12, of which white is not 65535.
    """
    if shape[0] * shape[1] < 64:
        return
    if unit.full is None and (unit.low < -8 or unit.high > 9):
        raise argument_error(
            "X",
            f"got {unit}, wants uint8 or other whole numbers from 0 to 255, or floats from 0 to 1.",
        )
    if unit.full == _16_BIT and 2**4 * unit.high <= 2**16:
        _warn(
            f"X: got {unit}, but none above {unit.high:g}; 65535 is taken for white. Of 12 bits, "
            "for example, X / 4095 has it at 1."
        )


class Converted:
    """Images in another unit, converted when they are read.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels)
        Numbers.
    dtype : numpy type
        uint8 or float32: what they become.
    divisor : float, default=1.0
        What floats are divided by.
    """

    ndim = 4

    def __init__(self, X, dtype, divisor=1.0):
        self.X, self.dtype, self.divisor, self.shape = X, np.dtype(dtype), divisor, X.shape

    def __len__(self):
        return len(self.X)

    def __getitem__(self, key):
        """Return a part as an ndarray."""
        part = self.X[key].astype(self.dtype)
        return part if self.divisor == 1.0 else part / self.dtype.type(self.divisor)


@dataclass(frozen=True)
class PixelUnit:
    """What the pixels were that an estimator was fitted on.

    Parameters
    ----------
    full : float or None
        Value of white: 255 and 65535 for integers of 8 and 16 bits, 1 for 0 to 1. The networks
        see pixels divided by it. None stands for any other range, whose numbers they see as they
        are.
    low, high : float
        Least and largest value.
    binary : bool, default=False
        Whether there were no other values than 0 and 1.
    """

    full: float | None
    low: float
    high: float
    binary: bool = False

    @classmethod
    def of(cls, X):
        """Measure images.

        Parameters
        ----------
        X : ndarray of shape (n, height, width, channels)
            Finite numbers. Of uint8, which needs no measuring, some images are looked at.

        Returns
        -------
        PixelUnit
        """
        if X.dtype == np.uint8:
            return cls(_8_BIT, *_range(X[:: max(1, len(X) // _SOME)]))
        low, high = _range(X)
        whole = X.dtype.kind in "biu" or (high <= 1 and _is_whole(X))
        if low >= 0 and high <= 1 and whole:
            return cls(1.0, low, high, binary=True)
        if X.dtype.kind == "f":
            return cls(1.0 if low >= 0 and high <= 1 + OVERSHOOT else None, low, high)
        # Integers of any type; a row of pixels is as likely a table of other numbers.
        if low < 0 or high > _16_BIT or X.shape[1] == 1:
            return cls(None, low, high)
        return cls(_8_BIT if high <= _8_BIT else _16_BIT, low, high)

    @property
    def uses_its_range(self):
        """Whether values reach the upper half of the range: of 12 bits in 16 they do not."""
        return self.full is not None and 2 * self.high > self.full

    def __str__(self):
        if self.full in (_8_BIT, _16_BIT):
            bits = 8 if self.full == _8_BIT else 16
            return f"{bits}-bit pixels, whole numbers from 0 to {self.full:g}"
        if self.full == 1.0:
            return "pixels from 0 to 1"
        return f"numbers from {self.low:g} to {self.high:g}"

    def wants(self):
        """Say in words what can be given."""
        if self.full == _8_BIT:
            return "uint8 or other whole numbers from 0 to 255, or floats from 0 to 1"
        if self.full == _16_BIT:
            more = ", uint8, or floats from 0 to 1" if self.uses_its_range else ""
            return f"whole numbers of the same 16-bit pixels (up to {self.high:g} in fit){more}"
        if self.full == 1.0:
            return "floats from 0 to 1, or uint8"
        return "pixels in the same range"

    def divisor(self, dtype):
        """Return what images of a type are divided by on their way to the networks.

        Parameters
        ----------
        dtype : {"uint8", "uint16", "float32"}
            Type of the images.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If images of that type are not what the estimator was fitted on, nor can be converted.
        """
        if self.full is None and dtype == "uint8":
            near = _NEAR * max(self.high - self.low, self.high)
            known = self.low >= 0 and _8_BIT - near <= self.high <= (1 + _NEAR) * _8_BIT
            divisor = 1.0
        elif dtype == "uint16":
            divisor, known = _16_BIT, self.full == _16_BIT
        else:
            divisor = _8_BIT if dtype == "uint8" else 1.0
            known = self.full != _16_BIT or self.uses_its_range
            known = known and not (dtype == "uint8" and self.binary)
        if known:
            return divisor
        raise ValueError(f"the estimator was fitted on {self}, which are not {dtype}")

    def agrees_with(self, other):
        """Whether estimators of the two units take each other's pixels.

        Parameters
        ----------
        other : PixelUnit

        Returns
        -------
        bool
        """
        if self.full is not None or other.full is not None:
            return (self.full, self.binary) == (other.full, other.binary)
        pairs = ((self, other), (other, self))
        return not any(unit.is_far(given.low, given.high, _FAR) for unit, given in pairs)

    def is_far(self, low, high, most):
        """Whether some numbers lie beyond the range by more than `most` times its length."""
        far = most * (max(self.high - self.low, abs(self.high), abs(self.low)) or 1.0)
        return low < self.low - far or high > self.high + far

    def encoded(self):
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def decoded(cls, value):
        """Take `encoded` values from anyone; None stays None.

        Raises
        ------
        ValueError
            If they are not such values.
        """
        if value is None:
            return None
        names = ("full", "low", "high", "binary")
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise ValueError(f"pixel_unit_: got {str(value)[:80]}, wants {names}")
        full, low, high, binary = (value[name] for name in names)
        numbers = all(type(v) in (int, float) and math.isfinite(v) for v in (low, high))
        if full not in (None, 1, _8_BIT, _16_BIT) or not numbers or type(binary) is not bool:
            raise ValueError(f"pixel_unit_: got {str(value)[:80]}, wants numbers")
        return cls(None if full is None else float(full), float(low), float(high), binary)


def units_of(estimator):
    """Return the unit that an estimator was fitted on, or those of an ensemble's members.

    Parameters
    ----------
    estimator : object

    Returns
    -------
    list of PixelUnit or None
        What one of them refuses, all do.
    """
    members = getattr(estimator, "estimators", [estimator])
    return list(dict.fromkeys(getattr(member, "pixel_unit_", None) for member in members))


def as_fitted(X, unit, name):
    """Bring images to the unit that an estimator was fitted on.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels)
        Finite numbers.
    unit : PixelUnit or None
        None, of a model of earlier days, leaves X as it is: uint8 is divided by 255 later.
    name : str
        Of the estimator, for messages.

    Returns
    -------
    ndarray or Converted of the same shape
        uint8, which is divided by 255 later, or numbers that are taken as they are.

    Raises
    ------
    ValueError
        If it is certain, or cannot be excluded, that the unit is another one.

    Warns
    -----
    UserWarning
        If an assumption was made; it says which.
    """
    if unit is None or (X.dtype == np.uint8 and unit.full == _8_BIT):
        return X
    low, high = _range(X)
    try:
        converted, scale = (_as_they_are if unit.full is None else _scaled)(X, unit, low, high)
    except _OtherUnit:
        kind = {"f": "floats", "b": "booleans"}.get(X.dtype.kind, str(X.dtype))
        raise argument_error(
            "X",
            f"got {kind} from {low:g} to {high:g}, but {name} was fitted on {unit}; wants "
            f"{unit.wants()}.",
        ) from None
    if converted.dtype != np.uint8 and X.shape[1] > 1:
        _warn_if_unlikely(low / scale, high / scale, unit)
    return converted


class _OtherUnit(Exception):
    """The pixels are of another unit."""


def _scaled(X, unit, low, high):
    """Return pixels of a unit with a white, and what they are divided by."""
    rows, kind, full = X.shape[1] == 1, X.dtype.kind, unit.full
    if X.dtype == np.uint8:
        if unit.binary and high <= 1:
            return Converted(X, np.float32), 1.0
        if full == _16_BIT and not unit.uses_its_range:
            raise _OtherUnit
        return X, _8_BIT
    far = _FAR if rows else OVERSHOOT
    if full == 1.0:
        # Whole numbers beyond 1 may be pixels of any number of bits.
        far = far if rows or kind == "f" else 0.0
        if low < -far or high > 1 + far:
            raise _OtherUnit
        return X, 1.0
    if kind in "ui":
        if low < 0 or high > full:
            raise _OtherUnit
        return _integers(X, full)
    # 0 and 1 of masks that were integers in fit too.
    if unit.high <= 1 and low >= 0 and high <= 1 and _is_whole(X):
        return _integers(X, full)
    if low >= 0 and 2 <= high <= full and _is_whole(X):
        _warn(
            f"X: got floats that are whole numbers up to {high:g}; they are taken for {unit}, as "
            "fit has seen. Convert X to integers, or to floats from 0 to 1."
        )
        return _integers(X, full)
    # Of 12 bits in 16 it is not known what 1 would be.
    if low < -far or high > 1 + far or not (full == _8_BIT or unit.uses_its_range):
        raise _OtherUnit
    return X, 1.0


def _integers(X, full):
    if full == _8_BIT:
        return Converted(X, np.uint8), full
    return Converted(X, np.float32, full), full


def _as_they_are(X, unit, low, high):
    """Return numbers as they are, but for those that cannot be of the same range."""
    rows, integers = X.shape[1] == 1, X.dtype.kind in "ui"
    if unit.is_far(low, high, _NEAR if integers and not rows else _FAR):
        raise _OtherUnit
    if not rows and unit.low >= 0 and unit.high > 32:
        if X.dtype == np.uint8 and unit.high > (1 + _NEAR) * _8_BIT:
            raise _OtherUnit
        if not integers and low < high <= 1 + OVERSHOOT and not _is_whole(X):
            raise _OtherUnit  # floats from 0 to 1
    return Converted(X, np.float32) if X.dtype == np.uint8 else X, 1.0


def _warn_if_unlikely(low, high, unit):
    """Warn of images that are far brighter or darker than all of fit, on the networks' scale."""
    seen = unit.high / (unit.full or 1.0)
    other = unit.low >= 0 and not unit.binary and high > 0 and seen > 0
    other = other and (high > _BRIGHTER * seen or high < seen / _DARKER)
    # Floats from 0 to 1 where fit has seen those from -1 to 1, or standardised ones.
    if other or (unit.low < -0.5 and 0 <= low < 0.5 < high <= 1):
        scale = unit.full or 1.0
        _warn(
            f"X: got pixels from {low * scale:g} to {high * scale:g} where fit has seen "
            f"{unit.low:g} to {unit.high:g}; they are taken for the same unit, {unit}."
        )


def _warn(message):
    warnings.warn(message, UserWarning, stacklevel=6)


def _range(X):
    """Return the least and the largest value as floats."""
    parts = [X[start : start + _SOME] for start in range(0, len(X), _SOME)]
    return float(min(part.min() for part in parts)), float(max(part.max() for part in parts))


def _is_whole(X):
    """Say whether all values are whole numbers."""
    return all(
        bool((np.rint(part) == part).all())
        for part in (X[start : start + _SOME] for start in range(0, len(X), _SOME))
    )
