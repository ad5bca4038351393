"""Text from anyone, made harmless: labels and names of files do nothing to a terminal or a page."""

from __future__ import annotations

from html import escape

__all__ = ["html_text", "printable"]

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
