"""Names of files, labels and columns, and their letters, which are written in two forms.

"ä" is one character, or "a" and its dots. macOS and some programs write the second (NFD), others
the first (NFC). They look the same, and file systems and Python tell them apart.
"""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import argument_error
from .values import is_missing

__all__ = [
    "PROBABILITY_PREFIX",
    "as_text",
    "base_name",
    "composed",
    "path_below",
    "probability_column",
    "rows_named",
    "same_but_for_place",
    "same_name",
]

#: Before the label, in the tables of ``predict``, ``scan`` and ``classify``.
PROBABILITY_PREFIX = "probability_"

#: Endings of images and slides; what else stands behind a point is part of a name: "m.left".
_image_ending = re.compile(
    r"(?<=.)(\.ome)?\.(tiff?|png|jpe?g|jp2|bmp|gif|webp|npy|svs(lide)?|ndpi|scn|mrxs|vms|vmu|bif|czi"
    r"|dcm|qptiff|isyntax|zarr|vsi|lif)$",
    re.IGNORECASE,
).sub


def composed(text: str) -> str:
    r"""Write every letter with its marks as one character (NFC).

    Examples
    --------
    >>> from stnclf._utils.names import composed
    >>> composed("Pra\u0308parat.tif") == "Pr\u00e4parat.tif"
    True
    """
    return unicodedata.normalize("NFC", text)


def as_text(label: Any) -> str:
    """Write a label as tables do: in one form of Unicode, and whole numbers without a point."""
    if isinstance(label, float) and label.is_integer():  # NumPy's float64 is one, too
        label = int(label)
    return composed(str(label))


def probability_column(label: Any) -> str:
    """Name the column of a class's probabilities."""
    return PROBABILITY_PREFIX + as_text(label)


def base_name(name: str) -> str:
    r"""Return the name of an image without its folders, whichever program wrote them.

    Examples
    --------
    >>> from stnclf._utils.names import base_name
    >>> base_name("day1/a.png"), base_name("day1\\a.png")
    ('a.png', 'a.png')
    """
    return composed(os.path.basename(name.replace("\\", "/")))


def rows_named(names: Iterable[Any], wanted: str, argument: str) -> np.ndarray:
    """Mark the rows of an image, whose folders count for nothing where it is the only one.

    Parameters
    ----------
    names : iterable
        The image of each row.
    wanted : str
        Name of the image, composed and without folders.
    argument : str
        The argument that errors name.

    Returns
    -------
    bool ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If some rows have no image, no row is of the one that is wanted, or images of several
        folders have its name.

    Examples
    --------
    >>> from stnclf._utils.names import rows_named
    >>> rows_named(["day1/a.png", "day2/b.png"], "b.png", "table").tolist()
    [False, True]
    """
    names = list(names)
    missing = [row for row, name in enumerate(names) if is_missing(name)]
    if missing:
        raise argument_error(
            argument,
            f"has no image, as {len(missing)} of {len(names)} rows; wants the image of each row.",
            where=f"row {missing[0]}",
        )
    full = [composed(name) if isinstance(name, str) else "" for name in names]
    rows = np.array([name == wanted for name in full], dtype=bool)
    if not rows.any():
        rows = np.array([base_name(name) == wanted for name in full], dtype=bool)
        found = sorted({name for name, row in zip(full, rows) if row})
        if not found:
            raise argument_error(argument, f"none of its images is named {wanted!r}.")
        if len(found) > 1:
            raise argument_error(
                argument,
                f"{found[0]!r} and {found[1]!r} are both named {wanted!r}; wants the rows of one.",
            )
    return rows


def same_name(names: Iterable[Any], wanted: str) -> str:
    """Return which of some names is the one that is wanted, in whatever form; else `wanted`."""
    names = list(names)
    if wanted in names:
        return wanted
    plain = composed(wanted)
    return next((n for n in names if isinstance(n, str) and composed(n) == plain), wanted)


def same_but_for_place(names: Iterable[Any], others: Iterable[Any]) -> tuple[Any, Any] | None:
    """Find two names that differ in folders, ending or type alone.

    Parameters
    ----------
    names, others : iterable
        Names of images. One with folders is no other name of one with other folders, and one that
        both have is no other name of any.

    Returns
    -------
    tuple of (name, other), or None
        The first pair.

    Examples
    --------
    >>> from stnclf._utils.names import same_but_for_place
    >>> same_but_for_place(["b.svs", "a.svs"], ["c", "day1/a.tif"])
    ('a.svs', 'day1/a.tif')
    >>> same_but_for_place(["day1/a.svs"], ["day2/a.svs"])
    """
    names, others = list(names), list(others)
    common = {*names} & {*others}
    whole: dict[tuple[str, ...], Any] = {}
    ends: dict[tuple[str, ...], Any] = {}
    for other in others:
        if other in common:
            continue
        parts = _parts(other)
        whole.setdefault(parts, other)
        for k in range(len(parts)):
            ends.setdefault(parts[k:], other)
    for name in names:
        if name in common:
            continue
        parts = _parts(name)
        if parts in ends:  # it has no folders, or fewer
            return name, ends[parts]
        for k in range(1, len(parts)):
            if parts[k:] in whole:
                return name, whole[parts[k:]]
    return None


def _parts(name: Any) -> tuple[str, ...]:
    """Part a name into folders and what it is without the ending of an image."""
    *folders, last = composed(str(name)).replace("\\", "/").split("/")
    return (*folders, _image_ending("", last))


def path_below(folder: Path, parts: Sequence[str]) -> Path:
    """Join folders and a name; what has that name in another form only goes by its own."""
    for part in parts:
        name = part
        if not os.path.lexists(folder / part):
            with contextlib.suppress(OSError):  # no such folder, or one that must not be listed
                name = same_name(sorted(os.listdir(folder)), part)
        folder = folder / name
    return folder
