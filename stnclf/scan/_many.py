"""Many slides, one job each, on whatever joblib runs them."""

from __future__ import annotations

import inspect
import os
import secrets
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from .._base import BaseCellClassifier
from .._utils.errors import argument_error, check_utf8
from .._utils.identity import differences
from .._utils.lock import part_of_run
from .._utils.run import new_only, read_header, read_sidecar
from .._utils.typing import PathLike, Table
from ..ensemble import Ensemble
from ..slides import Slide
from ._scan import identity, scan

__all__ = ["as_list", "check_folder", "names_of_tables", "scan_each", "scan_slides"]


def scan_slides(
    estimator: BaseCellClassifier | Ensemble,
    slides: Sequence[Slide | PathLike],
    *,
    out: PathLike | None = None,
    resume: bool = False,
    n_jobs: int = 1,
    tile_jobs: int = 1,
    verbose: int = 0,
    **how: Any,
) -> list[Table]:
    """Scan many slides, each a job of joblib's.

    Jobs run in processes of this machine or, within ``joblib.parallel_config(backend=...)``, on
    any engine that joblib knows, such as a Dask cluster. The result does not depend on it.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted on RGB images, uint8 or from 0 to 1.
    slides : sequence of Slide, str or path-like
        Where to look. On a cluster, paths must be the same on all machines.
    out : str or path-like, default=None
        A folder that exists, for a table of each slide: ``a.svs`` makes ``a.csv``.
    resume : bool, default=False
        Leave tables in `out` as they are and go on with unfinished ones, instead of beginning
        anew. The result is that of an uninterrupted run with the same arguments. Tables of
        another model, slide or settings are refused: a folder never holds two kinds.
    n_jobs : int, default=1
        Slides at a time; -1 is as many as there are processors or workers.
    tile_jobs : int, default=1
        Threads for each slide: the `n_jobs` of `scan`.
    verbose : int, default=0
        Above 0 shows a progress bar.
    **how
        What else `scan` takes, `labels` and `mpp` for example.

    Returns
    -------
    list of pandas.DataFrame
        What `scan` gives for each slide. Tables that were in `out` already are read from there.

    Raises
    ------
    FileNotFoundError
        If a slide is not there, or there is no folder `out`.
    stnclf.slides.SlideReadError
        If a part of a slide cannot be read; names it. It is an OSError.
    OSError
        If a table or its progress cannot be written, or another process writes it.
    ImportError
        If pandas is missing, or OpenSlide for a slide that wants it.
    TypeError, ValueError
        If an argument is not as described, a file is no slide, or two slides would have one
        table. Where a slide fails the others are done first.

    Notes
    -----
    Where a worker dies, Dask gives its slide to another, which goes on with what the first one
    had noted in `out`.

    Examples
    --------
    >>> scan_slides(clf, ["a.svs", "b.svs"], mpp=0.25, out="tables", n_jobs=2)  # doctest: +SKIP
    """
    slides = as_list(slides)
    outs = [None] * len(slides)
    if out is not None:
        folder = Path(out).absolute()
        if not folder.is_dir():
            raise argument_error("out", f"there is no folder {str(out)!r}.", FileNotFoundError)
        outs = [folder / name for name in names_of_tables(slides)]
        check_folder(folder, [] if resume else outs, estimator, **how)
    elif resume:
        raise argument_error("resume", "there is nothing to resume without out=.")
    tables, failures = [], []
    how = {**how, "n_jobs": n_jobs, "tile_jobs": tile_jobs, "verbose": verbose}
    for table, error in scan_each(estimator, slides, outs, resume=resume, **how):
        tables.append(table)
        failures += [] if error is None else [error]
    if failures:
        raise failures[0]
    return tables


def as_list(slides):
    """List slides, and refuse one alone: a path is a sequence of letters, an array one of rows."""
    one = isinstance(slides, (str, bytes)) or getattr(slides, "ndim", 1) > 1
    if one or not np.iterable(slides):
        kind = type(slides).__name__
        got = kind if hasattr(slides, "ndim") else repr(slides)
        raise argument_error("slides", f"got {got}, wants a sequence of slides.", TypeError)
    return list(slides)


def scan_each(estimator, slides, outs, *, resume, n_jobs, tile_jobs, verbose, replace=True, **how):
    """Scan slides, and yield what became of each as soon as it is known, in their order.

    Parameters
    ----------
    estimator, slides, resume, n_jobs, tile_jobs, verbose, **how
        As `scan_slides` takes them.
    outs : sequence of path-like or None
        File for each slide.
    replace : bool, default=True
        Whether a table that is complete, and not to be resumed, may be replaced.

    Yields
    ------
    table : pandas.DataFrame or None
        The detections.
    error : Exception or None
        Why there are none.
    """
    many = len(slides) > 1
    how = {**how, "n_jobs": tile_jobs, "verbose": int(verbose and not many), "resume": resume}
    # A job that is given to a second worker, since the first died, is known by this name, and
    # goes on with what the first had noted.
    name = secrets.token_hex(8)
    one = delayed(_scan_one)
    jobs = [
        one(estimator, slide, out, name, replace=replace, **how) for slide, out in zip(slides, outs)
    ]
    bar = tqdm(total=len(slides), unit="slide", disable=not (verbose and many))
    # Closed at once if anything comes in between: processes must not go on.
    with bar, closing(Parallel(n_jobs=n_jobs, return_as="generator")(jobs)) as results:
        for result in results:
            bar.update()
            yield result


def _scan_one(estimator, slide, out, name, *, replace, resume, **how):
    """Scan a slide; errors that are about it are given back."""
    try:
        with part_of_run(name), new_only(not replace):
            return scan(estimator, slide, out=out, resume=resume and out is not None, **how), None
    except (OSError, TypeError, ValueError, ImportError) as error:
        return None, error


def check_folder(folder, replaced, estimator, **how):
    """Refuse a folder that has tables of another model, or of other settings.

    Parameters
    ----------
    folder : path-like
        The folder.
    replaced : sequence of path-like
        Tables that are going to be made anew.
    estimator : estimator
        Fitted.
    **how
        What else `scan` takes.

    Raises
    ------
    ValueError
        Naming a table, and what differs.
    """
    defaults = inspect.signature(scan).parameters
    names = ("labels", "mpp", "tissue", "min_probability", "nms_radius_um", "tta")
    names += ("stride", "tile_size")
    chosen = {name: how.get(name, defaults[name].default) for name in names}
    if chosen["mpp"] is None:
        chosen["mpp"] = estimator.mpp
    here = identity(estimator, **chosen)
    del here["stnclf"]  # another version may add to a folder
    replaced = {os.path.realpath(path) for path in replaced}
    for name in sorted(os.listdir(folder)):
        stem, ending = os.path.splitext(name)
        table = os.path.realpath(os.path.join(folder, stem))
        if not stem.endswith(".csv") or table in replaced:
            continue
        there = {".json": read_sidecar, ".progress": read_header}.get(ending, lambda _: None)(table)
        if there is not None:
            # An older version's notes say nothing: the slide's own run refuses them.
            found = differences({part: there[part] for part in here if part in there}, here)
            if found and "command" in there:
                raise argument_error(
                    "out",
                    f"{os.fsdecode(folder)!r} has a table of another {found[0]}: {stem!r}; "
                    "use the same, another folder, or remove the table.",
                )


def names_of_tables(slides):
    """Name a table for each slide.

    Parameters
    ----------
    slides : sequence of Slide, str or path-like
        The slides.

    Returns
    -------
    list of str
        ``a.csv`` for ``a.svs``.

    Raises
    ------
    ValueError
        If two slides would have one table, or a name is not UTF-8.
    """
    names = {}
    for slide in slides:
        path = slide.path if isinstance(slide, Slide) else os.fsdecode(slide)
        name = ("array" if path is None else Path(path).stem) + ".csv"
        check_utf8("slides", name)
        if name in names:
            raise argument_error(
                "slides", f"{names[name]!r} and {path!r} would both become {name!r}."
            )
        names[name] = path
    return list(names)
