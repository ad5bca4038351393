"""The command ``hotspots``."""

from __future__ import annotations

import io
import os
from pathlib import Path

import click

from .._utils.files import write_atomically
from .._utils.names import PROBABILITY_PREFIX, as_text, base_name, rows_named
from .._utils.printable import counted, printable
from .._version import __version__
from ..annotations import write_annotations
from ..annotations._slide_facts import is_slide_of, stem_of
from .common import (
    FILE,
    POSITIVE,
    PROBABILITY,
    RATIO,
    Command,
    choose_labels,
    examples,
    out_option,
    overwrite_option,
)
from .messages import about_file, say, write_data
from .outputs import PAGES, check_output
from .resolutions import say_override
from .tables import at_least, read_table

__all__ = ["hotspots"]


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf hotspots slide.csv slide.svs --label 'mitotic figure' --out fields.csv"
    ),
)
@click.argument("detections", type=FILE)
@click.argument("slide", type=FILE)
@out_option(
    "File for the fields: .csv, .json or .geojson.  [default: CSV on standard output]",
    required=False,
)
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    help="PNG for a map of the cells, their density and the fields.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="HTML page to look at the slide, its cells from any threshold on, and the fields.",
)
@click.option(
    "--label", "labels", multiple=True, help="Count this class; may be repeated.  [default: all]"
)
@click.option(
    "--min-probability",
    type=PROBABILITY,
    help="Count detections of at least this.  [default: all of the table]",
)
@click.option(
    "--area",
    "area_mm2",
    type=float,
    help="Area of a field in mm2.  [default: 2.37, ten high-power fields]",
)
@click.option(
    "--width-px", type=float, help="Width of a field in pixels of level 0; needs no resolution."
)
@click.option(
    "--aspect",
    type=RATIO,
    default=4 / 3,
    help="Width over height, a number or a fraction.  [default: 4/3]",
)
@click.option(
    "-n", "--number", "n", type=int, default=1, show_default=True, help="Number of fields."
)
@click.option("--slide-mpp", type=POSITIVE, help="Micrometres per pixel of SLIDE itself.")
@overwrite_option
def hotspots(
    detections,
    slide,
    out,
    map_file,
    report,
    labels,
    min_probability,
    slide_mpp,
    overwrite,
    **how,
):
    """Find the fields of SLIDE with most DETECTIONS."""
    from ..scan import hotspots as find_hotspots
    from ..scan._hotspots import AREA_MM2, field_extent
    from ..slides import Slide
    from ..slides._tissue import metric_mpp

    if how["area_mm2"] is not None and how["width_px"] is not None:
        raise click.UsageError("--area and --width-px exclude each other.")
    if how["width_px"] is None and how["area_mm2"] is None:
        how["area_mm2"] = AREA_MM2
    writes = {".csv": "csv", ".geojson": "qupath", ".json": None}
    if out is not None:
        check_output(out, overwrite=overwrite, endings=tuple(writes))
    if map_file is not None:
        check_output(map_file, overwrite=overwrite, option="--map", endings=(".png",))
    if report is not None:
        check_output(report, overwrite=overwrite, option="--report", endings=PAGES)
    table = read_table(detections, mpp=slide_mpp, slides=slide, only=_names(slide))[0]
    _check_slide(detections, table, slide)
    wanted = choose_labels(labels, _classes(table)) if len(table) else None
    with about_file(detections):
        # Before rows are left out: of several images those of another one might be left alone.
        if table["image"].nunique() > 1:
            table = table[rows_named(table["image"], base_name(slide.name), "detections")]
    if wanted:
        table = table[table["label"].isin(wanted)]
    table = at_least(table, min_probability, detections)
    say_override({slide.name: slide}, slide_mpp)
    with Slide(slide, slide_mpp) as opened, about_file(detections):
        fields = find_hotspots(table, opened, **how)
        is_metric = metric_mpp(opened) is not None
        if not is_metric:
            fields = fields[[name for name in fields if not name.startswith("per_mm2")]]
        if map_file is not None:
            picture = _draw(table, opened, fields)
        if report is not None:
            _write_page(report, table, opened, fields, detections)
    if map_file is not None:
        write_atomically(map_file, picture)
    if out is None:
        write_data(fields.to_csv(index=False, lineterminator="\n"))
    elif out.suffix.lower() == ".json":
        text = fields.to_json(orient="records", indent=2, force_ascii=False) + "\n"
        write_atomically(out, text.encode())
    else:
        kind = writes[out.suffix.lower()]
        more = {"object_type": "annotation", "slides": slide} if kind == "qupath" else {}
        write_annotations(fields, out, kind, **more)
    most = f", {counted(fields['count'].max(), 'cell')} in the first" if len(fields) else ""
    area, width = how["area_mm2"], how["width_px"]
    if width is not None:
        size = f"{width:g} px wide"
    elif is_metric:
        size = f"of {area:g} mm2"
    else:
        across, down = field_extent(1.0, area, None, how["aspect"])
        size = f"of {across:.4g} x {down:.4g} px"
    say(f"{out or slide}: {counted(len(fields), 'field')} {size}{most}")


def _names(slide):
    """Return whether a name in a table of several slides is that of one."""
    return lambda name: is_slide_of(slide, name)


def _check_slide(detections, table, slide):
    """Say that a table names another slide, and that alone."""
    names = sorted({base_name(str(name)) for name in table["image"]})
    name = os.path.basename(slide)
    if len(names) == 1 and names[0] not in (name, stem_of(name)):
        say(f"{detections}: its cells are of {names[0]!r}, taken for those of {name!r}")


def _classes(table):
    """List the classes of a table, and those of its model, of which nothing was found."""
    found = set(table["label"].dropna())
    columns = [name for name in table if name.startswith(PROBABILITY_PREFIX)]
    known = {name.removeprefix(PROBABILITY_PREFIX) for name in columns} - set(map(as_text, found))
    return sorted({*found, *known}, key=str)


def _write_page(path, table, slide, fields, detections):
    """Write the page of --report."""
    from ..report import write_report

    name = os.path.basename(slide.path)
    parts = {"slide": slide, "detections": table[table["label"].notna()], "fields": fields}
    notes = {"detections": printable(str(detections)), "stnclf": __version__}
    write_report(path, slides={name: parts}, title=f"Cells of {printable(name)}", notes=notes)


def _draw(table, slide, fields):
    """Draw the map as PNG; without matplotlib the density alone."""
    data = io.BytesIO()
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        from PIL import Image

        from ..scan import density_map

        image, _ = density_map(table, slide, fields=fields)
        Image.fromarray(image).save(data, format="PNG")
        say("the map has no cells, counts and scale: pip install 'stnclf[plot]' draws them")
    else:
        from ..displays._field_map import field_map

        figure = field_map(table, slide, fields, label=None)
        figure.savefig(data, format="png", dpi=150)
    return data.getvalue()
