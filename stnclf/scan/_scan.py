"""Find and classify the cells of one slide."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from joblib import cpu_count
from sklearn.utils.validation import check_is_fitted

from .._base import BaseCellClassifier
from .._utils.checks import check_device
from .._utils.errors import argument_error, check_utf8
from .._utils.identity import describe_source, run_identity
from .._utils.neutral import neutral
from .._utils.optional import import_pandas
from .._utils.pixel_unit import units_of
from .._utils.printable import counted
from .._utils.progress import Progress
from .._utils.run import check_out
from .._utils.thresholds import least_probabilities
from .._utils.typing import PathLike, Pixels, Table
from .._utils.values import check_positive
from .._version import __version__
from ..ensemble import Ensemble, members_of
from ..networks import CiresanNet, SharedNet
from ..slides import Slide
from ..slides._read_errors import BrokenTiles, read_around
from ..slides._skipped import check_on_error, read_skipped, write_skipped
from ..slides._slide import name_of, opened
from ..slides._tissue import find_slide_tissue, known_mpp, metric_mpp
from ._ensemble_finder import ScanNet, finder_for_ensemble
from ._finders import PatchFinder, WindowFinder
from ._heatmap_finder import HeatFinder, SharedFinder
from ._map_finder import MapFinder
from ._plane import Plane, csv_of, probable, run, table_of, table_of_run, without_duplicates

__all__ = ["check_estimator", "identity", "model_digest", "plane_scale", "scan"]

#: What was fitted but is not what cells look like: thresholds count among the settings.
_NOT_OF_THE_MODEL = ("net_", "history_", "detection_thresholds_")


@neutral()
def scan(
    estimator: BaseCellClassifier | Ensemble,
    slide: Slide | PathLike | Pixels,
    *,
    labels: Sequence[Any] | None = None,
    mpp: float | None = None,
    tissue: bool | str = "auto",
    min_probability: float | Mapping[Any, float] | None = None,
    nms_radius_um: float | None = None,
    tta: bool | str = "undecided",
    stride: int | None = None,
    tile_size: int = 1024,
    on_error: str = "stop",
    n_jobs: int = 1,
    out: PathLike | None = None,
    resume: bool = False,
    verbose: int = 0,
) -> Table:
    """Find and classify the cells of a whole slide.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted on RGB images, uint8 or from 0 to 1; of another unit is an error. The members of an
        ensemble must be of one kind.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        Where to look; what `stnclf.slides.Slide` opens.
    labels : sequence of labels, default=None
        The classes that are reported; None is all that had a cell in training (the estimator's
        `has_cell_`). A cell of another class is passed over.
    mpp : float, default=None
        Micrometres per pixel of the images that the estimator was trained on. None is the
        estimator's own parameter `mpp`. Both may be None only if the resolution of the slide is
        not known either; the pixels of level 0 are then taken as they are.
    tissue : bool or "auto", default="auto"
        Look only where there is tissue (`stnclf.slides.Slide.tissue_mask`). "auto" does so where
        the resolution of the slide is known, but for a plain image whose file does not say it: on
        a photograph the mask would take cells for glass.
        ``detections.attrs["left_out"]`` says how much was not looked at: ``share`` of the slide,
        and ``mm2``, None where the resolution is not known.
    min_probability : float or mapping of label to float, default=None
        Cells are reported whose label has at least this probability; of a mapping, that of their
        label, or 0.5 where it has none. None is the estimator's ``detection_thresholds_``, as
        `stnclf.metrics.choose_thresholds` and ``stnclf score --choose`` find them, or 0.5.
        Where the localizer has learned what is no cell (the estimator's `objectness_`), that is
        the probability of a cell times that of the class, and those of all classes sum to less
        than one.
    nms_radius_um : float, default=None
        Of two cells that are no further apart than this, whatever their classes, the one with the
        lower probability is taken for a duplicate. None is a quarter of the cell window's shorter
        side.
    tta : bool or "undecided", default="undecided"
        Average over the eight symmetries of the patch around a cell, where the estimator does so
        too (its own `tta`): of all cells, which takes several times as long; of none; or of those
        to which a first look gives a probability from 0.3 to 0.9. See Notes.
    stride : int, default=None
        Pixels, at the resolution of training, from one patch to the next, for estimators that
        look at patches one by one; see Notes.
    tile_size : int, default=1024
        Side of the square that each job works on at a time, in pixels as the network sees them.
        It takes memory, but the result depends on it only by rounding.
    on_error : {"stop", "skip"}, default="stop"
        What to do where the slide cannot be read, in several attempts. "stop" raises, keeps what
        is done, and `resume` goes on. "skip" leaves out the cells whose probabilities depend on
        what cannot be read; ``detections.attrs["skipped"]`` and, with `out`,
        ``out + ".skipped.csv"`` list where nothing was looked for (image, x, y, width, height in
        pixels of level 0).
    n_jobs : int, default=1
        Tiles that are worked on at the same time, in threads; -1 is one for each processor. The
        result does not depend on it.
    out : str or path-like, default=None
        File for the table, as CSV. It appears when it is complete, with ``out + ".json"``, which
        says what it was made of; until then ``out + ".progress"`` and ``out + ".lock"`` lie
        beside it.
    resume : bool, default=False
        Go on with an unfinished `out`, if there is one, instead of beginning anew. The result
        is that of an uninterrupted run. A finished one is read, not made again. Of another
        model, slide or settings, both are refused.
    verbose : int, default=0
        Above 0 shows a progress bar.

    Returns
    -------
    detections : pandas.DataFrame
        ``image``, the name of the file; ``x`` and ``y``; ``label``; ``probability`` of the
        label; and for each class of the estimator its probability, in a column named
        ``probability_`` and the label; of an ensemble also ``disagreement``, the standard
        deviation of the probability of the label over the members. The most probable ones
        come first.

    Raises
    ------
    FileNotFoundError
        If there is no such slide, or no folder for `out`.
    stnclf.slides.SlideReadError
        If a part of the slide cannot be read; names it. It is an OSError.
    OSError
        If `out` or its progress cannot be written, on a full disk for example, or another
        process writes it. The error names the file, what stood in `out` is as it was, and
        `resume` goes on.
    ImportError
        If pandas is missing, or OpenSlide for a slide that wants it.
    TypeError, ValueError
        If an argument is not as described, the slide cannot be read, or `resume` finds another
        run. Nothing new is left in the folder of `out` then.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    How cells are looked for depends on the estimator:

    - ``STNCellClassifier(localizer="heatmap")``: the localizer runs over whole tiles, once. The
      peaks of its map are classified, each by the patch around it.
    - ``localizer="dense"``: patches at a stride of ``patch_size - cell_size``, so that every
      cell lies well inside one of them, or at a smaller one. Of each, the cell that the
      localizer chooses. Of several cells in a patch that is one.
    - `stnclf.CiresanBaseline` likewise, with the position that its ``transform`` returns. With
      `stride`, 8 or 16 for example, it makes a map of class probabilities as in [1]_ instead:
      the cells are the peaks of the map's mean over a disc, and these means are their
      probabilities. Strides that are multiples of 8 pixels of the network's view cost little more
      than one pass over each tile, since neighbouring patches share what they have in common.
    - An estimator whose `cell_size` is its `patch_size` has no localizer; it makes a map too and
      needs `stride`.

    Where the classifier reads the localizer's own maps (``classifier="shared"``, the default with
    the heatmap), those of the tile serve all cells in it: one pass. At the edges of a cell's patch
    they know what lies beyond, so that probabilities differ a little from those of
    ``predict_proba``.

    With ``tta=True``, each patch is classified by itself. A single crop comes first; only cells to
    which it gives at least a tenth of `min_probability` are classified in all symmetries. With
    "undecided" the first look is the one pass, and what it leaves undecided is classified in
    patches: little where cells are sparse; where tissue is full of cells of several classes,
    ``tta=False`` is several times as fast.

    The members of an `stnclf.Ensemble` see the same tiles. Their heatmaps (the logits), or maps of
    class probabilities, are averaged before cells are looked for, so that a cell is one for all;
    in patches, the position is that of `Ensemble.transform`. The probabilities are the means over
    the members.

    Tiles are read one at a time in each job, and only what was found is kept.

    References
    ----------
    .. [1] D. C. Ciresan, A. Giusti, L. M. Gambardella, J. Schmidhuber, "Mitosis Detection in
       Breast Cancer Histology Images with Deep Neural Networks", MICCAI 2013.

    Examples
    --------
    >>> from stnclf import STNCellClassifier
    >>> from stnclf.datasets import make_cells, make_slide
    >>> from stnclf.scan import scan
    >>> from stnclf.slides import Slide
    >>> X, y, centers = make_cells(24, patch_size=64, offset=8, random_state=0)
    >>> clf = STNCellClassifier(
    ...     classifier_epochs=1, localizer_epochs=1, joint_epochs=1, random_state=0
    ... ).fit(X, y, centers=centers)
    >>> image, truth, mpp = make_slide((256, 384), n_mitoses=3, random_state=0)
    >>> cells = scan(clf, Slide(image, mpp=mpp), mpp=0.25, min_probability=0)
    >>> cells.columns[:5].tolist()
    ['image', 'x', 'y', 'label', 'probability']
    """
    import_pandas()
    check_estimator(estimator)
    reported = _check_labels(labels, estimator)
    if nms_radius_um is not None:
        nms_radius_um = check_positive("nms_radius_um", nms_radius_um, "micrometres")
    if isinstance(tta, (bool, np.bool_)):
        tta = bool(tta)
    elif not isinstance(tta, str) or tta != "undecided":
        raise argument_error("tta", f"got {tta!r}, wants True, False or 'undecided'.")
    n_jobs = _check_jobs(n_jobs)
    least = least_probabilities(estimator, min_probability)
    for name, value in (("tile_size", tile_size), ("stride", stride)):
        is_whole = isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
        if not is_whole and (name != "stride" or value is not None):
            raise argument_error(name, f"got {value!r}, wants a whole number of pixels.")
    check_on_error(on_error)
    out = check_out(out, resume)
    finder = _make_finder(estimator, reported, float(least[reported].min()), stride, tta)
    mpp = estimator.mpp if mpp is None else mpp

    with opened(slide) as slide:
        if out is not None:
            check_utf8("slide", name_of(slide))
        scale = plane_scale(slide, mpp)
        radius = _radius(slide, scale, nms_radius_um, min(estimator.cell_size_) / 4)
        slide = slide._remembering(BrokenTiles())
        around = read_around if on_error == "skip" else None
        mask = find_slide_tissue(slide, tissue, around)
        plane = Plane(slide, mpp, scale, mask)
        tiles = plane.tiles(finder, tile_size)
        header = None
        if out is not None:
            settings = {"min_probability": min_probability, "nms_radius_um": nms_radius_um}
            settings |= {
                "tta": tta,
                "tissue": tissue,
                "stride": stride,
                "tile_size": tile_size,
                "mpp": mpp,
            }
            header = identity(estimator, labels=labels, **settings)
            header["slide"] = {name_of(slide): describe_source(slide._opener.source)}
            header = run_identity(**header, scale=scale)
        with Progress(out, header, resume) as progress:
            left_out = mask.left_out(slide.size, metric_mpp(slide))
            if progress.complete:
                table = table_of_run(out, estimator.classes_)
                table.attrs |= {"left_out": left_out, "skipped": read_skipped(out)}
                return table
            skipped = run(plane, finder, tiles, progress, n_jobs, verbose, on_error)
            # An array without rows comes back without columns.
            parts = [cells for _, cells in progress.in_order() if len(cells)]
            n_columns = 3 + finder.per_class * len(estimator.classes_)
            cells = np.concatenate([np.empty((0, n_columns)), *parts])
            cells = without_duplicates(probable(cells, least), radius)
            table = table_of(cells, slide, estimator.classes_)
            table.attrs["left_out"] = left_out
            _say_skipped(table, [(name_of(slide), *box) for box in skipped], out)
            progress.finish(csv_of(table))
    return table


def _say_skipped(table, skipped, out):
    """Say what was not looked at: in a warning, in the table and beside the file."""
    table.attrs["skipped"] = skipped
    write_skipped(out, skipped)
    if skipped:
        first = "{!r} at x, y, width, height = {}, {}, {}, {}".format(*skipped[0])
        more = f" and {counted(len(skipped) - 1, 'more region')}" if len(skipped) > 1 else ""
        warnings.warn(f"{first}{more} cannot be read and was skipped.", UserWarning, stacklevel=3)


def _make_finder(estimator, reported, min_probability, stride, tta):
    """Choose the way to look for cells; the networks go to the estimator's device."""
    device = check_device(estimator.device)
    module, ensemble = estimator._module(), isinstance(estimator, Ensemble)
    if ensemble:
        module = ScanNet(module.members, estimator.patch_size_, estimator.cell_size_)
    first = module.members[0] if ensemble else module
    made = finder_for_ensemble if ensemble else lambda kind: kind
    if device != "cpu":
        module = copy.deepcopy(module).to(device)
    module.eval()
    what = (module, estimator, reported, min_probability)
    patch, cell = estimator.patch_size_[::-1], estimator.cell_size_[::-1]
    is_baseline = isinstance(first, CiresanNet)
    if not is_baseline and module.localizer.has_heatmap:
        if stride is not None:
            raise argument_error(
                "stride", f"got {stride}; the heatmap localizer looks at whole tiles."
            )
        one_pass = type(first) is SharedNet and tta is not True
        return _symmetric(made(SharedFinder if one_pass else HeatFinder)(*what), tta)
    strides = tuple(np.subtract(patch, cell)) if stride is None else (stride, stride)
    if not 0 < min(strides) <= max(strides) <= min(patch):
        raise argument_error(
            "stride",
            f"got {stride}, wants 1 to {min(patch)} px, the size of the patch; it must be "
            f"given where the window is as large, {cell[1]} x {cell[0]} px.",
        )
    if patch == cell or (is_baseline and stride is not None):
        return made(MapFinder)(*what, strides)
    kind = made(PatchFinder if is_baseline else WindowFinder)
    return _symmetric(kind(*what, strides), tta)


def _symmetric(finder, tta):
    """Switch the symmetries of a finder on where its network has them."""
    finder.tta = tta if getattr(finder.module, "tta", False) else False
    return finder


def _radius(slide, scale, radius_um, quarter):
    """Radius of duplicates in level-0 pixels; None is `quarter`, in pixels of training."""
    if radius_um is None:
        return quarter * scale
    try:
        return radius_um / slide.mpp
    except ValueError:
        raise argument_error(
            "nms_radius_um",
            f"got {radius_um:g} um, and {slide!r} has no resolution; leave it out.",
        ) from None


def plane_scale(slide, mpp):
    """Level-0 pixels for one pixel of training, of `mpp` micrometres."""
    known = known_mpp(slide)
    if known is None and mpp is None:
        return 1.0
    if mpp is None:
        raise argument_error(
            "mpp",
            f"{slide!r} has {known:g} um per pixel; wants those of the images that the "
            "estimator was trained on, here or as the estimator's own parameter.",
        )
    return slide.scale(mpp)


def identity(estimator, *, labels, **settings):
    """Say what the tables of all slides of a run depend on.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    labels, **settings
        What `scan` takes.

    Returns
    -------
    dict
        Plain values.
    """
    least = least_probabilities(estimator, settings["min_probability"])
    same = (least == least[0]).all()
    settings["min_probability"] = float(least[0]) if same else least.tolist()
    if labels is not None:
        labels = estimator.classes_[_check_labels(labels, estimator)].tolist()
    model = {"sha256": model_digest(estimator)}
    return run_identity("scan", __version__, model=model, labels=labels, **settings)


def model_digest(estimator):
    """Hash what an estimator's probabilities depend on."""
    digest = hashlib.sha256()
    if isinstance(estimator, Ensemble):
        digest.update(type(estimator).__name__.encode())
    for member in members_of(estimator):
        _add_to(digest, member)
    return digest.hexdigest()


def _add_to(digest, estimator):
    """Add all that a fitted estimator predicts with to a digest."""
    digest.update(type(estimator).__name__.encode())
    for name, tensor in estimator.net_.module_.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    # Sizes, classes, units: all that was fitted but the networks and their history.
    for name, value in sorted(vars(estimator).items()):
        if name.endswith("_") and name not in _NOT_OF_THE_MODEL:
            value = value.tolist() if isinstance(value, np.ndarray) else value
            digest.update(json.dumps([name, value], default=str).encode())
    module = estimator._module()
    digest.update(repr(getattr(module, "tta", False)).encode())
    if getattr(module, "n_glimpses", 1) != 1:  # runs of before do not know of it
        digest.update(repr(module.n_glimpses).encode())


def check_estimator(estimator):
    """Refuse what is no fitted estimator of this package, or of other images than slides have."""
    if not isinstance(estimator, (BaseCellClassifier, Ensemble)):
        raise argument_error(
            "estimator",
            f"got {type(estimator).__name__}, wants a fitted STNCellClassifier, CiresanBaseline or "
            "Ensemble.",
            TypeError,
        )
    check_is_fitted(estimator)
    if estimator.image_shape_[2] != 3:
        raise argument_error(
            "estimator",
            f"was trained on images of {counted(estimator.image_shape_[2], 'channel')}, slides "
            "have 3.",
        )
    for unit in units_of(estimator):
        try:
            known = unit is None or unit.divisor("uint8") == 255.0
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"estimator: was fitted on {unit}; slides have pixels of uint8.")


def _check_labels(labels, estimator):
    """Check `labels`; return the indices of the classes that count."""
    names = estimator.classes_.tolist()
    if labels is None:
        return np.flatnonzero(estimator._has_cell)
    wanted = [] if isinstance(labels, str) or not np.iterable(labels) else list(labels)
    if not wanted or any(label not in names for label in wanted):
        raise argument_error(
            "labels", f"got {labels!r}, wants a sequence of one or more of {names}."
        )
    return np.unique([names.index(label) for label in wanted])


def _check_jobs(n_jobs):
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise argument_error("n_jobs", f"got {n_jobs!r}, wants a number of threads, or -1 for all.")
    return int(n_jobs) if n_jobs > 0 else max(1, cpu_count() + 1 + int(n_jobs))
