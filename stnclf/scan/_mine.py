"""False detections on slides whose cells are annotated, for the next training to learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from .._base import BaseCellClassifier
from .._utils.errors import argument_error
from .._utils.names import base_name, rows_named, same_but_for_place
from .._utils.optional import import_pandas
from .._utils.printable import listed
from .._utils.typing import PathLike, Table
from .._utils.values import check_positive
from ..ensemble import Ensemble
from ..slides import Slide
from ..slides._cell_table import check_cells, on_level_0
from ..slides._slide import name_of
from ..slides._tissue import known_mpp
from ._many import as_list, scan_slides
from ._scan import check_estimator, plane_scale

__all__ = ["hard_negatives"]


def hard_negatives(
    estimator: BaseCellClassifier | Ensemble,
    slides: Sequence[Slide | PathLike],
    annotations: Table,
    *,
    n: int = 200,
    radius_um: float | None = None,
    label: Any = "background",
    out: PathLike | None = None,
    resume: bool = False,
    n_jobs: int = 1,
    tile_jobs: int = 1,
    verbose: int = 0,
    **how: Any,
) -> Table:
    """Find the most certain false detections on slides that have served for training.

    Trained again with patches of these places, as patches without a cell, a network makes fewer
    of its worst mistakes [1]_.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted on RGB images, uint8 or from 0 to 1.
    slides : sequence of Slide, str or path-like
        Slides of which all cells are annotated. What is not counts as a false detection.
    annotations : DataFrame or mapping of columns
        All annotated cells of these slides: ``image``, ``x`` and ``y``; with or without a class.
    n : int, default=200
        How many at most, of all slides together.
    radius_um : float, default=None
        A detection is false if it is farther than this many micrometres from every annotated
        cell, of whatever class. None is half of the cell window's shorter side.
    label : label, default="background"
        What they are called in the result.
    out : str or path-like, default=None
        A folder that exists, for the table of each slide, see `scan_slides`.
    resume : bool, default=False
        Go on with what is in `out`.
    n_jobs : int, default=1
        Slides at a time; -1 is as many as there are processors or workers.
    tile_jobs : int, default=1
        Threads for each slide.
    verbose : int, default=0
        Above 0 shows a progress bar.
    **how
        What else `scan` takes, `labels` and `min_probability` for example.

    Returns
    -------
    negatives : pandas.DataFrame
        ``image``, as `annotations` call it, ``x``, ``y``, ``label``, ``probability``, and
        ``found``, the class for which it was taken; the most certain ones first. It may be given
        to `stnclf.slides.extract_patches` as `negatives`.

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
        If an argument is not as described, a file is no slide, two slides have one name,
        `annotations` has a slide under another name, ``a.svs`` and ``a.tif``, or `radius_um` is
        given and the resolution of a slide is not known.

    Warns
    -----
    UserWarning
        If slides have no annotated cell; names them.

    References
    ----------
    .. [1] D. C. Ciresan, A. Giusti, L. M. Gambardella, J. Schmidhuber, "Mitosis Detection in
       Breast Cancer Histology Images with Deep Neural Networks", MICCAI 2013.

    Examples
    --------
    >>> negatives = hard_negatives(clf, ["slides/a.svs"], cells, n=100)  # doctest: +SKIP
    >>> X, y, centers, groups = extract_patches(
    ...     cells, "slides", size=64, mpp=0.25, negatives=negatives
    ... )                                                               # doctest: +SKIP
    """
    check_estimator(estimator)
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise argument_error("n", f"got {n!r}, wants a number of places of at least 1.")
    if radius_um is not None:
        radius_um = check_positive("radius_um", radius_um, "micrometres")
    groups, points, _, _, _, from_bounds = check_cells(annotations, "annotations", labelled=False)
    slides = [slide if isinstance(slide, Slide) else Slide(slide) for slide in as_list(slides)]
    _check_slides(slides, radius_um)
    rows = _rows_of_each(slides, groups)
    tables = scan_slides(
        estimator, slides, out=out, resume=resume, n_jobs=n_jobs, tile_jobs=tile_jobs,
        verbose=verbose, **how,
    )  # fmt: skip
    mpp = how.get("mpp")
    mpp = estimator.mpp if mpp is None else mpp
    parts = []
    for slide, table, here in zip(slides, tables, rows):
        with slide:
            if radius_um is None:
                radius = min(estimator.cell_size_) / 2 * plane_scale(slide, mpp)
            else:
                radius = radius_um / slide.mpp
            cells = on_level_0(points[here], from_bounds[here], slide.path)
        false = np.ones(len(table), dtype=bool)
        if len(cells) and len(table):
            false = cKDTree(cells).query(table[["x", "y"]].to_numpy())[0] > radius
        known = groups[here][0] if here.any() else name_of(slide)
        parts.append(table[false].assign(image=str(known)))
    found = import_pandas().concat(parts, ignore_index=True)
    found = found.sort_values(
        ["probability", "image", "y", "x"], ascending=[False, True, True, True], kind="stable"
    )
    found = found.head(n).reset_index(drop=True)
    result = found[["image", "x", "y"]].assign(label=label, probability=found["probability"])
    return result.assign(found=found["label"])


def _check_slides(slides, radius_um):
    """Refuse no slide, two of one name, and a radius that means nothing on one of them."""
    if not slides:
        raise argument_error("slides", "got none, wants one or more.")
    named: dict[str, Slide] = {}
    for slide in slides:
        name = name_of(slide)
        if name in named:
            raise argument_error(
                "slides",
                f"{named[name]!r} and {slide!r} are both named {name!r}; wants each slide once.",
            )
        named[name] = slide
        with slide:
            if radius_um is not None and known_mpp(slide) is None:
                raise argument_error(
                    "radius_um",
                    f"got {radius_um:g} um, and {slide!r} has no resolution; leave it out.",
                )


def _rows_of_each(slides, groups):
    """Mark the annotated cells of each slide; warn of slides that have none."""
    names = [name_of(slide) for slide in slides]
    known = {name: base_name(name) for name in sorted({*groups.tolist()})}
    bare = [name for name in dict.fromkeys(names) if name not in known.values()]
    other = same_but_for_place([name for name in known if known[name] not in names], bare)
    if other is not None:
        raise argument_error(
            "annotations",
            f"got the image {other[0]!r}, and slides has {other[1]!r}; wants the same name.",
        )
    if bare:
        warnings.warn(
            f"annotations: no annotated cell is on {listed(bare)}; every detection there counts as "
            "false.",
            UserWarning,
            stacklevel=3,
        )
    none = np.zeros(len(groups), dtype=bool)
    return [none if n in bare else rows_named(groups.tolist(), n, "annotations") for n in names]
