"""The tables of `stnclf.report`: text and Markdown of what `evaluate` returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._utils.typing import Scores

__all__ = [
    "classification_rows",
    "classification_table",
    "layout",
    "summary_rows",
    "summary_table",
    "with_interval",
]


def classification_table(results: Mapping[str, Scores], *, fmt: str = "text") -> str:
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
    TypeError
        If `results` is no dict.
    ValueError
        If `results` is empty or holds something else, or if `fmt` is unknown.

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
    return layout(*classification_rows(results), n_text=2, fmt=fmt)


def classification_rows(
    results: Mapping[str, Scores],
) -> tuple[list[str], list[list[str]]]:
    """Format the header and the rows of `classification_table`, in strings."""
    _check_results(results)
    header = ["approach", "class", "precision", "recall", "f1-score", "support"]
    rows = []
    for name, scores in results.items():
        lines = [*scores["classes"].items(), ("avg / total", scores["average"])]
        for i, (label, line) in enumerate(lines):
            measures = [_number(line[key], 3) for key in ("precision", "recall", "f1")]
            rows.append([name if i == 0 else "", label, *measures, str(line["support"])])
    return header, rows


def summary_table(results: Mapping[str, Scores], *, fmt: str = "text") -> str:
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
        stands where a method gives no such value. The last row is the guess that every cell is in
        the middle of its image.

    Raises
    ------
    TypeError
        If `results` is no dict.
    ValueError
        If `results` is empty or holds something else, or if `fmt` is unknown.

    Examples
    --------
    >>> from stnclf.report import evaluate, summary_table
    >>> scores = evaluate(["a", "b"], ["a", "b"], fit_seconds=2)
    >>> summary_table({"SVC": scores}).splitlines()[-1].split()
    ['SVC', '1.000', '1.000', '1.000', '-', '-', '-', '2.0', '-']
    """
    return layout(*summary_rows(results), n_text=1, fmt=fmt)


def summary_rows(results: Mapping[str, Scores]) -> tuple[list[str], list[list[str]]]:
    """Format the header and the rows of `summary_table`, in strings."""
    _check_results(results)
    found = [s[key] for s in results.values() for key in ("localization", "center_guess") if s[key]]
    radius = f"{found[0]['radius']:g}" if found else "8"
    header = ["approach", "accuracy", "balanced acc.", "macro F1"]
    header += ["error mean (px)", "median (px)", f"within {radius} px", "fit (s)", "predict (s)"]
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
    return header, rows


def _distance_cells(summary: dict[str, Any] | None) -> list[str]:
    if summary is None:
        return ["-", "-", "-"]
    share = "-" if summary["within"] is None else f"{100 * summary['within']:.1f} %"
    return [_number(summary["mean"], 1), _number(summary["median"], 1), share]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def with_interval(value: float | None, ends: Sequence[float] | None) -> str:
    """Write a score and, in brackets, its interval; a dash where it is not defined."""
    text = _number(value, 3)
    return text if value is None or ends is None else f"{text} [{ends[0]:.3f}, {ends[1]:.3f}]"


def layout(header: Sequence[str], rows: Sequence[Sequence[str]], *, n_text: int, fmt: str) -> str:
    """Align a table: the first `n_text` columns to the left, numbers to the right."""
    if fmt not in ("text", "markdown"):
        raise ValueError(f"fmt must be 'text' or 'markdown', got {fmt!r}.")
    if fmt == "markdown":
        rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.ljust(width) if i < n_text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))
        ]
        return f"| {' | '.join(parts)} |" if fmt == "markdown" else "  ".join(parts).rstrip()

    rule = ["-" * width for width in widths]
    if fmt == "markdown":
        rule[n_text:] = [dashes[:-1] + ":" for dashes in rule[n_text:]]
    return "\n".join(line(cells) for cells in [header, rule, *rows])


def _check_results(results: Mapping[str, Scores]) -> None:
    if not isinstance(results, Mapping):
        raise TypeError(f"results must be a dict by method, got {results!r:.80}.")
    if not results:
        raise ValueError("results must hold at least one method.")
    for name, scores in results.items():
        if not isinstance(scores, Mapping) or not {"classes", "center_guess"} <= set(scores):
            raise ValueError(
                f"results[{name!r}] must be what evaluate returned, got {scores!r:.80}."
            )
