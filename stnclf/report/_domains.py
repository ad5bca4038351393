"""Scores by slide, and by domain: scanner, laboratory, kind of tumour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._utils.labels import as_labels
from .._utils.typing import RandomState, Scores
from ._intervals import MEASURES, Pairs, measures
from ._tables import _check_results, layout, with_interval

__all__ = ["domain_rows", "domain_table", "group_rows", "scores_by_part"]


def scores_by_part(
    true: NDArray[Any],
    pred: NDArray[Any],
    labels: NDArray[Any],
    groups: ArrayLike | None,
    domains: ArrayLike | None,
    *,
    n_bootstrap: int,
    random_state: RandomState,
) -> Scores:
    """Score each group and each domain by itself.

    Parameters
    ----------
    true, pred : ndarray of shape (n_samples,)
        Annotated and predicted classes.
    labels : ndarray of shape (n_classes,)
        All classes.
    groups, domains : array-like of shape (n_samples,), or None
        Names, or numbers.
    n_bootstrap : int
        Resamples of each confidence interval.
    random_state : int, RandomState instance or None
        What decides them.

    Returns
    -------
    dict
        ``groups`` and ``domains``, by name, sorted: ``n``; ``accuracy``; ``balanced_accuracy``,
        over the classes that are annotated there; ``macro_f1``, over those that are annotated or
        predicted there; ``intervals`` of these three. A domain has ``n_groups``, too.
        ``intervals`` of all samples. What is not known is None.

    Raises
    ------
    ValueError
        If there is not one group and one domain for each sample, or one is missing.
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    pairs = Pairs(true, pred, labels, n_bootstrap, seed)
    slides = None if groups is None else _names(groups, "groups", true)
    kinds = None if domains is None else _names(domains, "domains", true)
    found: Scores = {"intervals": None, "groups": None, "domains": None}
    if slides is not None:
        found["intervals"] = pairs.over_groups(np.ones(len(true), dtype=bool), slides)
        found["groups"] = {}
        for name in np.unique(slides).tolist():
            here = slides == name
            found["groups"][str(name)] = {
                **_scores(pairs, here),
                "intervals": pairs.over_cells(here),
            }
    if kinds is not None:
        found["domains"] = {}
        for name in np.unique(kinds).tolist():
            here = kinds == name
            one = {**_scores(pairs, here), "n_groups": None, "intervals": None}
            if slides is not None:
                one["n_groups"] = len(np.unique(slides[here]))
                one["intervals"] = pairs.over_groups(here, slides)
            found["domains"][str(name)] = one
    return found


def _names(values: ArrayLike, name: str, true: NDArray[Any]) -> NDArray[Any]:
    names = as_labels(values, name)
    if names.shape != true.shape:
        raise ValueError(f"{name} must have shape {true.shape}, got {names.shape}.")
    return names


def _scores(pairs: Pairs, here: NDArray[np.bool_]) -> Scores:
    values = measures(pairs.count(here)[np.newaxis])[:, 0]
    return {"n": int(here.sum()), **dict(zip(MEASURES, values.tolist()))}


def domain_table(results: Mapping[str, Scores], *, fmt: str = "text") -> str:
    """One row for each domain of each method: cells, balanced accuracy, macro F1.

    Parameters
    ----------
    results : dict
        Name of the method -> what `evaluate` returned for it, given `domains`.
    fmt : {"text", "markdown"}, default="text"
        Aligned plain text, or a Markdown table.

    Returns
    -------
    table : str
        The last row of each method is that of all domains together. Brackets hold the 95 %
        confidence interval, where `evaluate` was given `groups`.

    Raises
    ------
    TypeError
        If `results` is no dict.
    ValueError
        If `results` is empty or holds something else, no method has domains, or if `fmt` is
        unknown.

    Examples
    --------
    >>> from stnclf.report import domain_table, evaluate
    >>> scores = evaluate(list("aabb"), list("aaba"), domains=["Leica", "Leica", "Roche", "Roche"])
    >>> print(domain_table({"CNN": scores}))
    approach  domain  cells  balanced acc.  macro F1
    --------  ------  -----  -------------  --------
    CNN       Leica       2          1.000     1.000
              Roche       2          0.500     0.333
              all         4          0.750     0.733
    """
    header, rows = domain_rows(results)
    if not rows:
        raise ValueError("results must hold scores by domain, evaluate(..., domains=...).")
    return layout(header, rows, n_text=2, fmt=fmt)


def domain_rows(results: Mapping[str, Scores]) -> tuple[list[str], list[list[str]]]:
    """Format the header and the rows of `domain_table`, in strings."""
    _check_results(results)
    # Scores that were stored by an earlier version have no such entries.
    known = {name: scores for name, scores in results.items() if scores.get("domains")}
    with_slides = any(s.get("groups") for s in known.values())
    header = ["approach", "domain", *(["slides"] if with_slides else []), "cells"]
    header += ["balanced acc.", "macro F1"]
    rows = []
    for name, scores in known.items():
        whole = {**scores, "n_groups": len(scores.get("groups") or ())}
        parts = scores["domains"]
        for i, (domain, line) in enumerate([*parts.items(), (_all_of(parts), whole)]):
            n_slides = [str(line.get("n_groups") or "-")] if with_slides else []
            found = [_with_interval(line, key) for key in MEASURES[1:]]
            rows.append([name if i == 0 else "", domain, *n_slides, str(line["n"]), *found])
    return header, rows


def group_rows(results: Mapping[str, Scores]) -> tuple[list[str], list[list[str]]]:
    """Format a header and a row for each slide of each method, all together first, in strings."""
    _check_results(results)
    header = ["approach", "slide", "cells", "accuracy", "balanced acc.", "macro F1"]
    rows = []
    for name, scores in results.items():
        groups = scores.get("groups")
        lines = [(_all_of(groups), scores), *groups.items()] if groups else []
        for i, (slide, line) in enumerate(lines):
            found = [_with_interval(line, key) for key in MEASURES]
            rows.append([name if i == 0 else "", slide, str(line["n"]), *found])
    return header, rows


def _all_of(parts: Mapping[str, Any]) -> str:
    """Name of the row of all parts together, which is none of theirs."""
    return "all" if "all" not in parts else "all together"


def _with_interval(line: Scores, key: str) -> str:
    return with_interval(line[key], (line.get("intervals") or {}).get(key))
