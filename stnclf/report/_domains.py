"""Scores by domain: scanner, laboratory, kind of tumour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import f1_score

from .._utils.typing import Scores
from ._tables import _check_results, _number, layout

__all__ = ["domain_rows", "domain_table", "scores_by_domain"]


def scores_by_domain(
    true: NDArray[Any], pred: NDArray[Any], domains: ArrayLike
) -> dict[str, Scores]:
    """Score each domain by itself.

    Parameters
    ----------
    true, pred : ndarray of shape (n_samples,)
        Annotated and predicted classes.
    domains : array-like of shape (n_samples,)
        Names, or numbers.

    Returns
    -------
    dict of str to dict
        By domain, sorted: ``n``; ``balanced_accuracy``, over the classes that are annotated
        there; ``macro_f1``, over those that are annotated or predicted there.

    Raises
    ------
    ValueError
        If there is not one domain for each sample.
    """
    names = np.asarray(domains)
    if names.shape != true.shape:
        raise ValueError(f"domains must have shape {true.shape}, got {names.shape}.")
    found = {}
    for name in np.unique(names).tolist():
        here = names == name
        right = true[here] == pred[here]
        recalls = [right[true[here] == label].mean() for label in np.unique(true[here])]
        macro = f1_score(true[here], pred[here], average="macro", zero_division=0)
        found[str(name)] = {
            "n": int(here.sum()),
            "balanced_accuracy": float(np.mean(recalls)),
            "macro_f1": float(macro),
        }
    return found


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
        The last row of each method is that of all domains together.

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
    header, rows = ["approach", "domain", "cells", "balanced acc.", "macro F1"], []
    for name, scores in results.items():
        # Scores that were stored by an earlier version have no such entry.
        domains = scores.get("domains")
        lines = [*domains.items(), ("all", scores)] if domains else []
        for i, (domain, line) in enumerate(lines):
            measures = [_number(line[key], 3) for key in ("balanced_accuracy", "macro_f1")]
            rows.append([name if i == 0 else "", domain, str(line["n"]), *measures])
    return header, rows
