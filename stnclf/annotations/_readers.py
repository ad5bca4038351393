"""Which format a file has, which arguments apply to it, and who reads it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._utils.printable import counted
from .._utils.typing import Table
from . import _asap, _imagescope, _ndpa
from ._asap import read_asap
from ._coco import boxes_table, is_boxes, is_results, results_table
from ._context import Context
from ._crchisto import mat_files, read_crchisto
from ._csv import read_csv
from ._files import UTF_16, decoded, read_bytes, read_text, unpacked_name
from ._geojson import GeoJSON
from ._grand_challenge import is_points, points_table
from ._hovernet import is_nuclei, nuclei_table
from ._imagescope import read_imagescope
from ._labelme import is_labelme, labelme_table
from ._ndpa import read_ndpa
from ._slide_facts import UNBOUNDED
from ._sliderunner import MAGIC, read_slide_runner
from ._table import ArgumentError, DoesNotApply, scalar
from ._via import is_via, via_table
from ._voc import read_voc, voc_files
from ._yolo import is_yolo, read_yolo, yolo_files

__all__ = ["BESIDE_TABLES", "READ", "files_of_folder", "read", "recognise"]


@dataclass(frozen=True)
class Format:
    """A format: how it is read, and which of the arguments apply to it.

    Parameters
    ----------
    read : callable
        Turns a context into a table; of JSON, a parsed file and a context.
    takes : tuple of str, default=()
        Those of ``image``, ``columns`` and ``mpp`` that apply.
    fits : callable, default=None
        Whether parsed JSON is of this format; None if it is no JSON.
    """

    read: Callable[..., Table]
    takes: tuple[str, ...] = ()
    fits: Callable[[Any], bool] | None = None


def _qupath(geojson: GeoJSON, context: Context) -> Table:
    image = context.image_name(geojson.image)
    others = sorted(set(context.columns or {}) - {"label"})
    if others:
        raise ValueError(f"columns= applies to 'label' only here, got {others}.")
    if context.label is None and geojson.doubt:
        context.doubts.append(geojson.doubt)
    if image.lower().endswith(UNBOUNDED):
        return geojson.table(image, (0, 0))
    facts = context.facts(image)
    return geojson.table(image, None if facts is None else facts.bounds)


def _boxes(document: Any, context: Context, box_format: str = "auto") -> Table:
    items = document.get("annotations")
    items = items if isinstance(items, list) else []
    crowds = sum(isinstance(item, dict) and scalar(item.get("iscrowd")) == 1 for item in items)
    if crowds:
        context.doubts.append(
            f"{counted(crowds, 'object')} with iscrowd=1, by which COCO means a group; each is one "
            "cell here. table[table.iscrowd == 0] leaves them out."
        )
    return boxes_table(document, box_format, context.skipped)


FORMATS = {
    "sliderunner": Format(lambda context: read_slide_runner(context.path, context.skipped)),
    "midog": Format(_boxes, (), is_boxes),
    "coco": Format(_boxes, (), is_boxes),
    "voc": Format(lambda context: read_voc(context.path)),
    "qupath": Format(_qupath, ("image", "columns"), lambda document: isinstance(document, GeoJSON)),
    "grand-challenge": Format(points_table, ("image", "mpp"), is_points),
    "csv": Format(read_csv, ("image", "columns", "mpp")),
    "crchisto": Format(lambda context: read_crchisto(context.path)),
    "asap": Format(read_asap, ("image",)),
    "imagescope": Format(read_imagescope, ("image",)),
    "ndpa": Format(read_ndpa, ("image", "mpp")),
    "hovernet": Format(nuclei_table, ("image",), is_nuclei),
    "yolo": Format(read_yolo, ("image",)),
    "via": Format(via_table, ("columns",), is_via),
    "labelme": Format(labelme_table, ("image",), is_labelme),
}
READ = tuple(FORMATS)
#: Formats of which a folder is read as a whole.
_WHOLE = ("voc", "crchisto", "yolo")
#: What a folder is whose files are read one by one.
SEVERAL = "several"
_ROOTS = {_asap.ROOT: "asap", _imagescope.ROOT: "imagescope", _ndpa.ROOT: "ndpa"}
_tag = re.compile(rb"<([A-Za-z_][\w.-]*)").search
_PLAIN_TEXT = (".csv", ".tsv", ".txt")
#: Endings of files of which a folder may hold one for each image; the first that are there count.
_IN_FOLDERS = ((".xml",), (".geojson", ".json", ".csv", ".tsv"), (".ndpa",))
#: Those of formats that have some of their own.
_ENDINGS_OF = {"qupath": (".geojson", ".json"), "csv": (".csv", ".tsv"), "ndpa": (".ndpa",)}
_ENDINGS_OF |= dict.fromkeys(("asap", "imagescope"), (".xml",))
_ENDINGS_OF |= dict.fromkeys(
    ("labelme", "hovernet", "via", "midog", "coco", "grand-challenge"), (".json",)
)
#: What `stnclf scan` writes beside a table, which is no table.
BESIDE_TABLES = (".csv.json", ".skipped.csv")


def read(context: Context, format: str) -> Table:
    """Read a file of annotations.

    Parameters
    ----------
    context : Context
        The file, and what the caller says about it.
    format : str
        "auto", or one of `READ`.

    Returns
    -------
    table : DataFrame
        The table of `stnclf.annotations.read_annotations`.

    Raises
    ------
    ValueError
        If the file is of no such format or broken, or if an argument does not apply to it. The
        message does not name the file.
    """
    if format == "auto":
        return _read(context, recognise(context.path))
    try:
        return _read(context, format)
    except ArgumentError:
        raise
    except (ArithmeticError, RecursionError, ValueError, sqlite3.Error) as error:
        other = _other_format(context.path, format)
        if other is None:
            raise
        text = str(error)  # of JSON and of folders it says already what they are not
        if not text.startswith(("is JSON, but no", "is a folder without")):
            text = f"is no file of {format}"
        raise ValueError(f"{text.removesuffix('.')}: {other}") from error


def _read(context: Context, format: str) -> Table:
    document: Any = None
    if format == "json" or FORMATS[format].fits is not None:
        document, format = _parse(context, format)
    takes = FORMATS[format].takes if format != "results" else ("image",)
    _check_arguments(context, takes)
    if format == "results":
        return results_table(document, context)
    reader = FORMATS[format].read
    if document is None:
        return reader(context)
    if reader is _boxes:
        return reader(document[0], context, document[1])
    return reader(document, context)


def _parse(context: Context, format: str) -> tuple[Any, str]:
    """Parse JSON; give the document and its format. Boxes come with how they are written."""
    label = (context.columns or {}).get("label")
    try:
        geojson = GeoJSON(read_text(context.path), context.skipped, label)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}.") from error
    document = geojson if geojson.fits else geojson.document
    fitting = _fitting(document)
    if is_results(document) and format in ("json", "coco"):
        return document, "results"
    if not fitting or format not in ("json", *fitting):
        names = [name for name, it in FORMATS.items() if it.fits is not None]
        raise ValueError(f"is JSON, but no file of {names if format == 'json' else format}.")
    if fitting[0] == "midog":  # and "coco", which has the same layout
        return (document, "auto" if format == "json" else format), fitting[0]
    return document, fitting[0] if format == "json" else format


def _fitting(document: Any) -> list[str]:
    return [name for name, it in FORMATS.items() if it.fits is not None and it.fits(document)]


def _other_format(path: Path, format: str) -> str | None:
    """Say what a file looks like that was not read as of a format; None if it may be of it."""
    try:
        found = recognise(path)
        if found == SEVERAL:
            path = _one_by_one(path)[0]
            found = recognise(path)
        is_json = found == "json"
        names = _json_formats(path) if is_json else [found]
        # XML of which nothing else is known is taken for "voc".
        if found == "voc" and path.is_file() and _root(read_bytes(path, 4096)) != "annotation":
            return None
    except (OSError, ValueError):
        return None
    if format in names or (found == "csv" and format == "yolo"):  # both may end with .txt
        return None
    if is_json and not names and FORMATS[format].fits is not None:
        return None
    what = " or ".join(names) if names else "JSON"
    return f"it looks like {what}; leave out format=."


def _json_formats(path: Path) -> list[str]:
    """Names of the formats that a file of JSON has; none if it is broken."""
    try:
        geojson = GeoJSON(read_text(path), Counter())
    except (ArithmeticError, RecursionError, ValueError):
        return []
    document = geojson if geojson.fits else geojson.document
    return ["coco"] if is_results(document) else _fitting(document)


def _check_arguments(context: Context, takes: tuple[str, ...]) -> None:
    reasons = {
        "image": "names its images",
        "columns": "has no columns to choose from",
        "mpp": "has positions in pixels",
    }
    for name, reason in reasons.items():
        if getattr(context, name) is not None and name not in takes:
            raise DoesNotApply(name, reason)


def files_of_folder(path: Path, format: str) -> list[Path] | None:
    """Files of a folder that are read one by one; None of what is read as a whole.

    Raises
    ------
    ValueError
        If the folder has files of several endings, or none of the format's. The message does not
        name it.
    """
    if not path.is_dir() or format in _WHOLE or (format == "auto" and recognise(path) != SEVERAL):
        return None
    if format == "sliderunner":
        raise ValueError("is a folder, wants a file.")
    files = _one_by_one(path, [_ENDINGS_OF[format]] if format in _ENDINGS_OF else _IN_FOLDERS)
    if not files:
        other = _other_format(path, format)
        raise ValueError(
            f"is a folder, wants a file or a folder of {' or '.join(_ENDINGS_OF[format])} files "
            f"for {format}{'.' if other is None else f': {other}'}"
        )
    endings = sorted({unpacked_name(file).suffix.lower() for file in files})
    if len(endings) > 1:
        raise ValueError(
            f"is a folder of {' and '.join(endings)} files, wants those of one ending; move the "
            "others to a folder of their own."
        )
    return files


def _one_by_one(path: Path, kinds: Sequence[tuple[str, ...]] = _IN_FOLDERS) -> list[Path]:
    """Files of a folder that end as the first of these kinds that is there."""
    files = [
        file
        for file in sorted(path.iterdir())
        if not file.name.lower().endswith(BESIDE_TABLES) and file.is_file()
    ]
    found = ([f for f in files if unpacked_name(f).suffix.lower() in kind] for kind in kinds)
    return next(filter(None, found), [])


def _is_yolo(head: bytes) -> bool:
    return is_yolo(head.decode("utf-8", "replace"))


def _root(head: bytes) -> str:
    """Name of the root of XML, by how it begins; that of ASAP where only the root is missing."""
    head = re.sub(rb"<!--.*?-->", b"", head.replace(b"\0", b""), flags=re.DOTALL)
    tag = _tag(head)
    name = tag[1].decode() if tag else ""
    return _asap.ROOT if name == _asap.LIST and _asap.is_list(head) else name


def recognise(path: Path) -> str:
    """Recognise the format by a file's first bytes, or by what a folder holds."""
    if path.is_dir():
        xml = voc_files(path)
        if xml and (xml[0].parent != path or recognise(xml[0]) == "voc"):
            return "voc"
        if mat_files(path):
            return "crchisto"
        lists, tables = yolo_files(path), _one_by_one(path)
        # Notes may lie beside tables.
        if lists and not (tables and not _is_yolo(read_bytes(lists[0], 4096))):
            return "yolo"
        if tables:
            return SEVERAL
        raise ValueError("is a folder without annotations: tables, JSON, XML, .ndpa, .mat, YOLO.")
    head = read_bytes(path, 4096)
    text = (decoded(head, whole=False).encode() if head.startswith(UTF_16) else head).lstrip()
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    ending = unpacked_name(path).suffix.lower()
    if head.startswith(MAGIC):
        return "sliderunner"
    if head.startswith(b"MATLAB"):
        return "crchisto"
    if text.startswith(b"<") or ending in (".xml", ".ndpa"):
        return _ROOTS.get(_root(head), "voc")
    if text.startswith((b"{", b"[")):
        return "json"
    if _is_yolo(text) and ending not in (".csv", ".tsv"):
        return "yolo"
    if ending in _PLAIN_TEXT:
        return "csv"
    if not text:
        raise ValueError("is empty.")
    raise ValueError(f"shows no format by itself: pass format=, one of {list(READ)}.")
