"""How far people agree on the class of cells, beyond chance."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._utils.containers import as_floats, column_of
from .._utils.errors import argument_error
from .._utils.labels import refuse_lookalikes
from .._utils.names import composed
from .._utils.printable import quoted
from .._utils.typing import Table
from .._utils.values import is_missing

__all__ = ["annotator_agreement", "fleiss_kappa"]


def fleiss_kappa(counts: ArrayLike) -> float:
    """Agreement of several people on the class of cells, beyond chance.

    Parameters
    ----------
    counts : array-like of shape (n_cells, n_classes)
        How many people chose each class for each cell; at least two for each cell.

    Returns
    -------
    kappa : float
        1 where all agree, 0 where they agree as often as chance would have it, NaN where all votes
        are for one class, so that there is nothing to agree on.

    Raises
    ------
    ValueError
        If the counts are not whole numbers of at least 0 in two dimensions, or a cell has fewer
        than two.

    See Also
    --------
    sklearn.metrics.cohen_kappa_score : Agreement of two people, each with habits of their own.

    Notes
    -----
    Fleiss' kappa [1]_, which does not ask who chose what: ``(p - e) / (1 - e)`` with `p` the share
    of pairs of votes that agree, averaged over the cells, and `e` the sum of squares of the
    classes' shares of all votes. If all cells have as many votes, it is Fleiss' own; if not, cells
    count alike in `p`, and votes alike in `e`.

    References
    ----------
    .. [1] J. L. Fleiss, "Measuring Nominal Scale Agreement Among Many Raters", Psychological
       Bulletin 76(5), 1971.

    Examples
    --------
    >>> from stnclf.metrics import fleiss_kappa
    >>> round(fleiss_kappa([[3, 0], [0, 3], [2, 1]]), 3)
    0.55
    """
    values = as_floats(counts, "counts")
    if values.ndim != 2 or (values < 0).any() or (values != np.rint(values)).any():
        raise ValueError(
            f"counts must be whole numbers of at least 0, (n_cells, n_classes), got {counts!r:.80}."
        )
    n = values.sum(axis=1)
    if not len(n) or n.min() < 2:
        raise ValueError("counts must have at least one cell, and two people for each cell.")
    agreeing = (values * (values - 1)).sum(axis=1) / (n * (n - 1))
    by_chance = float(((values.sum(axis=0) / n.sum()) ** 2).sum())
    return _beyond_chance(float(agreeing.mean()), by_chance)


def annotator_agreement(annotations: Table) -> dict[str, Any]:
    """Agreement of those who annotated cells: Fleiss' kappa, and Cohen's of each pair of people.

    Parameters
    ----------
    annotations : DataFrame or mapping of columns
        Cells with ``votes``, a tuple, list or array of classes per cell, and ``voters``, the names
        of those who gave them, as `stnclf.annotations.read_annotations` reads them from databases
        of SlideRunner and files of MIDOG, or the text of such a list in JSON, as CSV files have it.
        A vote of None or NaN is none. Without ``voters`` nothing is known of pairs.

    Returns
    -------
    agreement : dict
        ``n_cells``, with at least two votes; ``agreed``, the share of these on which all votes are
        for one class, None without such a cell; ``fleiss_kappa``, None without such a cell; and
        ``pairs``, a list of dicts with ``voters``, two names in their order, ``n_cells``, on which
        both have voted, and ``cohen_kappa``, by falling number of cells. A kappa is NaN where all
        votes are for one class.

    Raises
    ------
    ValueError
        If there is no column ``votes``, if a cell holds no list of names, if votes read the same
        and are not, 1 and "1", or if the voters of a cell are not as many as its votes.

    Notes
    -----
    Cohen's kappa [1]_ is that of `sklearn.metrics.cohen_kappa_score`. Where a third person was only
    asked about cells on which two disagreed, Fleiss' kappa is too low: read that of the first two.

    References
    ----------
    .. [1] J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
       Measurement 20(1), 1960.

    Examples
    --------
    >>> from stnclf.metrics import annotator_agreement
    >>> votes = [("mitosis", "mitosis"), ("mitosis", "other"), ("other", "other"), ("other",)]
    >>> voters = [("A", "B"), ("A", "B"), ("A", "B"), ("A",)]
    >>> found = annotator_agreement({"votes": votes, "voters": voters})
    >>> found["n_cells"], round(found["agreed"], 3), round(found["fleiss_kappa"], 3)
    (3, 0.667, 0.333)
    >>> [(pair["voters"], round(pair["cohen_kappa"], 3)) for pair in found["pairs"]]
    [(('A', 'B'), 0.4)]
    """
    votes = _lists(annotations, "votes")
    if votes is None:
        raise ValueError("annotations must have a column votes.")
    voters = _lists(annotations, "voters")
    if voters is None:
        voters = [[None] * len(said) for said in votes]
    if len(voters) != len(votes):
        raise ValueError(f"voters must have {len(votes)} rows, got {len(voters)}.")
    cells: list[list[tuple[Any, Any]]] = []
    for i, (said, who) in enumerate(zip(votes, voters)):
        if len(who) != len(said):
            raise ValueError(
                f"voters must name one for each vote, got {len(who)} for {len(said)}, row {i}."
            )
        cells.append([(name, vote) for name, vote in zip(who, said) if vote is not None])
    refuse_lookalikes({"votes": (vote for cell in cells for _, vote in cell)})
    several = [cell for cell in cells if len(cell) > 1]
    classes = sorted({vote for cell in several for _, vote in cell}, key=str)
    counts = [[sum(vote == k for _, vote in cell) for k in classes] for cell in several]
    agreed = [len({vote for _, vote in cell}) == 1 for cell in several]
    return {
        "n_cells": len(several),
        "agreed": float(np.mean(agreed)) if several else None,
        "fleiss_kappa": fleiss_kappa(counts) if several else None,
        "pairs": _pairs(several),
    }


def _pairs(cells: list[list[tuple[Any, Any]]]) -> list[dict[str, Any]]:
    """Compare the votes of each two people on the cells that both have seen."""
    both: dict[tuple[Any, Any], list[tuple[Any, Any]]] = {}
    for cell in cells:
        # The last vote counts of who has voted twice.
        said = {name: vote for name, vote in cell if name is not None}
        for first, second in combinations(sorted(said, key=str), 2):
            both.setdefault((first, second), []).append((said[first], said[second]))
    ordered = sorted(both.items(), key=lambda item: (-len(item[1]), *map(str, item[0])))
    return [
        {"voters": pair, "n_cells": len(votes), "cohen_kappa": _cohen(votes)}
        for pair, votes in ordered
    ]


def _cohen(votes: list[tuple[Any, Any]]) -> float:
    from sklearn.metrics import cohen_kappa_score

    classes = sorted({vote for pair in votes for vote in pair}, key=str)
    if len(classes) < 2:
        return float("nan")
    numbers = {name: k for k, name in enumerate(classes)}
    first, second = ([numbers[vote] for vote in side] for side in zip(*votes))
    return float(cohen_kappa_score(first, second))


def _beyond_chance(agreeing: float, by_chance: float) -> float:
    return (agreeing - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def _lists(table: Any, name: str) -> list[list[Any]] | None:
    """Return a column of lists, None for what is missing in them; a cell without one is empty."""
    try:
        column = column_of(table, name)
    except (KeyError, IndexError, TypeError):
        return None
    return [_names(value, name, i) for i, value in enumerate(column)]


def _names(value: Any, name: str, row: int) -> list[Any]:
    names: Any = value
    if isinstance(value, str):  # as `write_annotations` writes tuples into a CSV file
        if not value.strip():
            return []
        with suppress(ValueError):
            names = json.loads(value)
    elif hasattr(value, "tolist"):  # as pandas reads lists from Parquet
        names = value.tolist()
    elif hasattr(value, "to_list"):  # polars
        names = value.to_list()
    elif isinstance(value, tuple):
        names = list(value)
    elif is_missing(value):
        return []
    if not isinstance(names, list) or not all(is_missing(n) or np.isscalar(n) for n in names):
        raise argument_error(
            f"annotations[{name!r}]",
            f"got {quoted(names)}, wants a tuple or list of names.",
            where=f"row {row}",
        )
    plain = (n.item() if isinstance(n, np.generic) else n for n in names)
    return [None if is_missing(n) else composed(n) if isinstance(n, str) else n for n in plain]
