"""Tables and a figure of an evaluation.

`evaluate` turns the test vectors of one method into numbers, `classification_table` and
`summary_table` print the numbers of several methods side by side, and `plot_examples` shows
patches with the window that the localizer chose. The figure needs matplotlib, which the extra
``stnclf[plot]`` installs; it is drawn on a canvas of its own and leaves pyplot alone.
"""

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ._examples_figure import draw_examples
from .metrics import error_summary, localization_error, localization_summary

__all__ = ["classification_table", "evaluate", "plot_examples", "summary_table"]


def evaluate(
    y_true,
    y_pred,
    *,
    labels=None,
    centers_true=None,
    centers_pred=None,
    image_size=None,
    radius=8.0,
    fit_seconds=None,
    predict_seconds=None,
):
    """Scores of one method from its test vectors.

    For a cross-validation, concatenate the vectors of all folds first.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Annotated and predicted classes.
    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the table; None sorts those that occur.
    centers_true, centers_pred : array-like of shape (n_samples, 2), default=None
        Annotated and predicted cell centres, ``(x, y)`` in pixels. Leave `centers_pred` out for
        a method that does not localise.
    image_size : (int, int) or int, default=None
        ``(height, width)`` of the images in pixels, for the centre guess.
    radius : float, default=8.0
        Radius in pixels within which a cell counts as found.
    fit_seconds, predict_seconds : float, default=None
        Time that the method took, over all folds.

    Returns
    -------
    scores : dict
        Plain numbers, ready for JSON: ``n``, ``accuracy``, ``balanced_accuracy``, ``macro_f1``;
        ``classes`` (by class ``precision``, ``recall``, ``f1``, ``support``); ``average``, the
        same weighted by support; ``labels`` and ``confusion`` (rows annotated, columns
        predicted); ``localization`` and ``center_guess`` (`stnclf.metrics.error_summary`, and
        one more by class under ``classes``), ``fit_seconds`` and ``predict_seconds``, each None
        where unknown.

    Raises
    ------
    ValueError
        If the arguments are empty, differ in length or hold a class that `labels` lacks, or if
        `centers_pred` comes without `centers_true`.

    Examples
    --------
    >>> from stnclf.report import evaluate
    >>> scores = evaluate(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    >>> round(scores["macro_f1"], 3), scores["confusion"]
    (0.733, [[2, 1], [0, 1]])
    """
    true, pred = _as_labels(y_true, "y_true"), _as_labels(y_pred, "y_pred")
    _check_length(pred, "y_pred", len(true))
    seen = np.unique(np.concatenate([true, pred]))
    labels = seen if labels is None else _as_labels(labels, "labels")
    unknown = sorted(set(seen.tolist()) - set(labels.tolist()))
    if unknown:
        raise ValueError(f"labels must hold every class that occurs, but lacks {unknown}.")

    columns = {"labels": labels, "zero_division": 0}
    by_class = precision_recall_fscore_support(true, pred, **columns)
    average = precision_recall_fscore_support(true, pred, average="weighted", **columns)
    _, recall, f1, support = by_class
    localization, guess = _localization(
        true, labels, centers_true, centers_pred, image_size, radius
    )
    return {
        "n": len(true),
        "accuracy": float((true == pred).mean()),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "macro_f1": float(f1.mean()),
        "average": _class_scores(*average[:3], len(true)),
        "classes": {str(c): _class_scores(*row) for c, *row in zip(labels.tolist(), *by_class)},
        "labels": [str(c) for c in labels.tolist()],
        "confusion": confusion_matrix(true, pred, labels=labels).tolist(),
        "localization": localization,
        "center_guess": guess,
        "fit_seconds": None if fit_seconds is None else float(fit_seconds),
        "predict_seconds": None if predict_seconds is None else float(predict_seconds),
    }


def classification_table(results, *, fmt="text"):
    """Precision, recall and F1 of every class, for one or more methods.

    Parameters
    ----------
    results : dict
        Name of the method -> what `evaluate` returned for it.
    fmt : {"text", "markdown"}, default="text"
        Aligned plain text, or a Markdown table.

    Returns
    -------
    table : str
        One row for each class of each method, and its average weighted by support.

    Raises
    ------
    ValueError
        If `results` is empty or `fmt` is unknown.

    Examples
    --------
    >>> from stnclf.report import classification_table, evaluate
    >>> y_true, y_pred = ["RBC", "RBC", "RBC", "WBC"], ["RBC", "RBC", "WBC", "WBC"]
    >>> print(classification_table({"CNN": evaluate(y_true, y_pred)}))
    approach  class        precision  recall  f1-score  support
    --------  -----------  ---------  ------  --------  -------
    CNN       RBC              1.000   0.667     0.800        3
              WBC              0.500   1.000     0.667        1
              avg / total      0.875   0.750     0.767        4
    """
    _check_results(results)
    header = ["approach", "class", "precision", "recall", "f1-score", "support"]
    rows = []
    for name, scores in results.items():
        lines = [*scores["classes"].items(), ("avg / total", scores["average"])]
        for i, (label, line) in enumerate(lines):
            measures = [_number(line[key], 3) for key in ("precision", "recall", "f1")]
            rows.append([name if i == 0 else "", label, *measures, str(line["support"])])
    return _layout(header, rows, n_text=2, fmt=fmt)


def summary_table(results, *, fmt="text"):
    """One row for each method: its overall scores, its localisation error, its time.

    Parameters
    ----------
    results : dict
        Name of the method -> what `evaluate` returned for it.
    fmt : {"text", "markdown"}, default="text"
        Aligned plain text, or a Markdown table.

    Returns
    -------
    table : str
        Accuracy, balanced accuracy, macro F1; mean and median distance between the predicted
        and the annotated centre in pixels and the share within the radius; seconds. A dash
        stands where a method gives no answer. The last row is the guess that every cell is in
        the middle of its image.

    Raises
    ------
    ValueError
        If `results` is empty or `fmt` is unknown.

    Examples
    --------
    >>> from stnclf.report import evaluate, summary_table
    >>> scores = evaluate(["a", "b"], ["a", "b"], fit_seconds=2)
    >>> summary_table({"SVC": scores}).splitlines()[-1].split()
    ['SVC', '1.000', '1.000', '1.000', '-', '-', '-', '2.0', '-']
    """
    _check_results(results)
    found = [s[key] for s in results.values() for key in ("localization", "center_guess") if s[key]]
    radius = f"{found[0]['radius']:g}" if found else "8"
    header = ["approach", "accuracy", "balanced acc.", "macro F1"]
    header += ["error mean/px", "median/px", f"within {radius} px", "fit/s", "predict/s"]
    rows = [
        [
            name,
            *(_number(scores[key], 3) for key in ("accuracy", "balanced_accuracy", "macro_f1")),
            *_distance_cells(scores["localization"]),
            *(_number(scores[key], 1) for key in ("fit_seconds", "predict_seconds")),
        ]
        for name, scores in results.items()
    ]
    guess = next((s["center_guess"] for s in results.values() if s["center_guess"]), None)
    if guess:
        rows.append(["centre guess", *"---", *_distance_cells(guess), *"--"])
    return _layout(header, rows, n_text=1, fmt=fmt)


def plot_examples(
    X,
    y_true,
    y_pred,
    proba=None,
    classes=None,
    *,
    corners=None,
    centers=None,
    patch_size=None,
    n_correct=5,
    n_false=5,
    n_columns=5,
    title=None,
    random_state=None,
):
    """Draw examples of correct and false predictions, with the window that was looked at.

    Examples are drawn at random, as many of each annotated class as can be had.

    Parameters
    ----------
    X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width)
        Images, uint8 or float from 0 to 1.
    y_true, y_pred : array-like of shape (n_samples,)
        Annotated and predicted classes.
    proba : array-like of shape (n_samples, n_classes), default=None
        Class probabilities, drawn as bars under each patch; at most the six largest.
    classes : array-like of shape (n_classes,), default=None
        Class of each column of `proba`; needed with it.
    corners : array-like of shape (n_samples, 4, 2), default=None
        Corners of the chosen windows, ``(x, y)`` in pixels of the image, in drawing order.
    centers : array-like of shape (n_samples, 2), default=None
        Annotated centres, ``(x, y)`` in pixels of the image, drawn as a small cross.
    patch_size : (int, int) or int, default=None
        ``(height, width)`` of the central part to show; None shows the whole image.
    n_correct, n_false : int, default=5
        Number of examples of each kind; fewer are drawn where there are fewer.
    n_columns : int, default=5
        Patches beside each other.
    title : str, default=None
        Heading of the figure.
    random_state : int, RandomState instance or None, default=None
        Decides which examples are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Made without pyplot, so it is neither shown nor kept open; use ``figure.savefig``.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If an argument does not fit `X`.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.report import plot_examples
    >>> X = np.zeros((3, 20, 30, 3), dtype=np.uint8)
    >>> figure = plot_examples(X, list("aab"), list("abb"), centers=[[4, 8]] * 3)
    >>> figure.savefig("examples.png")                                  # doctest: +SKIP
    """
    X = np.asarray(X)
    if X.ndim not in (3, 4) or (X.ndim == 4 and X.shape[3] not in (1, 3)):
        raise ValueError(
            "X must have shape (n_samples, height, width), with 1 or 3 channels behind it, "
            f"got {X.shape}."
        )
    if X.dtype != np.uint8 and not np.issubdtype(X.dtype, np.floating):
        raise ValueError(f"X must be uint8 or float, got {X.dtype}.")
    n = len(X)
    true, pred = _as_labels(y_true, "y_true"), _as_labels(y_pred, "y_pred")
    _check_length(true, "y_true", n)
    _check_length(pred, "y_pred", n)
    if proba is not None:
        if classes is None:
            raise ValueError("classes must be given with proba, to name its columns.")
        classes = _as_labels(classes, "classes")
        proba = _check_shape(proba, "proba", (n, len(classes)))
    for name, count in (("n_correct", n_correct), ("n_false", n_false)):
        _check_count(name, count, 0)
    _check_count("n_columns", n_columns, 1)
    return draw_examples(
        X,
        true,
        pred,
        proba,
        classes,
        corners=None if corners is None else _check_shape(corners, "corners", (n, 4, 2)),
        centers=None if centers is None else _check_shape(centers, "centers", (n, 2)),
        patch_size=_central_size(patch_size, X.shape[1:3]),
        counts=(n_correct, n_false),
        n_columns=n_columns,
        title=title,
        random_state=random_state,
    )


def _localization(true, labels, centers_true, centers_pred, image_size, radius):
    """Errors of the method and of the centre guess, overall and by class, or None."""
    if centers_true is None:
        if centers_pred is not None:
            raise ValueError("centers_true must be given with centers_pred.")
        return None, None
    centers_true = _check_shape(centers_true, "centers_true", (len(true), 2))
    localization = guess = None
    if image_size is not None:
        # The true centres stand in for predictions here: only the guess is taken.
        whole = localization_summary(
            centers_true, centers_true, image_size=image_size, radius=radius
        )
        guess = whole["center_guess"]
    if centers_pred is not None:
        errors = localization_error(centers_true, centers_pred)
        localization = error_summary(errors, radius=radius)
        localization["classes"] = {
            str(c): error_summary(errors[true == c], radius=radius) for c in labels.tolist()
        }
    return localization, guess


def _class_scores(precision, recall, f1, support):
    scores = {"precision": float(precision), "recall": float(recall), "f1": float(f1)}
    return {**scores, "support": int(support)}


def _distance_cells(summary):
    if summary is None:
        return ["-", "-", "-"]
    share = "-" if summary["within"] is None else f"{100 * summary['within']:.1f} %"
    return [_number(summary["mean"], 1), _number(summary["median"], 1), share]


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _layout(header, rows, *, n_text, fmt):
    """Align a table: the first `n_text` columns to the left, numbers to the right."""
    if fmt not in ("text", "markdown"):
        raise ValueError(f"fmt must be 'text' or 'markdown', got {fmt!r}.")
    if fmt == "markdown":
        rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]

    def line(cells):
        parts = [
            cell.ljust(width) if i < n_text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))
        ]
        return f"| {' | '.join(parts)} |" if fmt == "markdown" else "  ".join(parts).rstrip()

    rule = ["-" * width for width in widths]
    if fmt == "markdown":
        rule[n_text:] = [dashes[:-1] + ":" for dashes in rule[n_text:]]
    return "\n".join(line(cells) for cells in [header, rule, *rows])


def _as_labels(values, name):
    labels = np.asarray(values)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name} must be 1-D and not empty, got shape {labels.shape}.")
    return labels


def _check_length(values, name, n):
    if len(values) != n:
        raise ValueError(f"{name} must have {n} rows, got {len(values)}.")


def _check_shape(values, name, shape):
    array = np.asarray(values, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity.")
    return array


def _check_count(name, value, least):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _central_size(patch_size, image_size):
    if patch_size is None:
        return image_size
    pair = (patch_size, patch_size) if np.ndim(patch_size) == 0 else tuple(patch_size)
    if len(pair) != 2 or not all(0 < a <= b for a, b in zip(pair, image_size)):
        raise ValueError(f"patch_size must lie within the image, {image_size}, got {patch_size}.")
    return pair


def _check_results(results):
    if not results:
        raise ValueError("results must hold at least one method.")
