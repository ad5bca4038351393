"""Annotation files as the commands read them: options that apply where they are needed."""

from __future__ import annotations

import os

import click

from .._utils.optional import import_pandas
from ..annotations import read_annotations
from ..annotations._table import DoesNotApply, NeedsLabel, NeedsResolution

__all__ = [
    "LABEL_HELP",
    "by_base_name",
    "needs_resolution",
    "read_table",
    "read_tables",
    "slides_option",
]

#: What ``--label`` does, which chooses classes or gives one.
LABEL_HELP = "Only this class, may be repeated; or the class of all, if the file names none."
#: Where the slides of annotation files lie.
slides_option = click.option(
    "--slides",
    type=click.Path(exists=True),
    help="Slide, or folder of the slides, that QuPath's, NDPA and YOLO files are about.  "
    "[default: the folder of the file]",
)


def read_table(path, format="auto", *, mpp=None, labels=(), **how):
    """Read a file of annotations.

    Parameters
    ----------
    path : path-like
        The file.
    format : str, default="auto"
        What it is.
    mpp : float, default=None
        Micrometres per pixel; used if the file does not count in pixels.
    labels : sequence of str, default=()
        Classes that are wanted. A single one is that of all cells if the file names none.
    **how
        Further arguments of `stnclf.annotations.read_annotations`.

    Returns
    -------
    table : DataFrame
        All rows of the file.
    used_mpp : bool
        Whether `mpp` was used.

    Raises
    ------
    ValueError
        As `stnclf.annotations.read_annotations` does.
    """
    more = {} if mpp is None else {"mpp": mpp}
    while True:
        try:
            table = read_annotations(path, format, **how, **more)
        except ValueError as error:
            cause = error.__cause__
            if isinstance(cause, DoesNotApply) and cause.name == "mpp" and "mpp" in more:
                del more["mpp"]
            elif isinstance(cause, NeedsLabel) and len(labels) == 1 and "label" not in more:
                if "label" in (how.get("columns") or {}):
                    raise
                more["label"] = labels[0]
            else:
                raise
        else:
            break
    if len(labels) == 1 and len(table) and table["label"].isna().all():
        table["label"] = labels[0]
    return table, "mpp" in more


def needs_resolution(error):
    """Whether a file was not read because nobody knows how large pixels are."""
    return isinstance(error.__cause__, NeedsResolution)


def read_tables(paths, format="auto", *, mpp=None, **how):
    """Read several files as one table; tell whether one of them used `mpp`."""
    tables, used = zip(*(read_table(path, format, mpp=mpp, **how) for path in paths))
    table = tables[0] if len(tables) == 1 else import_pandas().concat(tables, ignore_index=True)
    return table, any(used)


def by_base_name(cells):
    """Name the images of a table as `scan` does, without their folder.

    Parameters
    ----------
    cells : DataFrame
        With a column ``image``.

    Returns
    -------
    DataFrame
        The names as they were are in the column ``path``.

    Raises
    ------
    ValueError
        If two images would have one name.
    """
    names = {name: os.path.basename(str(name).replace("\\", "/")) for name in cells["image"]}
    if len(set(names.values())) < len(names):
        raise ValueError("has several images of one name in different folders.")
    return cells.assign(image=cells["image"].map(names), path=cells["image"])
