"""``evaluate --detect``: train on some slides, scan the others, score the cells that are found.

Each fold keeps its model and tables in a folder beside the result, so that a run that was killed
goes on where it was.
"""

from __future__ import annotations

import os
from contextlib import closing

import click
import numpy as np
from sklearn.base import clone

from .._utils.names import as_text
from .._utils.printable import counted
from .._utils.values import is_missing
from ..annotations import resolve_image
from ..metrics import detection_curve
from ..metrics._detection_curve import best_thresholds
from ..persistence import load, save
from ..report._detections import detection_intervals, score_slides
from ..scan import scan_slides
from ..slides import Slide
from ..slides._slide import name_of
from ..slides._tissue import metric_mpp
from .cautions import caution_about_classes, caution_about_unclassed, cautions_about_few_cells
from .messages import say
from .tables import by_base_name, first_few, is_one_of, read_table

__all__ = [
    "detection_folds",
    "evaluate_detection",
    "pooled_scores",
    "run_detection",
    "shown_slide",
    "slides_and_cells",
]

#: Detections are kept from here on: thresholds are chosen above it.
_LEAST = 0.05


def detection_folds(groups, n_folds, seed):
    """Split slides into those that train, that choose the threshold, and that are scored.

    Parameters
    ----------
    groups : ndarray of shape (n,)
        Slide of each patch.
    n_folds : int
        Number of folds.
    seed : int
        What decides.

    Returns
    -------
    list of (list of str, list of str, list of str)
        Names of the slides; each is scored once. A quarter of those that are not scored, one at
        least, chooses the thresholds.

    Raises
    ------
    click.BadParameter
        If there are fewer slides than folds, or fewer than three.
    """
    names = np.unique(groups)
    if len(names) < max(3, n_folds):
        raise click.BadParameter(
            f"got {n_folds}, but the patches are of {counted(len(names), 'slide')}; --detect wants "
            "as many slides as folds, and three: to train, to choose the threshold, to score.",
            param_hint="'--folds'",
        )
    shuffled = np.random.default_rng(seed).permutation(names).tolist()
    folds = []
    for fold in range(n_folds):
        scored = shuffled[fold::n_folds]
        others = [name for name in shuffled if name not in scored]
        n_chosen = max(1, len(others) // 4)
        # Not the same slides in each fold.
        first = fold * n_chosen % len(others)
        others = others[first:] + others[:first]
        folds.append((others[n_chosen:], others[:n_chosen], scored))
    return folds


def run_detection(estimator, found, folds, folder, opened, cells, radius_um, *, n_jobs, jobs):
    """Train and scan fold by fold, but for what is done.

    Parameters
    ----------
    estimator : estimator
        Untrained.
    found : PatchSet
        The patches.
    folds : list
        Of `detection_folds`.
    folder : Path
        Where models and tables of the folds lie.
    opened : dict of str to Slide
        The slides by name.
    cells : DataFrame
        All annotated cells, in micrometres; ``image`` is the slide's base name.
    radius_um : float
        Radius of a match.
    n_jobs, jobs : int
        Slides at a time on a cluster, and tiles at a time.

    Returns
    -------
    list of (dict, DataFrame, dict)
        Of each fold the thresholds by label, all detections on the slides that are scored, in
        micrometres, with a column ``kept``, and by label what is to be said of its threshold.
    """
    results = []
    for number, (training, choosing, scored) in enumerate(folds):
        place = folder / f"{number}"
        place.mkdir(exist_ok=True)
        model = _trained(estimator, found, np.isin(found.groups, training), place / "m.safetensors")
        mpp = model.mpp if model.mpp is not None else found.facts.get("mpp")
        tables = place / "tables"
        tables.mkdir(exist_ok=True)
        names = [*choosing, *scored]
        each = scan_slides(
            model,
            [opened[name] for name in names],
            out=tables,
            resume=True,
            n_jobs=n_jobs,
            tile_jobs=jobs,
            mpp=mpp,
            min_probability=_LEAST,
        )
        for name, table in zip(names, each):
            for axis in "xy":
                table[axis] = table[axis] * opened[name].mpp
            table["label"] = [as_text(label) for label in table["label"]]
        everything = dict(zip(names, each))
        base = [name_of(opened[name]) for name in choosing]
        there = cells[cells["image"].isin(base)], _joined([everything[n] for n in choosing])
        curves = detection_curve(*there, radius_px=radius_um)
        thresholds = best_thresholds(curves)
        few = {
            label: text
            for label in sorted({*curves} & {*_names_of(found.y).values()})
            for text in cautions_about_few_cells({label: curves[label]}, thresholds)
        }
        table = _joined([everything[name] for name in scored])
        least = np.array([thresholds.get(label, 0.5) for label in table["label"]])
        results.append((thresholds, table.assign(kept=table["probability"] >= least), few))
        shown = ", ".join(f"{label} {value:.3f}" for label, value in thresholds.items())
        n_found = counted(len(table), "detection")
        say(f"fold {number + 1} of {len(folds)}: {n_found}; thresholds {shown or 'none'}")
    return results


def _trained(estimator, found, rows, path):
    """Train on some patches, going on where an earlier run was."""
    if path.exists():
        return load(path)
    checkpoint = path.with_suffix(".checkpoint")
    model = clone(estimator).set_params(checkpoint=os.fspath(checkpoint))
    model.fit(found.X[rows], found.y[rows], **found.known_of(rows, model))
    model.set_params(checkpoint=None)
    save(model, path)
    checkpoint.unlink(missing_ok=True)
    return model


def _names_of(y):
    """Map how classes may be written in annotations to their names in tables."""
    return {str(label): as_text(label) for label in np.unique(y).tolist()}


def _joined(tables):
    from .._utils.optional import import_pandas

    filled = [table for table in tables if len(table)] or tables[:1]
    return import_pandas().concat(filled, ignore_index=True)


def pooled_scores(results, cells, labels, radius_um):
    """Score the kept detections of all folds, see `stnclf.report._detections.score_slides`.

    Parameters
    ----------
    results : list
        Of `run_detection`.
    cells : DataFrame
        The annotated cells, in micrometres.
    labels : list of labels
        Classes to score.
    radius_um : float
        Radius of a match.

    Returns
    -------
    dict
        The average precision is that of all detections, kept or not.
    """
    table = _joined([found for _, found, _ in results])
    how = {"radius_px": radius_um, "labels": labels}
    scores = score_slides(cells, table[table["kept"]], **how)
    every = score_slides(cells, table, **how)
    for block, whole in [
        (scores["pooled"], every["pooled"]),
        *((scores["slides"][name], every["slides"][name]) for name in scores["slides"]),
    ]:
        for label in labels:
            block[label]["average_precision"] = whole[label]["average_precision"]
    return {**scores, "intervals": detection_intervals(scores)}


def slides_and_cells(found, slides, annotations, slide_mpp, **reading):
    """Open the slides of a patch set and read their cells, in micrometres."""
    names = np.unique(found.groups).tolist()
    opened = {name: Slide(resolve_image(slides, name), slide_mpp) for name in names}
    how = {"mpp": slide_mpp, "slides": slides, "only": is_one_of(names)}
    cells = read_table(annotations, **how, **reading)[0]
    cells = by_base_name(cells)
    scale = {}
    for slide in opened.values():
        with closing(slide):
            scale[name_of(slide)] = slide.mpp
    cells = cells[cells["image"].isin(scale)]
    known = cells["label"].notna()
    caution = caution_about_unclassed(annotations, int((~known).sum()))
    if not known.any():
        raise ValueError(f"{annotations}: has no cell on the slides of the patches.")
    if caution is not None:
        say(f"caution: {caution}")
    without = [repr(name) for name in sorted({*scale} - {*cells["image"][known]})]
    if without:
        names = first_few(without)
        say(f"no cell of {annotations} is on {names}: all that is found there counts as false")
    factor = cells["image"].map(scale)
    return opened, cells.assign(x=cells["x"] * factor, y=cells["y"] * factor)


def evaluate_detection(estimators, found, folds, where, *, folder, radius_um, jobs, cluster):
    """Train, scan and score every method.

    Parameters
    ----------
    estimators : dict of str to estimator
        Untrained, by title.
    found : PatchSet
        The patches.
    folds : list
        Of `detection_folds`.
    where : tuple
        Of `slides_and_cells`.
    folder : Path
        What is done lies there.
    radius_um : float
        Radius of a match.
    jobs : int
        Tiles at a time.
    cluster : bool
        Whether slides are shared out.

    Returns
    -------
    scores : dict of str to dict
        By title, as `stnclf.report._detections.score_slides` gives them, their ``intervals``,
        the ``unit`` of the radius, the ``thresholds`` of each fold, and ``cautions`` about them.
    slides : dict of str to dict
        What `stnclf.report.write_report` shows of each slide, and of each method if there are
        several.
    """
    opened, cells = where
    names = _names_of(found.y)
    named = [k if is_missing(k) else names.get(k, as_text(k)) for k in cells["label"]]
    cells = cells.assign(label=named)
    labels = sorted({*cells["label"].dropna()} & {*names.values()})
    if not labels:
        there = ("the classes of the patches", names)
        raise ValueError(
            caution_about_classes(there, ("those of --annotations", cells["label"].dropna()))
        )
    scored, shown = {}, {}
    # A resolution of 1 that no file has is any unit.
    unit = "px" if all(metric_mpp(slide) is None for slide in opened.values()) else "um"
    for number, (title, estimator) in enumerate(estimators.items()):
        place = folder / f"{number}"
        place.mkdir(exist_ok=True)
        n_jobs = -1 if cluster else 1
        results = run_detection(
            estimator, found, folds, place, opened, cells, radius_um, n_jobs=n_jobs, jobs=jobs
        )
        chosen = [{str(k): v for k, v in thresholds.items()} for thresholds, *_ in results]
        scores = pooled_scores(results, cells, labels, radius_um)
        scored[title] = {**scores, "radius_um": radius_um, "unit": unit, "thresholds": chosen}
        before = f"{title}: " if len(estimators) > 1 else ""
        few = _of_folds([few for *_, few in results])
        scored[title]["cautions"] = [f"{before}{text}" for text in few]
        for (thresholds, table, _), (*_, names) in zip(results, folds):
            for name in names:
                how = {"labels": labels, "thresholds": thresholds, "radius_um": radius_um}
                shown[f"{before}{name}"] = shown_slide(opened[name], table, cells, **how)
    return scored, shown


def _of_folds(cautions):
    """Say once of each class what is to be said of its thresholds, and of which folds."""
    said = []
    for label in sorted({label for few in cautions for label in few}):
        first, *others = [k for k, few in enumerate(cautions) if label in few]
        text = f"fold {first + 1} of {len(cautions)}: {cautions[first][label]}"
        more = ", ".join(str(k + 1) for k in others)
        folds = "nor has fold" if len(others) == 1 else "nor have folds"
        said.append(f"{text}; {folds} {more} enough" if others else text)
    return said


def shown_slide(slide, detections, cells, *, labels, thresholds, radius_um):
    """Return what a report shows of a slide.

    Parameters
    ----------
    slide : Slide
        The slide.
    detections, cells : DataFrame
        Of several slides, in micrometres.
    labels : list of labels
        Classes that are scored. Cells of no known class are shown, too: what is found on them
        counts neither way.
    thresholds : dict of label to float
        Chosen ones.
    radius_um : float
        Radius of a match.

    Returns
    -------
    dict
        As `stnclf.report.write_report` takes it, in pixels of level 0.
    """
    parts = {"slide": slide, "thresholds": thresholds, "radius_px": radius_um / slide.mpp}
    cells = cells[cells["label"].isin(labels) | cells["label"].isna()]
    for part, rows in (("detections", detections), ("truth", cells)):
        here = rows[rows["image"] == name_of(slide)]
        parts[part] = here.assign(x=here["x"] / slide.mpp, y=here["y"] / slide.mpp)
    return parts
