"""Cross-validation whose folds survive a crash, and run on whatever joblib runs them.

A fold predicts one array of numbers, so that `stnclf._utils.progress.Progress` keeps it: for
each held-out sample its row, the index of the predicted class, ``(x, y)`` of the cell, the four
corners of the window, seconds to fit and to predict the fold, and the class probabilities. NaN
is what a method does not give. The losses of its training are another array, see `mean_history`.
"""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.validation import has_fit_parameter
from tqdm import tqdm

from .._serialization.training_record import LOSSES
from .._utils.errors import argument_error
from .._utils.images import naming
from .._utils.names import as_text
from .._utils.printable import counted
from ..report import evaluate
from .patch_set import load_patches
from .training_lines import FoldLines

__all__ = [
    "answers",
    "check_classes",
    "make_folds",
    "mean_history",
    "named",
    "run_folds",
    "scores_of",
]

_N_FIXED = 12

#: Stages in the order of training, and columns of a fold's history.
_STAGES = ("classifier", "localizer", "joint")
_COLUMNS = ("epoch", "train_loss", "valid_loss", *LOSSES)


def make_folds(y, groups, n_folds, seed, argument="folds"):
    """Split samples so that classes are balanced and no slide is on both sides.

    Where balanced folds would leave one without a slide, they are balanced by size alone.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    groups : ndarray of shape (n,) or None
        Slides; None splits samples as they are.
    n_folds : int
        Number of folds.
    seed : int
        Decides them.
    argument : str, default="folds"
        What messages call their number.

    Returns
    -------
    list of (train, test)
        Indices.

    Raises
    ------
    ValueError
        If there are fewer slides, or fewer samples of each class, than folds; if there is one class
        alone, or outside a fold; or `y` is not names of classes.
    """
    n_slides = None if groups is None else len(np.unique(groups))
    if n_slides is not None and n_slides < n_folds:
        raise argument_error(
            argument, f"got {n_folds}, but the patches are of {counted(n_slides, 'slide')}."
        )
    most = int(np.unique(y, return_counts=True)[1].max())
    if most < n_folds:
        raise argument_error(
            argument,
            f"got {n_folds}, but no class has more than {counted(most, 'sample')}; wants as many "
            "of one class.",
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    with naming("y", "names of classes"):
        folds = list(splitter.split(np.zeros(len(y)), y, groups))
    if not all(len(test) for _, test in folds):
        folds = list(GroupKFold(n_folds).split(y, y, groups))
    check_classes(y, [train for train, _ in folds], argument)
    return folds


def check_classes(y, parts, argument):
    """Refuse folds without which one class is left to train on.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.
    parts : list of ndarray
        Of each fold the rows that train, indices or mask.
    argument : str
        What messages call the number of folds.

    Raises
    ------
    ValueError
        Naming the fold and the class.
    """
    for number, rows in enumerate(parts, 1):
        classes = np.unique(y[rows]).tolist()
        if len(classes) > 1:
            continue
        if len(np.unique(y)) == 1:
            raise argument_error("y", f"got 1 class, {classes}; wants two or more.")
        raise argument_error(
            argument,
            f"got {len(parts)}, but fold {number} of them leaves one class to train on, "
            f"{classes[0]!r}; wants each class in two folds or more.",
        )


def run_folds(path, methods, folds, classes, progress, *, n_jobs, verbose, lines=False):
    """Train each method on each fold, but for those that are done.

    Parameters
    ----------
    path : path-like
        The patches; every job reads them for itself.
    methods : list of estimator
        Untrained.
    folds : list of (train, test)
        Indices.
    classes : ndarray of shape (n_classes,)
        All classes.
    progress : Progress
        Gets the predictions as number ``method * len(folds) + fold``, and the history of that
        training, if there is one, as ``len(methods) * len(folds)`` more than that.
    n_jobs : int
        Folds at a time.
    verbose : int
        Above 0 shows a progress bar.
    lines : bool, default=False
        Say a line a minute instead.
    """
    n = len(methods) * len(folds)
    waiting = [number for number in range(n) if number not in progress.cells]
    jobs = [
        delayed(_run_fold)(
            path, methods[number // len(folds)], *folds[number % len(folds)], classes
        )
        for number in waiting
    ]
    done = n - len(waiting)
    told = FoldLines(n, done)
    bar = tqdm(total=done + len(jobs), initial=done, unit="fold", disable=not verbose)
    # Closed at once if anything comes in between: processes must not go on training.
    with bar, closing(Parallel(n_jobs=n_jobs, return_as="generator")(jobs)) as found:
        for number, (cells, history) in zip(waiting, found):
            if history is not None:  # before the predictions: a fold that has these is done
                progress.add(n + number, history, lambda: None)
            progress.add(number, cells, bar.update)
            progress.save()
            if lines:
                told.add()


def _run_fold(path, estimator, train, test, classes):
    patches = load_patches(path)
    estimator = clone(estimator)
    known = {}
    if has_fit_parameter(estimator, "centers"):
        known = patches.known_of(train, estimator)
    start = time.perf_counter()
    estimator.fit(patches.X[train], patches.y[train], **known)
    seconds = time.perf_counter() - start
    history = getattr(estimator, "history_", None)
    cells = answers(estimator, patches.X[test], test, classes, seconds)
    return cells, None if history is None else _history_numbers(history)


def _history_numbers(history):
    """Turn ``history_`` into an array (n_epochs, 1 + n_columns): index of the stage, columns."""
    rows = [
        [_STAGES.index(row["stage"]), *(row.get(name, np.nan) for name in _COLUMNS)]
        for row in history
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(_COLUMNS))


def mean_history(parts):
    """Average the losses of several trainings, epoch by epoch.

    Parameters
    ----------
    parts : list of ndarray of shape (n_epochs, 1 + n_columns)
        One training each, as `run_folds` keeps it: index of the stage, epoch, and losses, NaN
        where a stage has no such loss. One that stopped early counts in the epochs it has.

    Returns
    -------
    history : list of dict
        Rows as ``history_`` of an estimator has them, with the mean losses.
    """
    # A training without an epoch is an empty array of any shape.
    rows = np.concatenate([part.reshape(-1, 1 + len(_COLUMNS)) for part in parts])
    history = []
    for stage, epoch in np.unique(rows[:, :2], axis=0).tolist():
        same = rows[(rows[:, 0] == stage) & (rows[:, 1] == epoch), 2:]
        row = {"stage": _STAGES[int(stage)], "epoch": int(epoch)}
        for name, values in zip(_COLUMNS[1:], same.T):
            if not np.isnan(values).any():
                row[name] = float(values.mean())
        history.append(row)
    return history


def answers(estimator, X, rows, classes, fit_seconds=np.nan):
    """Ask a fitted estimator about images.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : ndarray of shape (n, height, width, channels)
        Images.
    rows : ndarray of shape (n,)
        Their numbers.
    classes : ndarray of shape (n_classes,)
        All classes, sorted; those of the estimator among them. Texts are names of these.
    fit_seconds : float, default=nan
        What training took.

    Returns
    -------
    float64 ndarray of shape (n, 12 + n_classes)
        See above.
    """
    cells = np.full((len(X), _N_FIXED + len(classes)), np.nan)
    cells[:, 0] = rows
    start = time.perf_counter()
    if hasattr(estimator, "predict_proba"):
        proba = estimator.predict_proba(X)
        y_pred = estimator.classes_[proba.argmax(axis=1)]
        cells[:, _N_FIXED:] = 0  # for a class that the training part lacked
        cells[:, _N_FIXED + _places(estimator.classes_, classes)] = proba
    else:
        y_pred = estimator.predict(X)
    cells[:, 2:4] = fit_seconds, time.perf_counter() - start
    cells[:, 1] = _places(y_pred, classes)
    if hasattr(estimator, "localize"):
        cells[:, 4:6] = estimator.transform(X)
        cells[:, 6:12] = estimator.localize(X).reshape(len(X), 6)
    return cells


def _places(labels, classes):
    """Find labels among sorted classes."""
    return np.searchsorted(classes, named(labels) if classes.dtype.kind == "U" else labels)


def named(labels):
    """Write labels as tables do; an array of texts stays as it is."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "U":
        return labels
    return np.array([as_text(label) for label in labels.tolist()])


def scores_of(parts, patches, classes, domains=None):
    """Score the predictions of one method on all folds.

    Parameters
    ----------
    parts : list of ndarray of shape (n, 12 + n_classes)
        What `answers` gave for each fold; each sample is in one of them.
    patches : PatchSet
        What is true.
    classes : ndarray of shape (n_classes,)
        All classes.
    domains : ndarray of shape (n,), default=None
        Of the patches.

    Returns
    -------
    scores : dict
        What `stnclf.report.evaluate` gives.
    predictions : dict
        What `stnclf.report.write_report` takes, in the order of the patches.
    """
    fit_seconds, predict_seconds = (sum(part[0, column] for part in parts) for column in (2, 3))
    cells = np.concatenate(parts)
    cells = cells[np.argsort(cells[:, 0], kind="stable")]

    def known(columns):
        return None if np.isnan(columns).any() else columns

    predictions = {"y_pred": classes[cells[:, 1].astype(int)], "proba": known(cells[:, _N_FIXED:])}
    predictions["centers"] = centers = known(cells[:, 4:6])
    predictions["theta"] = None if centers is None else cells[:, 6:12].reshape(-1, 2, 3)
    place = {}
    if patches.centers is not None:
        place = {"centers_true": patches.centers, "centers_pred": centers}
        place["image_size"] = patches.X.shape[1:3]
    scores = evaluate(
        patches.y,
        predictions["y_pred"],
        proba=predictions["proba"],
        labels=classes,
        fit_seconds=None if np.isnan(fit_seconds) else fit_seconds,
        predict_seconds=predict_seconds,
        domains=domains,
        groups=patches.groups,
        **place,
    )
    return scores, predictions
