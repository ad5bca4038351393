"""Read and write a file of annotations: recognise its format, and hand over to its module."""

from __future__ import annotations

import math
import sqlite3
from numbers import Real
from pathlib import Path, PureWindowsPath
from typing import Any

from .._utils.files import check_path, written_whole
from .._utils.optional import import_pandas
from .._utils.typing import PathLike, Table
from ._coco import boxes_table, is_boxes, midog_text
from ._crchisto import mat_files, read_crchisto
from ._csv import csv_text, read_csv
from ._geojson import geojson_image, geojson_table, geojson_text, is_geojson
from ._grand_challenge import is_points, points_table, points_text
from ._sliderunner import MAGIC, read_slide_runner, write_slide_runner
from ._table import CORE, read_json
from ._voc import read_voc, voc_files

__all__ = ["read_annotations", "resolve_image", "write_annotations"]

READ = ("sliderunner", "midog", "coco", "voc", "qupath", "grand-challenge", "csv", "crchisto")
WRITE = {
    "sliderunner": (".sqlite", ".sqlite3", ".db"),
    "midog": (),
    "qupath": (".geojson",),
    "grand-challenge": (),
    "csv": (".csv",),
}
ONE_IMAGE = ("qupath", "grand-challenge", "csv")
JSON = {"qupath": is_geojson, "grand-challenge": is_points, "midog": is_boxes, "coco": is_boxes}


def read_annotations(
    path: PathLike,
    format: str = "auto",
    *,
    image: str | None = None,
    columns: dict[str, str] | None = None,
    mpp: float | None = None,
) -> Table:
    """Read annotated cells.

    Parameters
    ----------
    path : path-like
        A file, or for "voc" and "crchisto" also a folder.
    format : {"auto", "sliderunner", "midog", "coco", "voc", "qupath", "grand-challenge", \
"csv", "crchisto"}, default="auto"
        What the file is; "auto" looks into it. Files with the layout of COCO are "midog" if
        their boxes are [x1, y1, x2, y2] and "coco" if [x, y, width, height]. What rules one of
        the two out decides: boxes without a size as corners, boxes that reach beyond their image
        as sizes; else boxes that are all equally large in one way only. If nothing decides, it
        is an error.
    image : str, default=None
        Name of the image, for a file of "qupath", "grand-challenge" or "csv" that does not name
        it. It goes before a name in the file. Without either, a "qupath" file is about the image
        of its own name.
    columns : dict, default=None
        For "csv": the column to take for ``"image"``, ``"x"``, ``"y"`` or ``"label"``, where it
        has another name, as in ``{"x": "centroid_x"}``.
    mpp : float, default=None
        Micrometres per pixel, for "grand-challenge" only.

    Returns
    -------
    table : pandas.DataFrame
        One row a cell, as in the description of this module.

    Raises
    ------
    ImportError
        If pandas is missing.
    FileNotFoundError
        If there is no such file or folder.
    TypeError
        If `path` is no path.
    ValueError
        If the file is broken, lacks something or is of another format, in one line that names
        it; or if an argument is unknown or missing.

    Notes
    -----
    A SlideRunner database [1]_ is opened read-only, and nothing appears beside it. Deleted
    annotations, and those without coordinates, are left out. The label is the class that the
    annotators agree on; where they do not (``agreedClass`` is 0), it is missing, and
    ``table.dropna(subset="label")`` keeps the others. The folder of a slide belongs to its name
    if it is relative, as in ``01/25.tif``.

    An object of several points in QuPath [3]_ is one row for each. Outlines are reduced to their
    centroid and the size of their bounding box.

    MIDOG's files [2]_ call their boxes COCO, but hold corners. Lists of "CRCHistoPhenotypes"
    [4]_ are taken as MATLAB's, from 1: its nuclei are darkest 1 to 1.4 pixels to the left of and
    above the numbers as they stand.

    References
    ----------
    .. [1] Aubreville et al., "SlideRunner: A Tool for Massive Cell Annotations in Whole Slide
           Images", BVM 2018.
    .. [2] Aubreville et al., "Mitosis domain generalization in histopathology images: The MIDOG
           challenge", Medical Image Analysis 2023.
    .. [3] Bankhead et al., "QuPath: Open source software for digital pathology image analysis",
           Scientific Reports 2017.
    .. [4] Sirinukunwattana et al., "Locality Sensitive Deep Learning for Detection and
           Classification of Nuclei in Routine Colon Cancer Histology Images", IEEE TMI 2016.

    Examples
    --------
    >>> from stnclf.annotations import read_annotations
    >>> cells = read_annotations("MIDOG.sqlite")                             # doctest: +SKIP
    >>> cells.label.value_counts()                                           # doctest: +SKIP
    label
    not mitotic figure    2714
    mitotic figure        1721
    """
    path = Path(check_path("path", path))
    if format != "auto" and format not in READ:
        raise ValueError(f"format must be 'auto' or one of {list(READ)}, got {format!r}.")
    unknown = set(columns or ()) - set(CORE)
    if unknown:
        raise ValueError(f"columns must name {list(CORE)}, got {sorted(map(str, unknown))}.")
    import_pandas()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        return _read(path, format, image, columns, mpp)
    except (ValueError, RecursionError, sqlite3.Error) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error


def write_annotations(
    table: Table,
    path: PathLike,
    format: str = "auto",
    *,
    size: float = 50,
    colors: dict[str, Any] | None = None,
    object_type: str = "detection",
    mpp: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write annotated cells or detections.

    What was written comes back from `read_annotations` as it was, to the last digit: position,
    label, and every column that the format holds. A column without any value is left out.

    Parameters
    ----------
    table : pandas.DataFrame
        ``image``, ``x``, ``y`` and ``label``, and any of the columns in the description of this
        module. A label that is missing stays so, but "midog" needs one in every row.
    path : path-like
        The file to write. It appears only when it is complete.
    format : {"auto", "sliderunner", "midog", "qupath", "grand-challenge", "csv"}, default="auto"
        "auto" goes by the ending: .sqlite, .sqlite3 and .db, .geojson, .csv.

        - "qupath": one image a file. Further columns of numbers become measurements, those of
          text metadata; truth values become 0 and 1.
        - "midog": further columns become keys of the annotations.
        - "grand-challenge": one image a file; position, label and ``probability``, if there is
          such a column, and nothing else.
        - "sliderunner": a new database, with ``type``, size, ``id``, ``votes`` and ``voters``.
          Without votes, each label is the vote of a person called stnclf. Rows come back in the
          order of ``id``.
        - "csv": all columns. What looks like a number comes back as one.
    size : float, default=50
        Side in pixels of the box that "qupath" and "midog" draw around a cell where the table
        has no width and height. With 0, "qupath" gets points instead.
    colors : dict, default=None
        ``(red, green, blue)`` from 0 to 255 or text like ``"#d55e00"`` by label, for "qupath"
        and "sliderunner". Labels without one take the next of a palette.
    object_type : {"detection", "annotation"}, default="detection"
        What the rows are to QuPath, unless a column ``object_type`` says it.
    mpp : float, default=None
        Micrometres per pixel; "grand-challenge" needs it.
    overwrite : bool, default=False
        Whether a SlideRunner database that exists is replaced. Other files always are.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    FileExistsError
        If the database exists and `overwrite` is False, or if a program has it open.
    ImportError
        If pandas is missing.
    TypeError
        If `table` is not a DataFrame, or `path` no path.
    ValueError
        If the table lacks a column, holds something that the format has no place for, or if an
        argument is unknown or missing.

    Notes
    -----
    SlideRunner keeps corners as floating-point numbers. Boxes are exact there if their corners
    are multiples of 1/1024 of a pixel; spots are always. Polygons and circles are written as the
    box around them, since the table knows no more.

    Examples
    --------
    >>> import pandas as pd
    >>> from stnclf.annotations import read_annotations, write_annotations
    >>> cells = pd.DataFrame(
    ...     {"image": ["a.svs"], "x": [12.5], "y": [7.0], "label": ["mitosis"], "probability": 0.9}
    ... )
    >>> path = write_annotations(cells, "cells.geojson")                     # doctest: +SKIP
    >>> read_annotations(path).loc[0, ["x", "y", "probability"]].tolist()    # doctest: +SKIP
    [12.5, 7.0, 0.9]
    """
    path = Path(check_path("path", path))
    if format == "auto":
        found = [name for name, endings in WRITE.items() if path.suffix.lower() in endings]
        if not found:
            raise ValueError(
                f"format must be one of {list(WRITE)}; {path.name!r} does not show it."
            )
        (format,) = found
    if format not in WRITE:
        raise ValueError(f"format must be 'auto' or one of {list(WRITE)}, got {format!r}.")
    if not isinstance(size, Real) or not 0 <= size < math.inf:
        raise ValueError(f"size must be a length in px, 0 or more, got {size!r}.")
    size = float(size)
    if object_type not in ("detection", "annotation"):
        raise ValueError(f"object_type must be 'detection' or 'annotation', got {object_type!r}.")
    if format == "sliderunner":
        write_slide_runner(table, path, colors=colors, overwrite=overwrite)
        return path
    if format == "qupath":
        text = geojson_text(table, size=size, colors=colors, object_type=object_type)
    elif format == "midog":
        text = midog_text(table, size=size)
    elif format == "csv":
        text = csv_text(table)
    else:
        text = points_text(table, mpp=_check_mpp(mpp))
    data = text.encode()
    with written_whole(path) as part:
        part.write_bytes(data)
    return path


def resolve_image(root: PathLike, name: str) -> Path:
    r"""Find the path of an image below a folder, and refuse a name that leads out of it.

    Names come from files that others made; one like ``../../secrets.tif`` must not be opened.
    Links below `root` are the user's own and are followed.

    Parameters
    ----------
    root : path-like
        The folder that holds the images.
    name : str
        Name of an image, as in the column ``image``; ``/`` and ``\`` separate folders.

    Returns
    -------
    path : pathlib.Path
        `root` and the name; whether it exists is not looked at.

    Raises
    ------
    TypeError
        If `root` is no path.
    ValueError
        If the name is empty, absolute, has a drive, or goes up by ``..``; in one line.

    Examples
    --------
    >>> from stnclf.annotations import resolve_image
    >>> resolve_image("slides", "01/25.tif").as_posix()
    'slides/01/25.tif'
    >>> resolve_image("slides", "../../x.svs")
    Traceback (most recent call last):
    ...
    ValueError: image must be a name below its folder, got '../../x.svs'.
    """
    inside = isinstance(name, str) and "\0" not in name and not PureWindowsPath(name).anchor
    parts = name.replace("\\", "/").split("/") if inside else [".."]
    parts = [part for part in parts if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ValueError(f"image must be a name below its folder, got {name!r}.")
    return Path(check_path("root", root), *parts)


def _read(path, format, image, columns, mpp):
    """Read `path`, whose problems the caller puts its name in front of."""
    if format == "auto":
        format = _recognise_file(path)
    if format in ("json", *JSON):
        document = read_json(path)
        fitting = [name for name, fits in JSON.items() if fits(document)]
        if not fitting or format not in ("json", *fitting):
            raise ValueError(
                f"is JSON, but no file of {list(JSON) if format == 'json' else format}."
            )
        boxes = "auto" if format == "json" else format
        format = fitting[0]
    if image is not None and format not in ONE_IMAGE:
        raise ValueError("names its images, so that image= does not apply.")
    if format == "sliderunner":
        return read_slide_runner(path)
    if format == "voc":
        return read_voc(path)
    if format == "crchisto":
        return read_crchisto(path)
    if format == "csv":
        return read_csv(path, image, columns)
    if format == "qupath":
        return geojson_table(document, image or geojson_image(document) or path.stem)
    if format == "grand-challenge":
        return points_table(document, image, _check_mpp(mpp))
    return boxes_table(document, boxes)


def _recognise_file(path):
    """Tell the format from a file's first bytes, or from what a folder holds."""
    if path.is_dir():
        if voc_files(path):
            return "voc"
        if mat_files(path):
            return "crchisto"
        raise ValueError("is a folder without .xml or .mat files.")
    with open(path, "rb") as file:
        head = file.read(512)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(MAGIC):
        return "sliderunner"
    if head.startswith(b"MATLAB"):
        return "crchisto"
    if text.startswith(b"<") or path.suffix.lower() == ".xml":
        return "voc"
    if text.startswith((b"{", b"[")):
        return "json"
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return "csv"
    raise ValueError(f"shows no format by itself: pass format=, one of {list(READ)}.")


def _check_mpp(mpp):
    if not isinstance(mpp, Real) or isinstance(mpp, bool) or not 0 < mpp < math.inf:
        raise ValueError(
            f"mpp must be the micrometres per pixel of the image for format='grand-challenge', "
            f"got {mpp!r}."
        )
    return float(mpp)
