"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from ._table import read_files


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type: with one, a short file can unfold into gigabytes."""

    def doctype(self, name, pubid, system):
        raise ValueError("has a document type (DTD), which is refused.")


def voc_files(path):
    """XML files of a folder, or of its subfolder ``Annotations``, or the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(path.glob("*.xml")) or sorted(path.glob("Annotations/*.xml"))


def read_voc(path):
    """Read Pascal VOC boxes, which name their first and last pixel and count from 1."""
    return read_files(path, voc_files(path), _voc_rows)


def _voc_rows(file):
    parser = ElementTree.XMLParser(target=_NoDoctype())
    root = ElementTree.parse(file, parser).getroot()
    if root.tag != "annotation":
        raise ValueError(f"is no Pascal VOC file: its root is <{root.tag}>, not <annotation>.")
    image = root.findtext("filename") or file.stem
    for i, item in enumerate(root.findall("object")):
        left, top, right, bottom = (
            _number(item, f"bndbox/{side}", i) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if right < left or bottom < top:
            raise ValueError(f"object {i} has a box that ends before it begins.")
        if not item.findtext("name"):
            raise ValueError(f"object {i} has no name.")
        row = {
            "image": image,
            "x": (left + right) / 2 - 1,
            "y": (top + bottom) / 2 - 1,
            "label": item.findtext("name"),
            "width": right - left + 1,
            "height": bottom - top + 1,
        }
        for name in ("truncated", "difficult"):
            row[name] = {"0": False, "1": True}.get(item.findtext(name))
        for name in ("width", "height"):
            text = root.findtext(f"size/{name}", "")
            row[f"image_{name}"] = int(text) if re.fullmatch("[1-9][0-9]{0,9}", text) else None
        yield row


def _number(item, name, i):
    text = item.findtext(name, "")
    if not re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*", text):
        raise ValueError(f"object {i} has {text!r} for {name}, which is no number.")
    return float(text)
