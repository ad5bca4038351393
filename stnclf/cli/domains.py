"""The domain of each patch: what a table says of its slide."""

from __future__ import annotations

import csv

import numpy as np

from .._utils.errors import argument_error
from .._utils.names import composed
from .._utils.printable import listed, quoted

__all__ = ["domains_of"]


def domains_of(patches, column, table=None):
    """Find the domain of each patch.

    Parameters
    ----------
    patches : PatchSet
        Which know their slides.
    column : str
        "image" for the slide itself, or a column of the table.
    table : path-like, default=None
        CSV file with a row for each slide: its name, as patches have it, in the column image.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    ValueError
        If the patches do not know their slides, there is no such column, or a slide is not in
        the table, or with two domains.
    """
    if patches.groups is None:
        raise argument_error("domain", f"got '{column}', but the patches do not say their slides.")
    slides = np.asarray(patches.groups).astype(str)
    if table is None:
        if column != "image":
            raise argument_error(
                "domain",
                f"got '{column}', which is a column of a table of the slides: pass it with "
                "--slide-table. 'image' is the slide itself.",
            )
        return slides
    known = _read(table, column)
    missing = sorted({slide for slide in slides.tolist() if composed(slide) not in known})
    if missing:
        raise argument_error(
            "slide_table", f"{table} has no '{column}' of the slide {quoted(missing[0])}."
        )
    return np.array([known[composed(slide)] for slide in slides.tolist()])


def _read(path, column):
    """Read the domain of each slide."""
    known = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            rows = list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise argument_error("slide_table", f"{path} is no CSV file ({error}).") from error
    for name, argument in (("image", "slide_table"), (column, "domain")):
        if name not in names:
            raise argument_error(
                argument, f"{path} has the columns {listed(names)}, and no '{name}'."
            )
    for row in rows:
        slide, domain = composed(row["image"] or ""), (row[column] or "").strip()
        if domain and known.setdefault(slide, domain) != domain:
            raise argument_error(
                "slide_table",
                f"{path} has the slide {quoted(slide)} with {quoted(known[slide])} and "
                f"{quoted(domain)}.",
            )
    return known
