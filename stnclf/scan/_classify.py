"""Classify cells whose positions are known, by the patches around them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from tqdm import tqdm

from .._base import BaseCellClassifier
from .._utils.containers import column_of, is_table
from .._utils.errors import argument_error
from .._utils.identity import describe_source, run_identity
from .._utils.names import probability_column, rows_named
from .._utils.neutral import neutral
from .._utils.optional import import_pandas
from .._utils.progress import Progress
from .._utils.run import check_out
from .._utils.typing import PathLike, Pixels, Table
from .._utils.values import check_positive
from .._version import __version__
from ..ensemble import Ensemble, class_columns
from ..slides import Slide, SlideReadError
from ..slides._cell_table import check_cells, on_level_0
from ..slides._skipped import check_on_error
from ..slides._slide import name_of, opened
from ._finders import DIGITS
from ._plane import csv_of, numbers_of
from ._scan import check_estimator, model_digest, plane_scale

__all__ = ["classify_cells", "classify_table"]

#: Cells at a time; a run that goes on has whole parts.
_CHUNK = 256

#: Cells are read square by square of so many pixels of level 0.
_SQUARE = 1024


@neutral()
def classify_cells(
    estimator: BaseCellClassifier | Ensemble,
    slide: Slide | PathLike | Pixels,
    table: Table,
    *,
    mpp: float | None = None,
    on_error: str = "stop",
    out: PathLike | None = None,
    resume: bool = False,
    verbose: int = 0,
) -> Table:
    """Classify cells of a slide that are located already.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted on RGB images, uint8 or from 0 to 1.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        Where the cells lie.
    table : DataFrame or mapping of columns
        ``x`` and ``y`` of the cells in pixels of level 0, and ``image``; if that has several
        names, the rows of this slide count. A detector's table, or one of
        `stnclf.annotations.read_annotations`.
    mpp : float, default=None
        Micrometres per pixel of the images that the estimator was trained on. None is the
        estimator's own parameter `mpp`.
    on_error : {"stop", "skip"}, default="stop"
        What to do where the slide cannot be read, in several attempts: raise, or leave label and
        probabilities of these cells empty.
    out : str or path-like, default=None
        File for the table, as CSV. It appears when it is complete; until then
        ``out + ".progress"`` and ``out + ".lock"`` lie beside it.
    resume : bool, default=False
        Go on with an unfinished `out`, if there is one. The result is that of an uninterrupted
        run. Of another model, slide or table it is refused.
    verbose : int, default=0
        Above 0 shows a progress bar.

    Returns
    -------
    cells : pandas.DataFrame
        The rows of the slide in their order: ``image``, ``x``, ``y``; ``label``, the most
        probable class; ``probability`` of it, and ``probability_`` and the label for each class;
        of an ensemble ``disagreement``, the standard deviation of the probability over the
        members; then the other columns of `table`. Its ``label`` becomes ``annotated``; if it has
        that already, as the table of an earlier run, ``annotated`` stays and ``label`` is dropped.
        So is what else an earlier run wrote: ``probability``, ``disagreement``, and
        ``probability_`` of the model's classes and of the labels in `table`.

    Raises
    ------
    FileNotFoundError
        If there is no such slide, or no folder for `out`.
    stnclf.slides.SlideReadError
        If a part of the slide cannot be read; names it. It is an OSError.
    OSError
        If `out` or its progress cannot be written, or another process writes it.
    ImportError
        If pandas is missing, or OpenSlide for a slide that wants it.
    TypeError, ValueError
        If an argument is not as described, a cell lies outside the slide, or `resume` finds
        another run.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    scan : Finds the cells as well.

    Notes
    -----
    Patches are cut as `stnclf.slides.extract_patches` cuts them with ``max_offset=0``: whole
    pixels at `mpp`, the cell within half a pixel of the middle. The classes are those of
    ``predict_proba``, with the window where the localizer lays it: in the middle of a patch where
    it sees one cell there. The position that is given is not imposed on it. A class of patches
    without a cell (``has_cell_``) is a label like the others: leave its rows out before cells are
    counted, as `scan` does.

    Examples
    --------
    >>> from stnclf import CiresanBaseline
    >>> from stnclf.datasets import make_cells, make_slide
    >>> from stnclf.scan import classify_cells
    >>> from stnclf.slides import Slide
    >>> X, y, _ = make_cells(24, patch_size=64, offset=8, random_state=0)
    >>> clf = CiresanBaseline(epochs=1, mpp=0.25, random_state=0).fit(X, y)
    >>> image, truth, mpp = make_slide((256, 384), n_mitoses=3, random_state=0)
    >>> truth["image"] = ["array"] * len(truth["x"])
    >>> cells = classify_cells(clf, Slide(image, mpp=mpp), truth)
    >>> cells.columns[:5].tolist()
    ['image', 'x', 'y', 'label', 'probability']
    """
    pandas = import_pandas()
    check_estimator(estimator)
    check_on_error(on_error)
    if is_table(table) and not hasattr(table, "iloc"):  # of another library
        table = {name: column_of(table, name) for name in table.columns}
    frame = pandas.DataFrame(table)
    check_cells(frame, "table", labelled=False)
    with opened(slide) as slide:
        if frame["image"].nunique() > 1:
            frame = frame[rows_named(frame["image"], name_of(slide), "table")]
        slides = {frame["image"].iloc[0]: slide}
        return classify_table(
            estimator, slides, frame, mpp=mpp, on_error=on_error, out=out, resume=resume,
            verbose=verbose,
        )  # fmt: skip


def classify_table(estimator, slides, table, *, mpp, on_error, out, resume, verbose):
    """Classify the cells of several slides.

    Parameters
    ----------
    estimator, mpp, on_error, out, resume, verbose
        As `classify_cells` takes them.
    slides : dict of str to Slide
        The slide of each name in the column ``image``.
    table : DataFrame
        Cells, all of these slides.

    Returns
    -------
    DataFrame
    """
    out = check_out(out, resume)
    mpp = estimator.mpp if mpp is None else check_positive("mpp", mpp, "micrometres per pixel")
    names, points, _, _, rows, from_bounds = check_cells(table, "table", labelled=False)
    parts, scales = [], {}
    for name, slide in slides.items():
        (here,) = np.nonzero(names == name)
        with slide:
            scales[name] = plane_scale(slide, mpp)
            points[here] = on_level_0(points[here], from_bounds[here], slide.path)
            _check_inside(points[here], slide, [rows[i] for i in here])
        x, y = (points[here] // _SQUARE).T
        here = here[np.lexsort((here, x, y))]
        parts += [(name, here[i : i + _CHUNK]) for i in range(0, len(here), _CHUNK)]
    header = None
    if out is not None:
        digest = hashlib.sha256(repr(names.tolist()).encode() + points.tobytes())
        # What is copied into the result.
        rest = table.drop(columns=["x", "y"]).to_csv(index=False)
        digest.update(rest.encode("utf-8", "backslashreplace"))
        header = run_identity(
            "classify_cells",
            __version__,
            model={"sha256": model_digest(estimator)},
            slides={name: describe_source(slide._opener.source) for name, slide in slides.items()},
            cells={"sha256": digest.hexdigest()},
            mpp=mpp,
            scales=scales,
            chunk=_CHUNK,
        )
    n_columns = len(estimator.classes_) + isinstance(estimator, Ensemble)
    proba = np.full((len(points), n_columns), np.nan)
    with Progress(out, header, resume) as progress:
        if progress.complete:
            proba = numbers_of(out, first=5, n_columns=n_columns)
            return _filled(table, proba, estimator.classes_)
        done = sum(len(cells) for cells in progress.cells.values())
        with tqdm(total=len(points), initial=done, unit="cell", disable=not verbose) as bar:
            for number, (name, here) in enumerate(parts):
                if number in progress.cells:
                    continue
                X, missing = _cut(
                    estimator, slides[name], points[here], mpp, scales[name], on_error
                )
                found = class_columns(estimator, X).round(DIGITS)
                found[missing] = np.nan
                if missing.any():  # to be tried again when the run is resumed
                    progress.cells[number] = found
                else:
                    progress.add(number, found, lambda: bar.update(len(here)))  # noqa: B023
        for number, found in progress.in_order():
            proba[parts[number][1]] = found
        result = _filled(table, proba, estimator.classes_)
        progress.finish(csv_of(result))
    return result


def _check_inside(points, slide, rows):
    outside = ((points < -0.5) | (points > np.array(slide.size) - 0.5)).any(axis=1)
    if outside.any():
        first = int(outside.argmax())
        x, y = points[first].tolist()
        width, height = slide.size
        raise argument_error(
            "table",
            f"x, y = {x:.10g}, {y:.10g} lies outside {name_of(slide)!r} of {width} x {height} px "
            f"(width x height); {outside.sum()} of {len(points)} cells do.",
            where=f"row {rows[first]}",
        )


def _cut(estimator, slide, points, mpp, scale, on_error):
    """Cut images around cells, of which only the patch is filled, for no method sees more."""
    frame = estimator._fitted_frame()
    (height, width), origin = frame.patch, np.array(frame.origin)
    X = np.zeros((len(points), *estimator.image_shape_), dtype=np.uint8)
    on_grid = (points + 0.5) / scale - 0.5
    corners = np.floor(on_grid - (np.array(frame.image[::-1]) - 1) / 2 + 0.5) + origin
    missing = np.zeros(len(points), dtype=bool)
    rows, columns = slice(origin[1], origin[1] + height), slice(origin[0], origin[0] + width)
    for i, (left, top) in enumerate((corners * scale).tolist()):
        try:
            X[i, rows, columns] = slide.read_region(left, top, width, height, mpp)
        except SlideReadError as error:
            if on_error == "stop" or not error.regions:
                raise
            missing[i] = True
    return X, missing


def _filled(table, columns, classes):
    """Put classes and what `class_columns` has of them into a table of cells."""
    proba, more = np.split(columns, [len(classes)], axis=1)
    known = np.isfinite(proba).all(axis=1)
    best = np.where(known, np.nan_to_num(proba).argmax(axis=1), 0)
    names = classes.tolist()
    others: dict[Any, Any] = {}
    earlier = _columns_of_a_run(table, names)
    for name in table.columns:
        if name == "label":
            if "annotated" not in table and table[name].notna().any():
                others["annotated"] = table[name]
        elif name not in earlier:
            others[name] = table[name]
    result = table[["image", "x", "y"]].copy()
    labels = [names[k] if k_known else None for k, k_known in zip(best, known)]
    # Whole numbers stay so beside a cell without a class.
    is_mixed = classes.dtype.kind in "iu" and not known.all()
    result["label"] = np.array(labels, dtype=object) if is_mixed else labels
    result["probability"] = proba[np.arange(len(proba)), best]
    for name, column in zip(names, proba.T):
        result[probability_column(name)] = column
    if more.size:
        result["disagreement"] = more[:, 0]
    for name, column in others.items():
        result[name] = column
    return result


def _columns_of_a_run(table, classes):
    """Name the columns that a run fills, or that an earlier one of other classes has filled."""
    labels = [*classes]
    for name in {"label", "annotated"} & {*table.columns}:
        labels += table[name].dropna().unique().tolist()
    return {"image", "x", "y", "probability", "disagreement", *map(probability_column, labels)}
