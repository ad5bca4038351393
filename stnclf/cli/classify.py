"""The command ``classify``."""

from __future__ import annotations

import click

from .._utils.printable import counted
from .._utils.values import is_missing
from ..annotations import resolve_image
from .common import (
    EXISTING,
    FILE,
    POSITIVE,
    Command,
    column_option,
    count_labels,
    examples,
    long_options,
    on_error_option,
    out_option,
    shows_progress,
)
from .messages import about_file, say
from .outputs import beside, check_output, replacing_only_if, say_complete, target
from .resolutions import say_override
from .tables import check_images, format_option, read_table

__all__ = ["classify"]

#: What a table that names no classes says until they are known.
_UNKNOWN = "unknown"


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf classify model.safetensors nuclei.csv slides/ --out classified.csv",
        "stnclf classify model.safetensors nuclei.geojson slide.svs --out classified.csv",
    ),
)
@click.argument("model", type=FILE)
@click.argument("table", type=EXISTING)
@click.argument("slides", type=EXISTING)
@out_option("CSV file with one row per cell.")
@click.option(
    "--mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the patches that MODEL was trained on.  [default: as in MODEL]",
)
@click.option(
    "--slide-mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the slides themselves, and of points in millimetres.",
)
@format_option("Format of TABLE.")
@click.option("--image", help="Name of the image, for a table that does not say it.")
@column_option
@click.option("--device", help="cpu, cuda or cuda:N.  [default: as in MODEL]")
@on_error_option
@long_options
def classify(
    model,
    table,
    slides,
    out,
    mpp,
    slide_mpp,
    format,
    image,
    columns,
    device,
    on_error,
    overwrite,
    resume,
    progress,
):
    """Classify the cells of TABLE, which are located already, on SLIDES, one or a folder.

    Patches are cut at the given places. A label of TABLE goes to the column annotated.
    """
    from ..persistence import load
    from ..scan._classify import classify_table
    from ..scan._scan import check_estimator
    from ..slides import Slide

    unfinished = [beside(out, ".progress")]
    check_output(
        out, overwrite=overwrite, resume=resume, unfinished=unfinished, endings=("", ".csv")
    )
    estimator = load(model, device)
    check_estimator(estimator)
    more = {"image": image} if image is not None else {}
    how = {"columns": columns, "slides": slides, "labels": [_UNKNOWN], **more}
    cells = read_table(table, format, mpp=slide_mpp, **how)[0]
    if (cells["label"] == _UNKNOWN).all():
        cells = cells.drop(columns="label")
    if not len(cells):
        raise ValueError(f"{table}: has no cells.")
    names = sorted(set(cells["image"]))
    if slides.is_file():
        if len(names) > 1:
            raise click.BadParameter(
                f"'{slides}' is one slide, and {table} has cells of {len(names)}; wants a folder.",
                param_hint="'SLIDES'",
            )
        paths = {names[0]: slides}
    else:
        check_images(cells, slides, table)
        with about_file(table):
            paths = {name: resolve_image(slides, name) for name in names}
    say_override(paths, slide_mpp)
    opened = {name: Slide(path, slide_mpp) for name, path in paths.items()}
    is_there = resume and out.exists() and not unfinished[0].exists()
    with replacing_only_if(overwrite), about_file(table):
        result = classify_table(
            estimator,
            opened,
            cells,
            mpp=mpp,
            on_error=on_error,
            out=target(out),
            resume=resume,
            verbose=shows_progress(progress),
        )
    if is_there:
        say_complete(out)
        return
    empty = {str(label) for label in estimator.classes_[~estimator.has_cell_]}
    labels = result["label"].tolist()
    n_empty = int(result["label"].isna().sum())
    counts = count_labels([label for label in labels if not is_missing(label)])
    no_cells = {name: n for name, n in counts.items() if name in empty}
    counts = ", ".join(f"{n} {name}" for name, n in counts.items())
    text = f"{out}: {counted(len(labels), 'cell')} ({counts})"
    for name, n in no_cells.items():
        say(
            f"caution: {counted(n, 'row')} of {name!r}, which the model knows as no cell: leave "
            "them out before cells are counted"
        )
    say(f"{text}; {n_empty} cannot be read" if n_empty else text)
