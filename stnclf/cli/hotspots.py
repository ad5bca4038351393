"""The command ``hotspots``."""

from __future__ import annotations

import io
import os
from pathlib import Path

import click

from .._utils.files import write_atomically
from .._utils.names import base_name, rows_named
from .._utils.printable import counted, printable
from .._version import __version__
from ..annotations import write_annotations
from ..annotations._slide_facts import is_slide_of, stem_of
from .common import (
    FILE,
    POSITIVE,
    PROBABILITY,
    Command,
    choose_labels,
    examples,
    out_option,
    overwrite_option,
)
from .messages import about_file, say, write_data
from .outputs import check_output
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
@click.option("--label", help="The class that counts.  [default: all]")
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
@click.option("--aspect", type=float, default=4 / 3, help="Width over height.  [default: 4/3]")
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
    label,
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
        check_output(out, overwrite=overwrite)
        if out.suffix.lower() not in writes:
            raise click.BadParameter(
                f"'{out}' ends with none of {', '.join(writes)}.", param_hint="'--out'"
            )
    if map_file is not None:
        check_output(map_file, overwrite=overwrite, option="--map")
    if report is not None:
        check_output(report, overwrite=overwrite, option="--report")
    table = read_table(detections, mpp=slide_mpp, slides=slide, only=_names(slide))[0]
    _check_slide(detections, table, slide)
    if label is not None and len(table):
        choose_labels([label], sorted(set(table["label"].dropna())))
    with about_file(detections):
        # Before rows are left out: of several images those of another one might be left alone.
        if table["image"].nunique() > 1:
            table = table[rows_named(table["image"], base_name(slide.name), "detections")]
    table = at_least(table, min_probability, detections)
    say_override({slide.name: slide}, slide_mpp)
    with Slide(slide, slide_mpp) as opened, about_file(detections):
        fields = find_hotspots(table, opened, label=label, **how)
        is_metric = metric_mpp(opened) is not None
        if not is_metric:
            fields = fields[[name for name in fields if not name.startswith("per_mm2")]]
        if map_file is not None:
            picture = _draw(table, opened, fields, label)
        if report is not None:
            _write_page(report, table, opened, fields, label, detections)
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


def _write_page(path, table, slide, fields, label, detections):
    """Write the page of --report."""
    from ..report import write_report

    counts = table["label"].notna() if label is None else table["label"] == label
    name = os.path.basename(slide.path)
    parts = {"slide": slide, "detections": table[counts], "fields": fields}
    notes = {"detections": printable(str(detections)), "stnclf": __version__}
    write_report(path, slides={name: parts}, title=f"Cells of {printable(name)}", notes=notes)


def _draw(table, slide, fields, label):
    """Draw the map as PNG; without matplotlib the density alone."""
    data = io.BytesIO()
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        from PIL import Image

        from ..scan import density_map

        image, _ = density_map(table, slide, label=label, fields=fields)
        Image.fromarray(image).save(data, format="PNG")
        say("the map has no cells, counts and scale: pip install 'stnclf[plot]' draws them")
    else:
        from ..displays._field_map import field_map

        figure = field_map(table, slide, fields, label=label)
        figure.savefig(data, format="png", dpi=150)
    return data.getvalue()
