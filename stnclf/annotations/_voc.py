"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from .._utils.printable import quoted, shortened
from .._utils.typing import Table
from ._files import read_xml
from ._table import read_files


def voc_files(path: Path) -> list[Path]:
    """XML files of a folder, or of its subfolder ``Annotations``, or the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(path.glob("*.xml")) or sorted(path.glob("Annotations/*.xml"))


def read_voc(path: Path) -> Table:
    """Read Pascal VOC boxes, which name their first and last pixel and count from 1."""
    return read_files(path, voc_files(path), _voc_rows)


def _voc_rows(file: Path) -> Iterator[dict[str, Any]]:
    root = read_xml(file)
    if root.tag != "annotation":
        raise ValueError(
            f"is no Pascal VOC file: its root is <{shortened(root.tag)}>, not <annotation>."
        )
    image = root.findtext("filename") or file.stem
    for i, item in enumerate(root.findall("object")):
        left, top, right, bottom = (
            _number(item, f"bndbox/{side}", i) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if right < left or bottom < top:
            raise ValueError(f"object {i} has a box that ends before it begins.")
        if not item.findtext("name"):
            raise ValueError(f"object {i} has no name.")
        row: dict[str, Any] = {
            "image": image,
            "x": (left + right) / 2 - 1,
            "y": (top + bottom) / 2 - 1,
            "label": item.findtext("name"),
            "width": right - left + 1,
            "height": bottom - top + 1,
        }
        for name in ("truncated", "difficult"):
            row[name] = {"0": False, "1": True}.get(item.findtext(name, ""))
        for name in ("width", "height"):
            text = root.findtext(f"size/{name}", "")
            row[f"image_{name}"] = int(text) if re.fullmatch("[1-9][0-9]{0,9}", text) else None
        yield row


def _number(item: Element, name: str, i: int) -> float:
    text = item.findtext(name, "")
    if not re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*", text):
        raise ValueError(f"object {i} has {quoted(text)} for {name}, which is no number.")
    return float(text)
