"""The unit that the name of a column ends with, as in ``x_um`` or ``Centroid X µm``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal

from .._utils.resolution import micrometres_of_unit, micrometres_of_word
from ._numbers import to_decimal

#: Units that are not spelled out. Others are as short and mean something else: "m", "in", "pt",
#: and "cm" the centre of mass.
_SHORT = ("\u03bcm", "um", "mm", "nm")
_PIXELS = ("px", "pixel", "pixels")
_last_word = re.compile(r"([^\W\d_]+)[\W_]*$").search


def plain_name(column: str) -> str:
    """Return the name of a column with one kind of mu, without blanks around it."""
    return unicodedata.normalize("NFKC", column).strip()


def names_unit(column: str) -> bool:
    """Whether the name of a column says a unit, pixels among them."""
    return _size(column) is not None


def micrometres_of_column(column: str) -> Decimal | None:
    """Micrometres in the unit that the name of a column says; None for pixels or no unit."""
    return _size(column) or None


def _size(column: str) -> Decimal | None:
    """Micrometres in a column's unit, 0 for pixels, None where its name says none."""
    for word in _endings(plain_name(column)):
        if word in _PIXELS:
            return Decimal(0)
        size = micrometres_of_unit(word) if word in _SHORT else micrometres_of_word(word)
        if size is not None:
            return to_decimal(size)
    return None


def _endings(name: str) -> Iterator[str]:
    """Yield what the last word of a name may be: of "xMicrons" or "xum" also "microns" or "um"."""
    found = _last_word(name)
    word = found[1] if found else ""
    capital = re.search(r"[A-Z][^A-Z]*$", word)
    for part in (word, capital[0] if capital else ""):
        yield part.lower()
        if part[:1] in ("x", "y", "X", "Y"):
            yield part[1:].lower()
