"""The command ``export``."""

from __future__ import annotations

import click

from .._utils.names import composed
from .._utils.printable import counted, listed
from ..annotations import write_annotations
from ..annotations._coco import NO_CLASS
from ..annotations._io import WRITE
from .common import (
    EXISTING,
    POSITIVE,
    PROBABILITY,
    Command,
    choose_labels,
    column_option,
    examples,
    out_option,
    overwrite_option,
)
from .messages import say
from .outputs import check_output
from .tables import LABEL_HELP, at_least, format_option, read_tables, slides_option

__all__ = ["export"]

_NO_CLASS = "--label chooses classes, or names that of all cells if the file names none"


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf export slide.csv --out slide.geojson --label 'mitotic figure'",
        "stnclf export detections/*.csv --out all.json --to midog",
    ),
)
@click.argument("tables", nargs=-1, required=True, type=EXISTING)
@out_option("File to write; the ending says what: .geojson, .csv, .sqlite ... (see --to).")
@click.option(
    "--to",
    type=click.Choice(["auto", *WRITE]),
    default="auto",
    help="Output format; auto: from the extension.",
)
@format_option("Input format.")
@click.option("--label", "labels", multiple=True, help=LABEL_HELP)
@click.option(
    "--min-probability", type=PROBABILITY, help="Only cells of at least this probability."
)
@click.option(
    "--image",
    help="Only cells of this image, for a format with a file for each, such as GeoJSON; or its "
    "name, if the table has none.",
)
@column_option
@click.option(
    "--size",
    type=float,
    help="Side in px of boxes around cells.  [default: 50; points for --as annotation]",
)
@click.option("--color", "colors", multiple=True, metavar="LABEL=#RRGGBB", help="Color of a class.")
@click.option(
    "--as",
    "object_type",
    type=click.Choice(["detection", "annotation"]),
    help="What the cells are to QuPath.  [default: detection]",
)
@click.option(
    "--slide-mpp",
    "--mpp",
    "mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the slides, for positions in millimetres.",
)
@slides_option
@overwrite_option
def export(
    tables,
    out,
    to,
    format,
    labels,
    min_probability,
    image,
    columns,
    size,
    colors,
    object_type,
    mpp,
    slides,
    overwrite,
):
    """Write detections or annotations in the format of another program."""
    check_output(out, overwrite=overwrite)
    how = {"columns": columns, "mpp": mpp, "labels": labels, "slides": slides}
    table, used_mpp = _named(tables, format, image, **how)
    wanted = choose_labels(labels, sorted(set(table["label"].dropna())))
    if wanted:
        table = table[table["label"].isin(wanted)]
    table = at_least(table, min_probability, tables[0])
    pairs = {}
    for text in colors:
        label, _, color = text.rpartition("=")
        if not label:
            raise click.BadParameter(f"got '{text}', wants LABEL=#RRGGBB.", param_hint="'--color'")
        if label in pairs:
            raise click.BadParameter(f"'{label}' is given twice.", param_hint="'--color'")
        pairs[label] = color
    table = table.reset_index(drop=True)
    try:
        write_annotations(
            table,
            out,
            to,
            size=size,
            colors=pairs or None,
            object_type=object_type,
            mpp=None if used_mpp and not _in_millimetres(to) else mpp,
            slides=slides if _is_qupath(out, to) else None,
            overwrite=overwrite,
        )
    except ValueError as error:
        text = str(error).replace("format must be", "--to must be").replace("format=", "--to ")
        text = text.replace("write one file each, with table.groupby('image')", "choose by --image")
        text = text.replace(NO_CLASS, _NO_CLASS)
        raise ValueError(f"{out}: {text}") from error
    say(f"{out}: {counted(len(table), 'row')}")


def _named(tables, format, image, **how):
    """Read the tables; `image` selects where they name images, and names it where they do not."""
    try:
        table, used_mpp = read_tables(tables, format, **how)
    except ValueError:
        if image is None:
            raise
        return read_tables(tables, format, image=image, **how)
    if image is None:
        return table, used_mpp
    names, image = sorted(set(table["image"])), composed(image)
    if image not in names:
        raise click.BadParameter(
            f"'{image}' is none of {listed(names)[1:-1]}.", param_hint="'--image'"
        )
    return table[table["image"] == image], used_mpp


def _in_millimetres(to):
    return to == "grand-challenge"


def _is_qupath(out, to):
    return to == "qupath" or (to == "auto" and out.suffix.lower() in WRITE["qupath"])
