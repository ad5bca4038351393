"""Names whose letters are written in two forms: "ä" is one character, or "a" and its dots.

macOS and some programs write the second (NFD), others the first (NFC). They look the same, and
file systems and Python tell them apart.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["composed", "path_below", "same_name"]


def composed(text: str) -> str:
    r"""Write every letter with its marks as one character (NFC).

    Examples
    --------
    >>> from stnclf._utils.names import composed
    >>> composed("Pra\u0308parat.tif") == "Pr\u00e4parat.tif"
    True
    """
    return unicodedata.normalize("NFC", text)


def same_name(names: Iterable[Any], wanted: str) -> str:
    """Return which of some names is the one that is wanted, in whatever form; else `wanted`."""
    names = list(names)
    if wanted in names:
        return wanted
    plain = composed(wanted)
    return next((n for n in names if isinstance(n, str) and composed(n) == plain), wanted)


def path_below(folder: Path, parts: Sequence[str]) -> Path:
    """Join folders and a name; what has that name in another form only goes by its own."""
    for part in parts:
        name = part
        if not os.path.lexists(folder / part):
            with contextlib.suppress(OSError):  # no such folder, or one that must not be listed
                name = same_name(sorted(os.listdir(folder)), part)
        folder = folder / name
    return folder
