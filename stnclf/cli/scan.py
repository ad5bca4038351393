"""The command ``scan``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from .._utils.errors import check_utf8
from .._utils.printable import counted
from .common import (
    FILE,
    POSITIVE,
    Command,
    choose_labels,
    examples,
    jobs_option,
    long_options,
    on_cluster,
    on_error_option,
    out_option,
    shows_progress,
    tile_size_option,
)
from .messages import describe, report, say
from .outputs import beside, check_output, say_complete, target
from .resolutions import say_override
from .tables import slide_files

__all__ = ["scan_command"]


@click.command(
    "scan",
    cls=Command,
    epilog=examples(
        "stnclf scan model.safetensors slide.svs --out slide.csv",
        "stnclf scan model.safetensors slides/*.svs --out detections --jobs -1",
    ),
)
@click.argument("model", type=FILE)
@click.argument("slides", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("Folder for a table of each slide; or, for one slide, a file that ends with .csv.")
@click.option(
    "--mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the patches that MODEL was trained on.  [default: as in MODEL]",
)
@click.option("--slide-mpp", type=POSITIVE, help="Micrometres per pixel of the slides themselves.")
@click.option("--label", "labels", multiple=True, help="Only this class; may be repeated.")
@click.option(
    "--min-probability",
    type=float,
    help="Discard detections below this probability.  [default: as chosen in MODEL, else 0.5]",
)
@click.option(
    "--nms-radius",
    "nms_radius_um",
    type=float,
    help="Micrometres within which two cells are one.  [default: a quarter of the cell window]",
)
@click.option(
    "--tta/--no-tta",
    default=None,
    help="Average over each cell's symmetries: slower.  [default: where the first pass is "
    "undecided]",
)
@click.option(
    "--stride",
    type=int,
    help="Px at the resolution of training from patch to patch, for a MODEL without heatmap.  "
    "[default: patch less window]",
)
@tile_size_option
@click.option(
    "--tissue/--no-tissue",
    default=None,
    help="Look only where there is tissue.  [default: where the file says its resolution, so not "
    "on photographs]",
)
@click.option("--device", help="cpu, cuda or cuda:N.  [default: as in MODEL]")
@jobs_option("Tiles at a time")
@on_error_option
@click.option(
    "--scheduler", metavar="ADDRESS", help="Share the slides out on a Dask cluster, one a job."
)
@long_options
def scan_command(
    model,
    slides,
    out,
    slide_mpp,
    labels,
    device,
    jobs,
    scheduler,
    overwrite,
    resume,
    progress,
    **how,
):
    """Find the cells of SLIDES, files or folders of them, with MODEL.

    A slide that cannot be read does not stop the others; the exit status is 1 then.
    """
    from ..persistence import load
    from ..scan._many import check_folder, names_of_tables

    slides = [path for given in slides for path in _slides_in(given)]
    one_file = out.suffix.lower() == ".csv" and not out.is_dir()
    if one_file and len(slides) > 1:
        raise click.BadParameter(
            f"'{out}' is one file, and there are {len(slides)} slides; wants a folder.",
            param_hint="'--out'",
        )
    try:
        outs = [out] if one_file else [out / name for name in names_of_tables(slides)]
    except ValueError as error:
        raise click.UsageError(describe(error)) from error
    makes_folder = not one_file and not out.exists()
    if makes_folder:
        check_output(out, overwrite=overwrite, resume=resume)
    else:
        for path in outs:
            unfinished = [beside(path, ".progress")]
            check_output(path, overwrite=overwrite, resume=resume, unfinished=unfinished)
    estimator = load(model, device)
    how["tta"] = "undecided" if how["tta"] is None else how["tta"]
    how["tissue"] = "auto" if how["tissue"] is None else how["tissue"]
    how["labels"] = choose_labels(labels, estimator.classes_.tolist())
    if makes_folder:
        out.mkdir()
    elif not one_file:
        check_folder(target(out), outs if overwrite else [], estimator, **how)
    how |= {
        "resume": resume,
        "replace": overwrite,
        "n_jobs": -1 if scheduler else 1,
        "tile_jobs": jobs,
        "verbose": shows_progress(progress),
    }
    n_done = n_cells = n_skipped = 0
    left_out = []
    try:
        with on_cluster(scheduler):
            for path, slide, table, error in _scan_each(estimator, slides, outs, slide_mpp, how):
                if error is None:
                    n_done, n_cells = n_done + 1, n_cells + len(table)
                    if "left_out" in table.attrs:
                        left_out.append((*_size_of(slide), table.attrs["left_out"]))
                    n_skipped += len(table.attrs.get("skipped", ()))
                else:
                    report(error, path)
    finally:
        if makes_folder:
            with contextlib.suppress(OSError):  # there are tables in it
                out.rmdir()
    n_failed = len(slides) - n_done
    text = f"{out}: {counted(n_cells, 'cell')} on {counted(n_done, 'slide')}{_glass(left_out)}"
    if n_skipped:
        text = f"{text}; {counted(n_skipped, 'region')} skipped that cannot be read (.skipped.csv)"
    say(f"{text}; {n_failed} failed" if n_failed else text)
    if n_failed:
        raise click.exceptions.Exit(1)


def _slides_in(path):
    """List the slides in a folder, by name; a file, or MRXS's folder of parts, is itself."""
    if not path.is_dir():
        return [path]
    found = slide_files(path)
    if not found:
        below = next((folder for folder, *_ in os.walk(path) if slide_files(Path(folder))), None)
        hint = "" if below is None else f"; those in folders below, as '{below}', want to be named"
        raise click.BadParameter(
            f"'{path}' is a folder without slides{hint}.", param_hint="'SLIDES...'"
        )
    return found


def _scan_each(estimator, paths, outs, slide_mpp, how):
    """Scan slides; yield path, slide, table and None, or path, None, None and an error."""
    from ..scan._many import scan_each
    from ..slides import Slide

    say_override({path.name: path for path in paths}, slide_mpp)
    slides = []
    for path, out in zip(paths, outs):
        try:
            check_utf8("slides", path.name)
            slides.append((path, Slide(path, slide_mpp), target(out)))
        except (OSError, ValueError) as error:
            yield path, None, None, error
    there = (
        {}
        if not how["resume"]
        else {
            out
            for _, _, out in slides
            if os.path.exists(out) and not beside(out, ".progress").exists()
        }
    )
    paths, slides, outs = zip(*slides) if slides else ((), (), ())
    # On one machine slides come one after the other, each with all jobs: that takes the memory
    # of one. On a cluster there are as many jobs at a time as there are workers.
    results = scan_each(estimator, slides, outs, **how)
    for path, slide, out, (table, error) in zip(paths, slides, outs, results):
        if error is None and out in there:
            say_complete(out)
        yield path, slide, table, error


def _size_of(slide):
    """Return how many pixels a slide has, and how many micrometres one of them is, or None."""
    from ..slides._tissue import metric_mpp

    with slide:
        width, height = slide.size
        return width * height, metric_mpp(slide)


def _glass(left_out):
    """Say how much of the slides was taken for glass, of all their area."""
    if not any(found["share"] for *_, found in left_out):
        return ""
    in_mm = all(mpp is not None for _, mpp, _ in left_out)
    areas = [n_pixels * mpp**2 if in_mm else n_pixels for n_pixels, mpp, _ in left_out]
    empty = sum(area * found["share"] for area, (*_, found) in zip(areas, left_out))
    share = 100 * empty / sum(areas)
    if not in_mm:
        return f"; {share:.0f} % without tissue, not looked at"
    return f"; {empty / 1e6:.3g} mm2 ({share:.0f} %) without tissue, not looked at"
