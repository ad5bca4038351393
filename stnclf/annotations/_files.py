"""Annotation files as bytes, text, JSON or XML: packed by gzip or not, and never without bound."""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from .._utils.printable import listed, shortened

GZIP = b"\x1f\x8b"
#: How text of UTF-16 begins, as Excel's "Unicode text" is.
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
#: Bytes of a file, and of what a packed one unfolds to; a few packed ones could claim any amount.
LARGEST = 2**31
#: Above this many bytes a packed file must not be smaller than one part in so many.
SMALL, RATIO = 2**24, 200

FAST = json.JSONDecoder()
#: Numbers with a fraction become decimals, so that none loses a digit.
EXACTLY = json.JSONDecoder(parse_float=Decimal)
_space = re.compile(r"[ \t\n\r]*").match


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type: with one, a short file can unfold into gigabytes."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("has a document type (DTD), which is refused.")


def unpacked_name(path: Path) -> Path:
    """Path of a file without the ending of gzip."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def check_regular(path: Path) -> None:
    """Refuse a pipe or device, which one would wait for; within a folder there may be one."""
    if path.exists() and not path.is_file():
        raise ValueError("is no regular file.")


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """Read a file, unpacked.

    Raises
    ------
    ValueError
        If it is larger than `LARGEST`, unfolds beyond measure, is damaged, or no regular file.
    """
    check_regular(path)
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
        size = file.seek(0, 2)
        if size > LARGEST:
            raise ValueError(f"has {size} bytes; more than {LARGEST} are not read.")
        file.seek(0)
        if not packed:
            return file.read(most)
        limit = min(LARGEST, max(SMALL, RATIO * size))
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                data = unpacked.read(min(most, limit + 1))
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"is packed by gzip and damaged ({error}).") from error
    if len(data) > limit:
        raise ValueError(f"unfolds to more than {limit} bytes, which is refused.")
    return data


def read_text(path: Path) -> str:
    """Read a file of UTF-8, with or without a byte order mark, or of UTF-16 with one.

    Raises
    ------
    ValueError
        If it is no such text, or as `read_bytes` does.
    """
    return decoded(read_bytes(path))


def decoded(data: bytes, whole: bool = True) -> str:
    """Decode text.

    Parameters
    ----------
    data : bytes
        The text.
    whole : bool, default=True
        Whether it is all of it, or its beginning, of which bytes that are no text are left out.

    Raises
    ------
    ValueError
        If it is text of another encoding, or none.
    """
    encoding = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    try:
        return data.decode(encoding, "strict" if whole else "ignore")
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-SIG")
        wrong = f"the byte 0x{data[error.start]:02x} at {error.start}"
        raise ValueError(f"is no text in {name} ({wrong}); save it as UTF-8.") from error


def read_xml(path: Path) -> ElementTree.Element:
    """Parse XML and give its root; a document type is refused."""
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        return ElementTree.fromstring(read_bytes(path), parser)
    except (ElementTree.ParseError, LookupError) as error:  # an encoding that nobody knows
        raise ValueError(str(error)) from error


def read_root(path: Path, program: str, *tags: str) -> ElementTree.Element:
    """Parse the XML of a program and give its root, which has one of these tags.

    Raises
    ------
    ValueError
        If it is no XML, or that of another program. The message names the first of the tags.
    """
    root = read_xml(path)
    if root.tag not in tags:
        raise ValueError(
            f"is no file of {program}: its root is <{shortened(root.tag)}>, not <{tags[0]}>."
        )
    return root


def expect_inside(parent: ElementTree.Element, program: str, *tags: str, advice: str = "") -> None:
    """Refuse an element that holds others, but none of those that a program writes there.

    Several programs call the root of their files alike, and what is not known looks like nothing.

    Raises
    ------
    ValueError
        If it is so. The message names the first of the tags, and gives the advice.
    """
    found = {child.tag: None for child in parent}
    if found and not found.keys() & {*tags}:
        raise ValueError(
            f"is no file of {program}: <{parent.tag}> holds {listed(found)}, wants <{tags[0]}>."
            f"{advice} Of XML that of ASAP, ImageScope, NDPA and Pascal VOC is read."
        )


def parse_json(
    text: str,
    key: str,
    is_item: Callable[[Any], bool],
    take: Callable[[Any, str], None],
) -> Any:
    """Parse JSON; the items of one long list are handed over one by one and not kept.

    Parameters
    ----------
    text : str
        The document.
    key : str
        Name of the list in the outermost object; a document that is a list is one as well.
    is_item : callable
        Whether the first item of a document that is a list shows that it is to be handed over.
    take : callable
        Takes an item, whose numbers are floats, and its text.

    Returns
    -------
    document
        What remains, with decimals for numbers with a fraction; None in place of the list.

    Raises
    ------
    ValueError
        If the text is no JSON.
    """
    place = _skip(text, 0)
    if text.startswith("[", place):
        end = _stream(text, place, is_item, take)
        if end is None:
            return EXACTLY.decode(text)
        _expect_end(text, end)
        return None
    if not text.startswith("{", place):
        return EXACTLY.decode(text)
    document: dict[str, Any] = {}
    place = _skip(text, place + 1)
    while not text.startswith("}", place) or document:
        if not text.startswith('"', place):
            message = "Expecting property name enclosed in double quotes"
            raise json.JSONDecodeError(message, text, place)
        name, place = FAST.raw_decode(text, place)
        place = _skip(text, place)
        if not text.startswith(":", place):
            raise json.JSONDecodeError("Expecting ':' delimiter", text, place)
        place = _skip(text, place + 1)
        if name == key and key in document:
            raise ValueError(f"has {key!r} twice.")
        end = _stream(text, place, None, take) if name == key else None
        document[name] = None
        if end is None:
            document[name], end = EXACTLY.raw_decode(text, place)
        place = _skip(text, end)
        if text.startswith("}", place):
            break
        if not text.startswith(",", place):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
        place = _skip(text, place + 1)
    _expect_end(text, place + 1)
    return document


def _stream(
    text: str,
    place: int,
    is_item: Callable[[Any], bool] | None,
    take: Callable[[Any, str], None],
) -> int | None:
    """Hand over the items of a list; give where it ends, or None if it is no such list."""
    if not text.startswith("[", place):
        return None
    place = _skip(text, place + 1)
    if text.startswith("]", place):
        return None
    first = True
    while True:
        item, end = FAST.raw_decode(text, place)
        if first and is_item is not None and not is_item(item):
            return None
        first = False
        take(item, text[place:end])
        place = _skip(text, end)
        if text.startswith("]", place):
            return place + 1
        if not text.startswith(",", place):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
        place = _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    return _space(text, place).end()  # type: ignore[union-attr]


def _expect_end(text: str, place: int) -> None:
    place = _skip(text, place)
    if place < len(text):
        raise json.JSONDecodeError("Extra data", text, place)
