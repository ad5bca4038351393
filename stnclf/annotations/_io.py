"""Read and write a file of annotations: recognise its format, and hand over to its module."""

from __future__ import annotations

import math
import sqlite3
import warnings
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any

from .._utils.files import check_path, written_whole
from .._utils.names import composed
from .._utils.optional import import_pandas
from .._utils.printable import printable, quoted, shortened
from .._utils.typing import PathLike, Table
from ._coco import midog_text
from ._context import Context
from ._csv import csv_text
from ._doubts import doubts, names_with_blanks
from ._geojson import geojson_text
from ._grand_challenge import points_text
from ._readers import READ, files_of_folder, read
from ._slide_facts import BOUNDED, UNBOUNDED, find_slide, slide_facts
from ._sliderunner import write_slide_runner
from ._table import NAMED, joined

__all__ = ["read_annotations", "write_annotations"]

WRITE = {
    "sliderunner": (".sqlite", ".sqlite3", ".db"),
    "midog": (),
    "qupath": (".geojson",),
    "grand-challenge": (),
    "csv": (".csv",),
}
#: Arguments of `write_annotations` that apply to some formats only.
_WRITES_WITH = {
    "size": ("qupath", "midog"),
    "colors": ("qupath", "sliderunner"),
    "object_type": ("qupath",),
    "mpp": ("grand-challenge",),
    "slides": ("qupath",),
}
#: Characters of a message: a file may have names of any length, and any number of them.
_LONGEST = 500


def read_annotations(
    path: PathLike,
    format: str = "auto",
    *,
    image: str | None = None,
    columns: dict[str, str] | None = None,
    mpp: float | None = None,
    label: str | None = None,
    slides: PathLike | None = None,
) -> Table:
    """Read annotated cells.

    Parameters
    ----------
    path : path-like
        A file, which may be packed by gzip, or a folder: of "voc", "crchisto" or "yolo", or of
        GeoJSON, JSON, CSV, TSV, NDPA or XML of ASAP or ImageScope, a file for each image.
    format : {"auto", "sliderunner", "midog", "coco", "voc", "qupath", "grand-challenge", \
"csv", "crchisto", "asap", "imagescope", "ndpa", "hovernet", "yolo", "via", "labelme"}, \
default="auto"
        What the file is; "auto" looks into it. Files with the layout of COCO are "midog" if
        their boxes are [x1, y1, x2, y2] and "coco" if [x, y, width, height]. What rules one of
        the two out decides: boxes without a size as corners, boxes that reach beyond their image
        as sizes; else boxes that are all equally large in one way only. If nothing decides, it
        is an error.
    image : str, default=None
        Name of the image, for a file about one image. It goes before a name in the file. Without
        either, a file is about the image of its own name, or about the one slide of that stem
        that lies where `slides` says.
    columns : dict, default=None
        For "csv": the column to take for ``"image"``, ``"x"``, ``"y"``, ``"label"``, ``"width"`` or
        ``"height"``, where it has another name, as in ``{"x": "centroid_x"}``. Columns ``xmin``,
        ``ymin``, ``xmax`` and ``ymax`` need none: they are corners of boxes. For "via" and
        "qupath": ``{"label": ...}``, the attribute or property that holds the class.
    mpp : float, default=None
        Micrometres per pixel of the images, for files that do not count in pixels:
        "grand-challenge", "ndpa", and tables whose columns say so at the end of their names, as
        ``Centroid X µm``, ``x_mm`` or ``x_micrometers``. None takes it from the slide.
    label : str, default=None
        Class of all cells, for a file that names none.
    slides : path-like, default=None
        Where the slides lie: a folder, or the slide of a file about one image. None is the
        folder of the file. What is needed of a slide is where its scanned area begins
        ("qupath"), its place on the glass ("ndpa"), its size ("yolo") and its resolution.

    Returns
    -------
    table : pandas.DataFrame
        One row per cell, as in the description of this module.

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
        it; or if an argument is unknown, missing, or does not apply to the file.

    Warns
    -----
    UserWarning
        If something in the file was left out, with the number of objects of each kind; if labels
        differ in every row, look like JSON or like missing ones; if labels or images differ only by
        blanks at their ends; if GeoJSON has no classes where QuPath writes them; if results of COCO
        name images by number; if no file names the classes of YOLO.

    Notes
    -----
    A SlideRunner database [1]_ is opened read-only, and nothing appears beside it. Deleted
    annotations, and those without coordinates, are left out. The label is the class that the
    annotators agree on; where they do not (``agreedClass`` is 0), it is missing, and
    ``table.dropna(subset="label")`` keeps the others. The folder of a slide belongs to its name
    if it is relative, as in ``01/25.tif``.

    An object of several points, lines or polygons in QuPath [3]_ is one row for each, but for
    one that QuPath calls a cell. Objects within others are rows of their own. Outlines are
    reduced to their centroid and the size of their bounding box. Where an outline crosses itself so
    that its centroid lies outside of that box, the middle of the box takes its place.

    On slides of which a part was scanned (MRXS, SCN) QuPath counts from the corner of that part.
    Positions are moved to level 0 if the slide is found; else the column ``origin`` is "bounds",
    and `stnclf.slides.extract_patches` moves them.

    The class of MONKEY's and TIGER's points, which have numbers or no names, is the name of
    their list.

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
    how: Any = {"image": image, "columns": columns, "mpp": mpp, "label": label, "slides": slides}
    return read_chosen(path, format, **how)


def read_chosen(
    path: PathLike,
    format: str = "auto",
    *,
    image: str | None = None,
    columns: dict[str, str] | None = None,
    mpp: float | None = None,
    label: str | None = None,
    slides: PathLike | None = None,
    only: Callable[[str], bool] | None = None,
) -> Table:
    """Read a file as `read_annotations` does, of which some images may be all that is wanted.

    Parameters
    ----------
    path, format, image, columns, mpp, label, slides
        As in `read_annotations`.
    only : callable, default=None
        Whether an image of that name is wanted. Of the others the resolution need not be known:
        their positions mean nothing where it is not.

    Returns
    -------
    pandas.DataFrame
    """
    path = Path(check_path("path", path))
    if format != "auto" and format not in READ:
        raise ValueError(f"format must be 'auto' or one of {list(READ)}, got {format!r}.")
    for name, text in (("image", image), ("label", label)):
        if text is not None and (not isinstance(text, str) or not text):
            raise ValueError(f"{name} must be a name, got {text!r}.")
    if mpp is not None:
        mpp = _check_mpp(mpp)
    folder = None if slides is None else _check_slides(slides)
    unknown = set(columns or ()) - set(NAMED)
    if unknown:
        raise ValueError(f"columns must name {list(NAMED)}, got {sorted(map(str, unknown))}.")
    import_pandas()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file() and not path.is_dir():
        raise ValueError(f"{path}: is no regular file.")
    context = Context(path, image, columns, mpp, label, folder, only)
    table = None
    try:
        files = files_of_folder(path, format)
        if files and image is not None:
            raise ValueError("is a folder: each file has an image of its own, not image=.")
        if files and len(files) > 1 and folder is not None and folder.is_file():
            raise ValueError(
                f"is a folder of {len(files)} files: each has a slide of its own, so that slides "
                f"must be the folder of the slides, got {quoted(str(folder))}."
            )
        if not files:
            table = read(context, format)
    except (ArithmeticError, RecursionError, ValueError, sqlite3.Error) as error:
        text = f"{path}: {shortened(' '.join(str(error).split()), _LONGEST)}"
        raise ValueError(printable(text)) from error
    if table is None:
        how: Any = {"columns": columns, "mpp": mpp, "label": label, "slides": slides}
        tables = [read_chosen(file, format, **how, only=only) for file in files or ()]
        # One without rows has no columns but the first four, of no particular kind.
        tables = [table for table in tables if len(table)] or tables[:1]
        table = joined(tables)
        found = names_with_blanks(table)
    else:
        if label is not None:
            if table["label"].notna().any():
                raise ValueError(f"{path}: names its classes, so that label= does not apply.")
            table["label"] = [composed(label)] * len(table)
        found = doubts(table, context)
    for text in found:
        warnings.warn(printable(f"{path}: {shortened(text, _LONGEST)}"), stacklevel=3)
    return table


def write_annotations(
    table: Table,
    path: PathLike,
    format: str = "auto",
    *,
    size: float | None = None,
    colors: dict[str, Any] | None = None,
    object_type: str | None = None,
    mpp: float | None = None,
    slides: PathLike | None = None,
    overwrite: bool = False,
) -> Path:
    """Write annotated cells or detections.

    What was written comes back from `read_annotations` as it was, to the last digit: position,
    label, and every column that the format holds. A column without any value is left out, and
    names of images and classes come back in one form of Unicode (NFC).

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
    size : float, default=None
        Side in pixels of the box that "qupath" and "midog" draw around a cell where the table
        has no width and height. None is 50, and a point for annotations of "qupath"; so is 0.
        The boxes of "qupath" are read as positions without a size.
    colors : dict, default=None
        ``(red, green, blue)`` from 0 to 255 or text like ``"#d55e00"`` by label, for "qupath"
        and "sliderunner". Labels without one take the next of a palette.
    object_type : {"detection", "annotation"}, default=None
        What the rows are to QuPath, unless a column ``object_type`` says it; None is
        "detection".
    mpp : float, default=None
        Micrometres per pixel; "grand-challenge" needs it, and nothing else takes it.
    slides : path-like, default=None
        For "qupath": the slide, or the folder in which it lies; None is the folder of `path`.
        QuPath counts from the corner of the scanned area, which the slide knows.
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
        argument is unknown, missing, or does not apply to the format.

    Warns
    -----
    UserWarning
        If "qupath" is written for a slide of which a part may have been scanned, and the slide
        is not found; or if another format is written of positions that count from there.

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
    side = 50 if size is None else size
    if isinstance(side, bool) or not isinstance(side, Real) or not 0 <= side < math.inf:
        raise ValueError(f"size must be a length in px, 0 or more, got {size!r}.")
    kind = "detection" if object_type is None else object_type
    if kind not in ("detection", "annotation"):
        raise ValueError(f"object_type must be 'detection' or 'annotation', got {object_type!r}.")
    given = {"size": size, "colors": colors, "object_type": object_type}
    for name, value in (given | {"mpp": mpp, "slides": slides}).items():
        if value is not None and format not in _WRITES_WITH[name]:
            raise ValueError(f"{name}= does not apply to format={format!r}, got {value!r}.")
    folder = path.parent if slides is None else _check_slides(slides)
    if format in ("sliderunner", "grand-challenge"):
        _warn_of_origin(table)
    if format == "sliderunner":
        write_slide_runner(table, path, colors=colors, overwrite=overwrite)
        return path
    if format == "qupath":
        text = geojson_text(
            table,
            size=None if size is None else float(side),
            colors=colors,
            object_type=kind,
            bounds=lambda image: _bounds(image, folder, below=slides is not None),
        )
    elif format == "midog":
        text = midog_text(table, size=float(side))
    elif format == "csv":
        text = csv_text(table)
    else:
        text = points_text(table, mpp=_check_mpp(mpp))
    data = text.encode()
    with written_whole(path) as part:
        part.write_bytes(data)
    return path


def _bounds(image: str, folder: Path, *, below: bool) -> tuple[int, int]:
    """Pixel at which QuPath begins to count on a slide."""
    if image.lower().endswith(UNBOUNDED):
        return 0, 0
    slide = find_slide(folder, image, below=below)
    facts = None if slide is None else slide_facts(slide)
    if facts is not None:
        return facts.bounds
    if image.lower().endswith(BOUNDED):
        warnings.warn(
            f"{printable(shortened(image))}: QuPath counts from the corner of the scanned area, "
            "which is not known: positions count from level 0. Pass slides=, the slide or its "
            "folder.",
            stacklevel=5,
        )
    return 0, 0


def _warn_of_origin(table: Table) -> None:
    names = getattr(table, "columns", ())
    if "origin" in names and "image" in names and (table["origin"] == "bounds").any():
        images = table.loc[table["origin"] == "bounds", "image"]
        if images.astype(str).str.lower().str.endswith(BOUNDED).any():
            warnings.warn(
                "table['origin']: positions count from the corner of the scanned area, and the "
                "format has no place to say so. Read the file with slides=.",
                stacklevel=3,
            )


def _check_slides(slides: PathLike) -> Path:
    path = Path(check_path("slides", slides))
    if not path.exists():
        raise FileNotFoundError(f"slides: {path} does not exist.")
    return path


def _check_mpp(mpp: Any) -> float:
    if not isinstance(mpp, Real) or isinstance(mpp, bool) or not 0 < float(mpp) < math.inf:
        raise ValueError(f"mpp must be the micrometres per pixel of the image, got {mpp!r}.")
    return float(mpp)
