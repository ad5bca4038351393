"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from .._utils.printable import quoted
from .._utils.typing import Table
from ._files import expect_inside, read_root
from ._table import read_files

#: What a file says of an image without objects.
_ABOUT = ("filename", "folder", "path", "size", "source")


def voc_files(path: Path) -> list[Path]:
    """XML files of a folder, or of its subfolder ``Annotations``, or the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(path.glob("*.xml")) or sorted(path.glob("Annotations/*.xml"))


def read_voc(path: Path) -> Table:
    """Read Pascal VOC boxes, which name their first and last pixel and count from 1."""
    return read_files(path, voc_files(path), _voc_rows)


def _voc_rows(file: Path) -> Iterator[dict[str, Any]]:
    root = read_root(file, "Pascal VOC", "annotation")
    expect_inside(root, "Pascal VOC", "object", *_ABOUT)
    image = _text(root, "filename") or file.stem
    for i, item in enumerate(root.findall("object")):
        left, top, right, bottom = (
            _number(item, f"bndbox/{side}", i) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if right < left or bottom < top:
            raise ValueError(f"object {i} has a box that ends before it begins.")
        label = _text(item, "name")
        if not label:
            raise ValueError(f"object {i} has no name.")
        row: dict[str, Any] = {
            "image": image,
            "x": (left + right) / 2 - 1,
            "y": (top + bottom) / 2 - 1,
            "label": label,
            "width": right - left + 1,
            "height": bottom - top + 1,
        }
        for name in ("truncated", "difficult"):
            row[name] = {"0": False, "1": True}.get(_text(item, name))
        for name in ("width", "height"):
            text = _text(root, f"size/{name}")
            row[f"image_{name}"] = int(text) if re.fullmatch("[1-9][0-9]{0,9}", text) else None
        yield row


def _text(item: Element, name: str) -> str:
    """Text of an element without the blanks of programs that indent it; "" if there is none."""
    return item.findtext(name, "").strip()


def _number(item: Element, name: str, i: int) -> float:
    text = _text(item, name)
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", text):
        raise ValueError(f"object {i} has {quoted(text)} for {name}, which is no number.")
    return float(text)
