"""Text from anyone, made harmless: labels and names of files do nothing to a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

__all__ = ["counted", "html_text", "listed", "printable", "quoted", "shortened"]

#: Characters that would move a terminal's cursor, change its colours or hide what is written, and
#: bytes of file names that are no characters.
_CONTROL = {
    number: chr(number).encode("unicode_escape").decode()
    for part in (
        range(0x20),
        range(0x7F, 0xA0),
        range(0x200E, 0x2010),
        range(0x2028, 0x202F),
        range(0x2066, 0x206A),
        range(0xD800, 0xE000),
    )
    for number in part
}


def printable(text: str, keep: str = "") -> str:
    r"""Write control characters out, so that a label or file name does nothing to a terminal.

    Parameters
    ----------
    text : str
        From anyone.
    keep : str, default=""
        Characters that stay, such as line ends.

    Returns
    -------
    str

    Examples
    --------
    >>> from stnclf._utils.printable import printable
    >>> print(printable("a\x1b[31m.svs"))
    a\x1b[31m.svs
    """
    table = {number: words for number, words in _CONTROL.items() if chr(number) not in keep}
    return text.translate(table)


def shortened(text: str, most: int = 60) -> str:
    """Cut the middle out of long text; dots stand for it.

    Examples
    --------
    >>> from stnclf._utils.printable import shortened
    >>> shortened("abcdefghijklmnopqrstuvwxyz", 13)
    'abcdef ... yz'
    """
    if len(text) <= most:
        return text
    end = (most - 5) // 3
    return f"{text[: most - 5 - end]} ... {text[len(text) - end :]}"


def quoted(value: Any, most: int = 60) -> str:
    """Quote what a file holds, for a message, and not more of it than helps to find it."""
    return shortened(repr(value[: 4 * most] if isinstance(value, str) else value), most)


def listed(values: Iterable[Any], most: int = 160) -> str:
    """Quote a list from a file, for a message: the first of many, and how many there are.

    Examples
    --------
    >>> from stnclf._utils.printable import listed
    >>> listed(["x", "y"])
    "['x', 'y']"
    >>> listed(range(100), 12)
    '[0, 1, 2, 3, ... (100 in all)]'
    """
    values, shown = list(values), ""
    for i, value in enumerate(values):
        text = f"{', ' if i else ''}{quoted(value)}"
        if i and len(shown) + len(text) > most:
            return f"[{shown}, ... ({len(values)} in all)]"
        shown += text
    return f"[{shown}]"


def counted(n: int, noun: str, several: str | None = None) -> str:
    """Write a number with its noun, as in ``1 cell`` and ``2 cells``.

    Parameters
    ----------
    n : int
        How many.
    noun : str
        What, in the singular.
    several : str, default=None
        What, in the plural, where that does not end with s alone.

    Returns
    -------
    str
    """
    return f"{n} {noun if n == 1 else several or f'{noun}s'}"


def html_text(text: str) -> str:
    r"""Write text for HTML, in an element or an attribute, with control characters written out.

    Without that, half a surrogate could not be encoded, and marks of direction would turn what
    stands beside them.

    Examples
    --------
    >>> from stnclf._utils.printable import html_text
    >>> print(html_text("<b>\u202e"))
    &lt;b&gt;\u202e
    """
    return escape(printable(text, keep="\n\t"))
