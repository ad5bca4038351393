"""Annotation files as the commands read them: options that apply where they are needed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from .._utils.names import base_name, composed
from .._utils.optional import import_pandas
from .._utils.printable import quoted
from ..annotations import resolve_image
from ..annotations._folders_below import slides_in_folders_below
from ..annotations._io import read_chosen
from ..annotations._readers import READ
from ..annotations._slide_facts import SLIDE_ENDINGS, find_slide, is_slide_of, stem_of
from ..annotations._table import DoesNotApply, NeedsLabel, NeedsResolution, joined

__all__ = [
    "LABEL_HELP",
    "at_least",
    "by_base_name",
    "check_images",
    "first_few",
    "format_option",
    "is_one_of",
    "needs_resolution",
    "no_slide_found",
    "of_images",
    "read_table",
    "read_tables",
    "resolution",
    "slide_files",
    "slides_option",
    "without_files",
]

#: What ``--label`` does, which chooses classes or gives one.
LABEL_HELP = "Only this class, may be repeated; or the class of all, if the file names none."
#: Names that are written out in a message.
_NAMES = 3


def format_option(text):
    """Make the option for the format of a table, with its help."""
    return click.option(
        "--from",
        "format",
        type=click.Choice(["auto", *READ]),
        default="auto",
        show_default=True,
        help=f"{text} auto looks into the file, not only at its name.",
    )


#: Where the slides of annotation files lie.
slides_option = click.option(
    "--slides",
    type=click.Path(exists=True),
    help="Slide, or folder of the slides, that QuPath's, NDPA and YOLO files are about.  "
    "[default: the folder of the file]",
)


def read_table(path, format="auto", *, mpp=None, labels=(), only=None, **how):
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
    only : callable, default=None
        Whether an image of that name is wanted: of the others the resolution need not be known.
        Their rows are kept, so that they can be counted, with positions that mean nothing then.
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
    try:
        return _read(path, format, mpp, labels, {**how, "only": only})
    except ValueError as error:
        if mpp is not None or not needs_resolution(error):
            raise
        # The slides say how large pixels are, where nobody else does.
        every = _read(path, format, 1.0, labels, how)[0]
        root = Path(how.get("slides") or _folder(path))
        names = sorted({*every["image"]})
        wanted = [name for name in names if only is None or only(name)]
        if names and not wanted:
            return every, False
        below = how.get("slides") is not None
        is_one = root.is_file() and len(names) > 1  # it says nothing of other slides
        paths = {
            name: None
            if is_one and not is_slide_of(root, name)
            else find_slide(root, name, below=below)
            for name in wanted
        }
        known = {name: resolution([path]) for name, path in paths.items()}
        if None in known.values() or not known:
            _name_option(error)
            if how.get("slides"):
                _name_slides(error, path, paths, known, root)
            raise
        parts = [every[~every["image"].isin(wanted)]]
        for value in sorted({*known.values()}):
            part = _read(path, format, value, labels, how)[0]
            parts.append(part[part["image"].map(known.get) == value])
        return import_pandas().concat(parts).sort_index(), False


def _name_slides(error, path, paths, known, root):
    """Say in an error which slides are missing, or which of them do not say their resolution."""
    missing = [name for name, slide in paths.items() if slide is None]
    without = [quoted(name) for name, value in known.items() if value is None]
    if missing and len(missing) == len(paths):
        text = no_slide_found(missing, root)
    elif missing:
        text = f"no such file in {root} for {of_images(missing, paths, root)}"
    elif without:
        text = f"{first_few(without)} in {root} has no usable resolution in it"
    else:
        return
    before = f"{path}: "
    error.args = (f"{before}{text}; {str(error).removeprefix(before)}",)


def is_one_of(names):
    """Return whether an image has one of some names, whichever folders both are written with.

    For `only` of `read_table`, where rows are chosen by such names later.
    """
    plain = {base_name(name) for name in names}
    return lambda name: base_name(name) in plain


def _folder(path):
    path = Path(path)
    return path if path.is_dir() else path.parent


def resolution(paths):
    """Read the micrometres per pixel of level 0, if they are known and the same on all slides.

    Parameters
    ----------
    paths : iterable of (Path or None)
        The slides; nothing is known of one that is None.

    Returns
    -------
    float or None
    """
    from ..slides._readers import open_reader

    found = {None if path is None else open_reader(os.fspath(path)).mpp for path in paths}
    return found.pop() if len(found) == 1 else None


def _name_option(error):
    """Name in an error the option of the command that is running."""
    ctx = click.get_current_context(silent=True)
    params = {} if ctx is None else {param.name: param for param in ctx.command.params}
    option = next((params[name] for name in ("slide_mpp", "mpp") if name in params), None)
    if option is None:
        return
    advice = f"pass {max(option.opts, key=len)}, micrometres per pixel"
    if "slides" in params:
        advice = f"{advice}, or --slides, if the slides say it"
    # Ahead of the reader's own words is the file, which may be one of a folder.
    file = str(error).partition("mpp must ")[0]
    error.args = (f"{file}{error.__cause__.reason}: {advice}.",)


def _read(path, format, mpp, labels, how):
    more = {} if mpp is None else {"mpp": mpp}
    while True:
        try:
            table = read_chosen(path, format, **how, **more)
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
        table["label"] = composed(labels[0])
    return table, "mpp" in more


def at_least(table, probability, path):
    """Choose the rows of a probability or a higher one.

    Parameters
    ----------
    table : DataFrame
        Detections.
    probability : float or None
        None for all rows.
    path : path-like
        Their file, for the message.

    Returns
    -------
    DataFrame

    Raises
    ------
    click.BadParameter
        If the table has rows, and no probabilities.
    """
    if probability is None or not len(table):
        return table
    if "probability" not in table:
        raise click.BadParameter(
            f"'{path}' has no column probability.", param_hint="'--min-probability'"
        )
    return table[table["probability"] >= probability]


def check_images(table, root, annotations):
    """Refuse annotations of images that have no file, and say which files there are.

    Parameters
    ----------
    table : DataFrame
        The annotations.
    root : Path
        The folder of the slides.
    annotations : path-like
        Their file, for the message.

    Raises
    ------
    ValueError
        If an image lacks its file. Names that lead out of the folder are left to who opens them.
    """
    missing, names = [], table["image"].unique()
    for name in names:
        with contextlib.suppress(ValueError):
            if not resolve_image(root, name).exists():
                missing.append(name)
    if not missing:
        return
    raise ValueError(
        f"{annotations}: no such file in {root} for {of_images(missing, names, root)}."
    )


def of_images(missing, names, root):
    """Count the images without a file, and name them as `without_files` does."""
    return f"{len(missing)} of {len(names)} images: {without_files(missing, root)}"


def without_files(missing, root):
    """Name images without a file, and the slides that there are in place of them."""
    if root.is_file():
        return f"{first_few([quoted(name) for name in missing])}, of which that slide is none"
    names = first_few([quoted(name) for name in missing])
    there = [quoted(path.name) for path in slide_files(root)]
    below = slides_in_folders_below(root, SLIDE_ENDINGS)
    for name in missing:
        alike = [path for path in below if composed(name) in _names_of(path)]
        if len(alike) > 1:
            several = first_few(_shown_below(root, alike))
            return f"{names}; {quoted(name)} may be any of {several}: wants its folder"
    there = there or _shown_below(root, below)
    return f"{names}; there are {first_few(there)}" if there else f"{names}, nor another slide"


def _names_of(path):
    """Return the names that a slide may have in a table."""
    name = composed(path.name)
    return name, stem_of(name)


def _shown_below(root, paths):
    return [quoted(path.relative_to(root).as_posix()) for path in paths]


def no_slide_found(missing, root):
    """Say that none of the images has a file."""
    return f"no slide was found, no such file in {root}: {without_files(missing, root)}"


def slide_files(folder):
    """List the slides and images in a folder, by name."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SLIDE_ENDINGS and path.is_file()
    )


def first_few(words):
    """Write out the first of some words; dots stand for the others."""
    return ", ".join([*words[:_NAMES], *(["..."] if len(words) > _NAMES else [])])


def needs_resolution(error):
    """Whether a file was not read because nobody knows how large pixels are."""
    return isinstance(error.__cause__, NeedsResolution)


def read_tables(paths, format="auto", *, mpp=None, **how):
    """Read several files as one table; tell whether one of them used `mpp`."""
    tables, used = zip(*(read_table(path, format, mpp=mpp, **how) for path in paths))
    table = tables[0] if len(tables) == 1 else joined(tables)
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
    names = {name: base_name(str(name)) for name in cells["image"]}
    if len(set(names.values())) < len(names):
        raise ValueError("has several images of one name in different folders.")
    return cells.assign(image=cells["image"].map(names), path=cells["image"])
