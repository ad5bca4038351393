"""What looks as if a file was read wrongly, in sentences for warnings."""

from __future__ import annotations

from collections.abc import Iterator

from .._utils.printable import counted, quoted, shortened
from .._utils.typing import Table
from ._context import Context

#: Rows from which on labels that all differ are a sign that they are no classes: with numbers in
#: them, and of any kind.
_FEW, _MANY = 3, 10

#: What programs make of a label that is missing.
_MISSING = ("nan", "NaN", "None", "null", "NULL", "<NA>", "NA", "N/A", "undefined")


def doubts(table: Table, context: Context) -> Iterator[str]:
    """Sentences on what was left out and on what looks as if the file was read wrongly."""
    if context.skipped:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(context.skipped.items()))
        total = sum(context.skipped.values())
        yield f"{counted(total, 'object')} left out, of {total + len(table)}: {kinds}."
    if context.numbered:
        yield "names images and classes by their numbers only; rename them, or pass image=."
    yield from context.doubts
    yield from names_with_blanks(table)
    labels = table["label"].dropna().astype(str)
    missing = labels[labels.isin(_MISSING)]
    if len(missing):
        yield (
            f"has {counted(len(missing), 'label')} {quoted(missing.iloc[0])}, which are "
            "taken for a class; leave them empty where there is none."
        )
    if labels.str.lstrip().str.startswith(("{", "[")).any():
        first = labels[labels.str.lstrip().str.startswith(("{", "["))].iloc[0]
        yield f"has labels that look like JSON, as {shortened(first)}: is that the class?"
    elif len(labels) == len(table) == labels.nunique() and (
        len(labels) >= (_FEW if labels.str.contains(r"\d").all() else _MANY)
    ):
        yield (
            f"has {len(labels)} rows and as many different labels, as {quoted(labels.iloc[0])}: "
            "is that the class?"
        )


def names_with_blanks(table: Table) -> Iterator[str]:
    """Sentences on names that look the same, and are two because of blanks."""
    for column in ("label", "image"):
        names: dict[str, str] = {}
        for name in sorted(table[column].dropna().astype(str).unique()):
            same = names.setdefault(name.strip(), name)
            if same != name:
                yield (
                    f"has {column}s that differ only by blanks at their ends: {quoted(same)} and "
                    f"{quoted(name)} are two. table[{column!r}].str.strip() makes one of them."
                )
                break
