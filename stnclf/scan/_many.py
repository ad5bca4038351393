"""Many slides, one job each, on whatever joblib runs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from .._base import BaseCellClassifier
from .._utils.typing import PathLike, Table
from ..annotations import read_annotations
from ..slides import Slide
from ._scan import scan

__all__ = ["is_done", "names_of_tables", "scan_each", "scan_slides"]


def scan_slides(
    estimator: BaseCellClassifier,
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
    estimator : STNCellClassifier or CiresanBaseline
        Fitted on RGB images, uint8 or from 0 to 1.
    slides : sequence of Slide, str or path-like
        Where to look. On a cluster, paths must be the same on all machines.
    out : str or path-like, default=None
        A folder that exists, for a table of each slide: ``a.svs`` makes ``a.csv``.
    resume : bool, default=False
        Leave tables in `out` as they are and go on with unfinished ones, instead of beginning
        anew. The result is that of an uninterrupted run with the same arguments.
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
    ImportError
        If pandas is missing, or OpenSlide for a slide that wants it.
    TypeError, ValueError
        If an argument is not as described, a slide cannot be read, or two slides would have one
        table. Where a slide fails the others are done first.

    Notes
    -----
    Where a worker dies, Dask gives its slide to another, which goes on with what the first one
    had noted in `out`.

    Examples
    --------
    >>> scan_slides(clf, ["a.svs", "b.svs"], mpp=0.25, out="tables", n_jobs=2)  # doctest: +SKIP
    """
    slides = list(slides)
    outs = [None] * len(slides)
    if out is not None:
        folder = Path(out).absolute()
        if not folder.is_dir():
            raise FileNotFoundError(f"out: there is no folder {str(out)!r}.")
        outs = [folder / name for name in names_of_tables(slides)]
    elif resume:
        raise ValueError("resume: there is nothing to resume without out=.")
    tables, failures = [], []
    how = {**how, "n_jobs": n_jobs, "tile_jobs": tile_jobs, "verbose": verbose}
    for table, error in scan_each(estimator, slides, outs, resume=resume, **how):
        tables.append(table)
        failures += [] if error is None else [error]
    if failures:
        raise failures[0]
    return tables


def scan_each(estimator, slides, outs, *, resume, n_jobs, tile_jobs, verbose, **how):
    """Scan slides, and give what became of each as soon as it is known, in their order.

    Parameters
    ----------
    estimator, slides, resume, n_jobs, tile_jobs, verbose, **how
        As `scan_slides` takes them.
    outs : sequence of path-like or None
        File for each slide.

    Yields
    ------
    table : pandas.DataFrame or None
        The detections.
    error : Exception or None
        Why there are none.
    """
    if not resume:
        # From here on every job resumes: one that is given to a second worker, since the first
        # died, goes on with what the first had noted.
        for out in outs:
            if out is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(f"{out}.progress")
    many = len(slides) > 1
    how = {**how, "n_jobs": tile_jobs, "verbose": int(verbose and not many)}
    one = delayed(_scan_one)
    jobs = [one(estimator, slide, out, keep=resume, **how) for slide, out in zip(slides, outs)]
    with tqdm(total=len(slides), unit="slide", disable=not (verbose and many)) as bar:
        for result in Parallel(n_jobs=n_jobs, return_as="generator")(jobs):
            bar.update()
            yield result


def _scan_one(estimator, slide, out, *, keep, **how):
    """Scan a slide; errors that are about it are given back."""
    try:
        if keep and out is not None and is_done(out):
            return read_annotations(out), None
        return scan(estimator, slide, out=out, resume=out is not None, **how), None
    except (OSError, TypeError, ValueError, ImportError) as error:
        return None, error


def is_done(out):
    """Tell whether a table is there and no scan of it is under way."""
    return os.path.exists(out) and not os.path.exists(f"{out}.progress")


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
        If two slides would have one table.
    """
    names = {}
    for slide in slides:
        path = slide.path if isinstance(slide, Slide) else os.fsdecode(slide)
        name = ("array" if path is None else Path(path).stem) + ".csv"
        if name in names:
            raise ValueError(f"slides: {names[name]!r} and {path!r} would both become {name!r}.")
        names[name] = path
    return list(names)
