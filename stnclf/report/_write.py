"""`write_report` and `plot_examples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from .._utils.files import write_atomically
from .._utils.typing import Images, PathLike, RandomState, Scores, Size
from ._data import choose_patches, patch_data
from ._evaluation import central_size, check_count
from ._examples_figure import check_examples, draw_examples
from ._html import render
from ._inputs import (
    check_detection,
    check_histories,
    check_origin,
    check_patches,
    check_predictions,
    check_slides,
)
from ._slides import slide_data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_examples", "write_report"]


def plot_examples(
    X: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    proba: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    corners: ArrayLike | None = None,
    centers: ArrayLike | None = None,
    patch_size: Size | int | None = None,
    n_correct: int = 5,
    n_false: int = 5,
    n_columns: int = 5,
    title: str | None = None,
    random_state: RandomState = None,
) -> Figure:
    """Draw examples of correct and false predictions, with the window that was looked at.

    Examples are drawn at random, as many of each annotated class as can be had.

    Parameters
    ----------
    X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width)
        Images, uint8 or float from 0 to 1.
    y_true, y_pred : array-like of shape (n_samples,)
        Annotated and predicted classes, none missing.
    proba : array-like of shape (n_samples, n_classes), or table, default=None
        Class probabilities, drawn as bars under each patch; at most the six largest. Columns with
        names are taken by them, as `evaluate` does.
    classes : array-like of shape (n_classes,), default=None
        Class of each column of `proba`; needed with it.
    corners : array-like of shape (n_samples, 4, 2), default=None
        Corners of the chosen windows, ``(x, y)`` in pixels of the image, in drawing order.
    centers : array-like of shape (n_samples, 2), default=None
        Annotated centres, ``(x, y)`` in pixels of the image, drawn as a small cross; NaN where
        there is no cell.
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
    for name, count in (("n_correct", n_correct), ("n_false", n_false)):
        check_count(name, count, 0)
    check_count("n_columns", n_columns, 1)
    examples = check_examples(X, y_true, y_pred, proba, classes, corners, centers, patch_size)
    counts = n_correct, n_false
    figure, _ = draw_examples(
        *examples, counts=counts, n_columns=n_columns, title=title, random_state=random_state
    )
    return figure


def write_report(
    path: PathLike,
    results: Mapping[str, Scores] | None = None,
    *,
    predictions: Mapping[str, Mapping[str, ArrayLike | None]] | None = None,
    y_true: ArrayLike | None = None,
    X: Images | None = None,
    centers: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    mpp: float | None = None,
    groups: ArrayLike | None = None,
    domains: ArrayLike | None = None,
    patch_size: Size | int | None = None,
    histories: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    slides: Mapping[str, Mapping[str, Any]] | None = None,
    detection: Mapping[str, Scores] | None = None,
    title: str = "Evaluation of cell classifiers",
    notes: Mapping[str, Any] | None = None,
    max_patches: int = 5000,
    random_state: RandomState = 0,
) -> Path:
    """Write an evaluation as one HTML page that needs no network.

    The page has, as far as they are given: a summary, the scores by class (table 1 of the paper),
    by domain and by slide, confusion matrices, ROC and precision-recall curves with a threshold
    to move, reliability of the probabilities, localisation errors, training curves, a gallery of
    patches that filters by class, correctness and confidence, and slides with what was found on
    them. It opens from the file system, and works with the keyboard, on small screens, in light
    and dark.

    Parameters
    ----------
    path : str or path-like
        The file. One that is there is replaced when the new one is complete.
    results : dict, default=None
        Name of the method -> what `evaluate` returned for it. None computes it from
        `predictions` and `y_true`.
    predictions : dict, default=None
        Name of the method -> dict of its test vectors, in the order of `y_true`: ``y_pred``
        (n_samples,); ``proba`` (n_samples, n_classes), columns in the order of `labels` or with
        their names, which makes ``y_pred`` unnecessary; ``theta`` (n_samples, 2, 3), what
        ``localize`` gave; ``centers`` (n_samples, 2), what ``transform`` gave, for a method without
        theta. All but one of ``y_pred`` and ``proba`` may be missing or None.
    y_true : array-like of shape (n_samples,), default=None
        Annotated classes; wanted with `predictions`.
    X : ndarray of shape (n_samples, height, width, 3), (..., 1) or (n_samples, height, width), \
or sequence of n_samples paths or PIL images, default=None
        The images, uint8 or float from 0 to 1, for the gallery; it needs `predictions`.
    centers : array-like of shape (n_samples, 2), default=None
        Annotated centres, ``(x, y)`` in pixels of the image.
    labels : array-like of shape (n_classes,), default=None
        Classes in the order of the tables and of the columns of ``proba``; None sorts those that
        occur.
    names : sequence of n_samples str, default=None
        Where each image is from, for the large picture of the gallery: the slide, the position
        on it, the number of the case.
    mpp : float, default=None
        Micrometres per pixel of the images: the large picture has a scale bar.
    groups : array-like of shape (n_samples,), default=None
        The slide, or the patient, of each sample: the gallery filters by it, and scores by slide
        have confidence intervals, see `evaluate`.
    domains : array-like of shape (n_samples,), default=None
        Where each sample comes from, for scores by domain.
    patch_size : (int, int) or int, default=None
        ``(height, width)`` of the central part of the images that the methods saw; None is the
        whole image.
    histories : dict, default=None
        Name of the method -> ``history_`` of its fitted estimator.
    slides : dict, default=None
        Name of the slide -> dict of ``slide``, what `stnclf.slides.Slide` opens, and as far as
        they are known: ``detections`` as `stnclf.scan.scan` gives them; ``fields`` as
        `stnclf.scan.hotspots` gives them; ``truth``, all annotated cells of the slide, as
        `stnclf.annotations.read_annotations` gives them, for which detections are right or
        false, cells missed, and what lies on a cell without a class neither; ``radius_px``, the
        largest distance of a detection from its cell in pixels of level 0, 7.5 um by default;
        ``thresholds``, by class, with which the page opens.
    detection : dict, default=None
        Name of the method -> scores of its detections, as ``stnclf evaluate --detect`` writes
        them.
    title : str, default="Evaluation of cell classifiers"
        Heading of the page.
    notes : dict, default=None
        Names and words that stand below the heading: data, commit, seeds.
    max_patches : int, default=5000
        Patches in the gallery. Where there are more samples, up to half of the places go to those
        that a method got wrong, and the rest is drawn at random.
    random_state : int, RandomState instance or None, default=0
        Decides that draw.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    ImportError
        If a slide wants OpenSlide and it is not installed.
    OSError
        If the file cannot be written, or there is no such slide.
    TypeError, ValueError
        If an argument is not as described, or if there is nothing to report. Nothing is written
        then.

    Notes
    -----
    Pictures are compressed, and made smaller where there are many, so that a page with 5000
    patches stays below 15 MB. Scores never depend on the gallery.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from stnclf.report import write_report
    >>> proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "report.html")
    ...     written = write_report(path, predictions={"STN": {"proba": proba}}, y_true=list("abb"))
    ...     print(written.name, written.read_text(encoding="utf-8")[:15])
    report.html <!doctype html>
    """
    check_count("max_patches", max_patches, 1)
    if notes is not None and not isinstance(notes, Mapping):
        raise TypeError(f"notes must be a dict of names and words, got {notes!r:.80}.")
    given = check_predictions(predictions, y_true, labels, centers, groups, domains)
    size = None
    if X is not None:
        if given is None:
            raise ValueError("predictions must be given with X.")
        names, mpp = check_origin(names, mpp, len(given.true))
        X, image_size = check_patches(X, len(given.true))
        size = central_size(patch_size, image_size)
        given.locate(image_size, size)
    elif given is not None:
        given.locate(None, None)
    if X is None and not (names is None and mpp is None):
        raise ValueError("X must be given with names and mpp: they are about its images.")
    histories, slides = check_histories(histories), check_slides(slides)
    detection = check_detection(detection)
    if results is None and given is not None:
        results = given.evaluate()
    if not results and not slides and not detection:
        raise ValueError(
            "write_report wants results, predictions, slides or detection; it got none of them."
        )
    data = {"patches": None, "slides": slide_data(slides) if slides else []}
    data["curves"] = None if given is None else given.curves()
    if size is not None:
        rng = check_random_state(random_state)
        chosen = choose_patches(given.is_wrong(), max_patches, rng)
        about = {"names": None if names is None else [names[i] for i in chosen], "mpp": mpp}
        data["patches"] = {**patch_data(X, chosen, size), **given.as_data(chosen), **about}
    errors = {} if given is None else given.errors()
    page = render(str(title), notes, results or {}, detection, errors, histories, data)
    # File names may hold halves of characters.
    write_atomically(path, page.encode(errors="replace"))
    return Path(path)
