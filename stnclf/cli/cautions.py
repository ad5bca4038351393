"""What a reader of scores should know before believing them."""

from __future__ import annotations

import shlex

import numpy as np

from .._utils.names import as_text, base_name
from .._utils.printable import counted, listed
from .._utils.run import read_sidecar
from .._utils.values import is_missing
from ..annotations._slide_facts import stem_of
from .outputs import target
from .tables import first_few

__all__ = [
    "all_in_the_middle",
    "caution_about_background",
    "caution_about_balance",
    "caution_about_choice",
    "caution_about_classes",
    "caution_about_doubles",
    "caution_about_ignored",
    "caution_about_unclassed",
    "cautions_about_balance",
    "cautions_about_few_cells",
    "cautions_about_model",
    "cautions_about_scores",
    "is_ignored",
    "slide_names",
]

#: Share of the patches that an epoch shows below which a rare class costs too much.
_FEW = 0.25

#: Fewer cells than these decide no threshold that would be much the same on other slides.
_ENOUGH = 10


def all_in_the_middle(patches):
    """Say whether all cells of a patch set lie in the middle, or nobody knows where they are."""
    if patches.centers is None:
        return True
    middle = (np.array(patches.X.shape[2:0:-1]) - 1) / 2
    off = np.abs(patches.centers - middle)
    return not (off > 1).any()  # NaN is a patch without a cell


def cautions_about_model(model, patches):
    """Warn of a model that was trained on the patches that it is scored on.

    Parameters
    ----------
    model : Path
        The model file; what it was made of stands beside it, if `stnclf train` made it.
    patches : dict
        What `stnclf._utils.identity.describe_file` says of the patches.

    Returns
    -------
    list of str
    """
    made_of = read_sidecar(target(model)) or {}
    if made_of.get("patches") != patches:
        return []
    return [f"{model.name} was trained on these patches: its scores say nothing about other cells"]


def slide_names(groups):
    """Name slides as `stnclf scan` does, without folder and ending.

    Parameters
    ----------
    groups : iterable of str or None
        The slide of each patch, if it is known.

    Returns
    -------
    list of str
    """
    return sorted({stem_of(base_name(str(name))) for name in (() if groups is None else groups)})


def caution_about_choice(model, images):
    """Warn of thresholds that are chosen on the slides that a model was trained on.

    Parameters
    ----------
    model : Path
        The model file; what it was made of stands beside it, if `stnclf train` made it.
    images : iterable of str
        The slides that choose.

    Returns
    -------
    str or None
    """
    made_of = read_sidecar(target(model)) or {}
    both = sorted({*made_of.get("slides", ())} & {*slide_names(images)})
    if not both:
        return None
    names = first_few([repr(name) for name in both])
    return (
        f"{model.name} was trained on {names}: it is surer there "
        "than on others, for which these thresholds may be too high; choose on slides kept back"
    )


def cautions_about_few_cells(curves, thresholds):
    """Warn of thresholds that a few true cells decide, and of classes that get none.

    Parameters
    ----------
    curves : dict of label to dict
        What `stnclf.metrics.detection_curve` returned.
    thresholds : dict of label to float
        Those that are chosen.

    Returns
    -------
    list of str
    """
    cautions = []
    for label, curve in curves.items():
        n = int(curve["n_truth"])
        if label not in thresholds:
            if n:
                cells = "the only true cell" if n == 1 else f"each of the {n} true cells"
                cautions.append(
                    f"{cells} of {str(label)!r} is missed: no threshold is chosen for it"
                )
            continue
        n_kept = int((curve["threshold"] >= thresholds[label]).sum())
        hits = int(curve["true_positives"][n_kept - 1])
        if hits < _ENOUGH:
            cells, decide = counted(n, "true cell"), "decides" if n == 1 else "decide"
            cautions.append(
                f"{cells} of {str(label)!r}, of which {hits} found, {decide} its threshold: on "
                f"other slides another one may be better; choose with {_ENOUGH} or more found"
            )
    return cautions


def caution_about_background(patches, distance, window):
    """Warn of background that only a few slides have, such as those with few annotations.

    Parameters
    ----------
    patches : PatchSet
        The patches.
    distance : float
        Least distance of the background from a cell in pixels of the patches.
    window : float
        Side of a cell's window, in the same.

    Returns
    -------
    str or None
    """
    empty = ~patches.has_cell
    n, n_slides = int(empty.sum()), len(set(patches.groups))
    names = sorted(set(patches.groups[empty].tolist()))
    if n < n_slides or 2 * len(names) >= n_slides:
        return None
    return (
        f"all {n} patches of background are from {len(names)} of {n_slides} slides, "
        f"{first_few([repr(name) for name in names])}; the others have no place at {distance:.3g} "
        "px or more from every annotated cell: are all cells of these few annotated? A smaller "
        f"--background-distance, {window / 2:.4g} px or more, takes from all"
    )


def cautions_about_balance(y, estimators):
    """Warn of a rare class to whose size training deletes most of the others.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes of the patches.
    estimators : iterable of estimator
        What is trained; what has no parameter ``balance`` sees all patches.

    Returns
    -------
    list of str
    """
    found = [caution_about_balance(y, getattr(each, "balance", False)) for each in estimators]
    return [text for text in dict.fromkeys(found) if text is not None]


def caution_about_balance(y, balance):
    """Warn of a rare class as `cautions_about_balance` does, by a parameter ``balance``.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes of the patches.
    balance : bool or "fixed"
        The parameter of the estimator.

    Returns
    -------
    str or None
    """
    classes, counts = np.unique(y, return_counts=True)
    shown = len(classes) * int(counts.min())
    if not balance or shown >= _FEW * len(y):
        return None
    rarest = str(classes[counts.argmin()])
    when = "training" if balance == "fixed" else "an epoch"
    return (
        f"{when} shows {shown} of {len(y)} patches, {counts.min()} of each class, for {rarest!r} "
        "has no more; --set balance=False --set class_weight=balanced shows all"
    )


def caution_about_doubles(table):
    """Warn of cells that are listed more than once.

    Parameters
    ----------
    table : DataFrame
        The annotations that are cut.

    Returns
    -------
    str or None
    """
    labels = {}
    for image, x, y, label in zip(*(table[name] for name in ("image", "x", "y", "label"))):
        labels.setdefault((image, x, y), []).append(label)
    n = len(table) - len(labels)
    if not n:
        return None
    others = sum(len({*map(str, found)}) - 1 for found in labels.values())
    text = f"{n} of {len(table)} rows {'has' if n == 1 else 'have'} image, x and y of another"
    text = f"{text}, {others} with another class" if others else text
    return f"{text}; a cell that is listed twice is cut twice: take such rows out"


def caution_about_ignored(labels):
    """Warn of classes that QuPath ignores, whose names end with a star: they are no cells.

    Parameters
    ----------
    labels : iterable of labels
        The classes that count.

    Returns
    -------
    str or None
        With the options that leave them out.
    """
    names = sorted({str(label) for label in labels if not is_missing(label)})
    ignored = [name for name in names if is_ignored(name)]
    if not ignored:
        return None
    others = [f"--label {shlex.quote(name)}" for name in names if not is_ignored(name)]
    text = f"{first_few([repr(name) for name in ignored])} would count as cells, though QuPath "
    text = f"{text}ignores classes whose names end with *"
    leaves = "leaves it out" if len(ignored) == 1 else "leaves them out"
    return f"{text}; {' '.join(others)} {leaves}" if others else text


def is_ignored(label):
    """Whether QuPath ignores a class, for its name ends with a star: ``Ignore*``, ``Region*``."""
    return label.endswith("*")


def caution_about_classes(there, here):
    """Warn of predictions and truth without a class in common.

    Parameters
    ----------
    there, here : (str, iterable of labels)
        What the message calls them, in the plural, and their labels.

    Returns
    -------
    str or None
        None where one of them has no label at all, too.
    """
    names = [sorted({as_text(label) for label in labels}) for _, labels in (there, here)]
    if not all(names) or {*names[0]} & {*names[1]}:
        return None
    first, second = (listed(found)[1:-1] for found in names)
    return (
        f"{there[0]} are {first}, and {here[0]} {second}: none is in both, so that nothing can be "
        "right"
    )


def caution_about_unclassed(truth, n):
    """Warn of true cells whose class nobody knows, where a detection is neither right nor wrong.

    Parameters
    ----------
    truth : path-like
        The file of the true cells.
    n : int
        How many of its cells on the slides that are scored have no class.

    Returns
    -------
    str or None
    """
    if not n:
        return None
    if n == 1:
        return (
            f"1 cell of {truth} has no class: it need not be found, and what is found on it counts "
            "neither way"
        )
    return (
        f"{n} cells of {truth} have no class: they need not be found, and what is found on them "
        "counts neither way"
    )


def cautions_about_scores(results):
    """Warn of localizers that are no better than the guess "in the middle" every time.

    Parameters
    ----------
    results : dict of str to dict
        Scores of each method, see `stnclf.report.evaluate`.

    Returns
    -------
    list of str
    """
    cautions = []
    for name, scores in results.items():
        found, guess = scores.get("localization"), scores.get("center_guess")
        if found and guess and guess["median"] > 0 and found["median"] >= guess["median"]:
            cautions.append(
                f"{name} finds cells no better than the guess that all are in the middle (median "
                f"error {found['median']:.1f} px, of the guess {guess['median']:.1f} px): trained "
                "too little?"
            )
    return cautions
