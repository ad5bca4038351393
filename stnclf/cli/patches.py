"""The command ``patches``."""

from __future__ import annotations

import math
import os
from pathlib import Path

import click

from .._utils.identity import describe_file, run_identity
from .._utils.printable import counted
from .._utils.run import Run
from .._version import __version__
from ..annotations import resolve_image
from .cautions import caution_about_background, caution_about_doubles, caution_about_ignored
from .common import (
    EXISTING,
    POSITIVE,
    SEED,
    Command,
    cell_width_option,
    check_counts,
    choose_labels,
    column_option,
    count_labels,
    examples,
    given_options,
    jobs_option,
    long_options,
    on_error_option,
    out_option,
    shows_progress,
)
from .messages import about_file, say
from .outputs import beside, check_output, pinned_options, replacing_only_if, say_complete, target
from .patch_folder import (
    check_ours,
    describe_slides,
    make_folder,
    put_in_place,
    remove_patches,
)
from .patch_set import load_patches, read_run, save_others
from .resolutions import caution_of_override, caution_of_scales, slides_below, stated
from .tables import LABEL_HELP, check_images, format_option, read_table, resolution

__all__ = ["patches"]


class _SideOrAuto(click.ParamType):
    """A number of pixels, or "auto"."""

    name = "integer|auto"

    def convert(self, value, param, ctx):
        """Read it."""
        return value if value == "auto" else click.INT.convert(value, param, ctx)


@click.command(
    cls=Command,
    epilog=examples("stnclf patches cells.sqlite slides/ --out patches --size 128 --mpp 0.25"),
)
@click.argument("annotations", type=EXISTING)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@out_option("Folder for the patches, or a file that ends with .npz.")
@click.option(
    "--size",
    type=_SideOrAuto(),
    metavar="INTEGER|auto",
    default=128,
    show_default=True,
    help="Side of the patch in px; auto takes what `stnclf info` recommends, and with it "
    "--cell-size, --mpp, --max-offset and --edge.",
)
@click.option("--cell-size", type=int, help="Side of the cell's window in px.  [default: half]")
@cell_width_option
@click.option(
    "--image-size",
    type=int,
    help="Side of the images in px, with context around the patch.  [default: as much as training "
    "needs to move and turn the patch]",
)
@click.option(
    "--mpp", type=POSITIVE, help="Micrometres per pixel of the patches.  [default: as level 0]"
)
@click.option(
    "--slide-mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the slides themselves, and of points in millimetres.",
)
@click.option(
    "--max-offset",
    type=float,
    help="Largest random distance of a cell from the middle, in px of the patch.  [default: an "
    "eighth of --size]",
)
@click.option("--label", "labels", multiple=True, help=LABEL_HELP)
@format_option("Input format.")
@click.option("--image", help="Name of the image, for a table that does not say it.")
@column_option
@click.option(
    "--outside",
    type=click.Choice(["error", "skip", "clip"]),
    default="error",
    show_default=True,
    help="Cells outside their slide: refuse all, leave them out, or move them to the edge.",
)
@click.option(
    "--edge",
    type=click.Choice(["white", "mirror"]),
    default="white",
    show_default=True,
    help="What is beyond the edge of a slide: nothing, or its mirror image.",
)
@click.option(
    "--background",
    type=int,
    default=0,
    show_default=True,
    help="Number of patches without a cell: tissue far from all annotated cells, half of it dark.",
)
@click.option(
    "--background-distance",
    type=float,
    help="Least distance of their middle from a cell, in px of the patch.  [default: half the "
    "patch's diagonal]",
)
@click.option(
    "--background-label", default="background", show_default=True, help="Class of these patches."
)
@click.option(
    "--neighbors",
    is_flag=True,
    help="List the other cells of ANNOTATIONS in each patch: all of them are taught in training.",
)
@on_error_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@jobs_option("Threads at a time")
@long_options
def patches(
    annotations,
    root,
    out,
    labels,
    format,
    image,
    columns,
    cell_width,
    neighbors,
    seed,
    jobs,
    overwrite,
    resume,
    progress,
    **how,
):
    """Cut patches around the cells of ANNOTATIONS, whose slides lie below ROOT.

    Cells without a class, those on which annotators disagree for example, are left out. All cells
    of the slides ought to be in ANNOTATIONS if there is to be background.
    """
    from ..slides import extract_patches
    from ..slides._skipped import read_skipped, write_skipped

    work = beside(out, ".part")
    begun = [work, beside(out, ".progress")]
    check_output(out, overwrite=overwrite, resume=resume, unfinished=begun, folder=True)
    check_ours(out)
    check_ours(work)
    if not how["background"]:
        check_counts("--background", "background_distance", "background_label")
    if how["size"] != "auto":
        check_counts("--size auto", "cell_width")
    table, _ = read_table(
        annotations,
        format,
        mpp=how["slide_mpp"],
        image=image,
        columns=columns,
        labels=labels,
        slides=root,
    )
    n_rows = len(table)
    # Background keeps away from what is left out, too, and it may be a neighbour.
    avoid = table if how["background"] else None
    beside_them = table if neighbors else False
    table = table[table["label"].notna()]
    if n_rows and not len(table):
        raise ValueError(
            f"{annotations}: none of its {n_rows} cells has a class; --label NAME gives them one."
        )
    wanted = choose_labels(labels, sorted(set(table["label"])))
    if wanted:
        table = table[table["label"].isin(wanted)]
    check_images(table, root, annotations)
    auto = how["size"] == "auto"
    cautions = [] if wanted else [caution_about_ignored(table["label"])]
    if auto:
        sizes, more = _sizes(table, root, how, cell_width)
        cautions += more
        how |= sizes
    elif how["max_offset"] is None:
        how["max_offset"] = how["size"] / 8
    header = run_identity(
        "patches",
        __version__,
        annotations=describe_file(annotations),
        slides=describe_slides(root, table["image"]),
        options=pinned_options("annotations", "root", "on_error"),
    )
    with (
        replacing_only_if(overwrite),
        Run(target(out), header, resume, lambda: read_run(out)) as run,
    ):
        if run.complete or (not work.exists() and resume and read_run(out) == header):
            run.forget()
            say_complete(out)
            return
        if not resume:
            remove_patches(work)
        make_folder(work, out)
        try:
            if read_run(work) != header:
                _say_cautions(table, root, how, auto and cell_width is None, cautions)
                with about_file(annotations):
                    X, y, centers, groups, *near = extract_patches(
                        table,
                        root,
                        avoid=avoid,
                        neighbors=beside_them,
                        out=work / "X.npy",
                        resume=resume,
                        n_jobs=jobs,
                        random_state=seed,
                        verbose=shows_progress(progress),
                        **how,
                    )
                facts = {"stnclf": __version__, **how, "image_size": X.shape[1], "seed": seed}
                del facts["on_error"]
                facts["skipped"] = read_skipped(work / "X.npy")
                facts["cell_size"] = how["cell_size"] or how["size"] // 2
                paths = (resolve_image(root, name) for name in set(groups))
                facts["mpp"] = how["mpp"] or how["slide_mpp"] or resolution(paths)
                save_others(work, y, centers, groups, {**facts, "run": header}, *near)
                write_skipped(os.fspath(work / "X.npy"), [])
                del X  # a file that is open cannot be moved everywhere
        finally:
            if not any(work.iterdir()):  # nothing was done, and nothing is to be resumed
                work.rmdir()
                run.forget()
        put_in_place(work, out, run)
    found = load_patches(out)
    counts = ", ".join(f"{n} {name}" for name, n in count_labels(found.y).items())
    text = f"{out}: {counted(len(found.X), 'patch', 'patches')} of {found.X.shape[1]} px ({counts})"
    n_out = n_rows + how["background"] - len(found.X)
    text = f"{text}; {n_out} of {n_rows} rows left out" if n_out else text
    n_skipped = len(found.facts.get("skipped", ()))
    say(f"{text}; {counted(n_skipped, 'region')} that cannot be read" if n_skipped else text)
    if how["background"]:
        size, distance = found.facts["size"], how["background_distance"]
        distance = size / math.sqrt(2) if distance is None else distance
        caution = caution_about_background(found, distance, found.facts["cell_size"])
        if caution is not None:
            say(f"caution: {caution}")


def _say_cautions(table, root, how, decides, more):
    """Say what is probably not meant: another resolution, several, regions, repeated rows."""
    from .sizes import cautions_about_regions

    found = stated(slides_below(root, table["image"].unique()))
    own = how["mpp"] is None and how["slide_mpp"] is None
    for caution in (
        caution_of_override(found, how["slide_mpp"]),
        caution_of_scales(found) if own else None,
        caution_about_doubles(table),
        *cautions_about_regions(table, decides),
        *more,
    ):
        if caution is not None:
            say(f"caution: {caution}")


def _sizes(table, root, how, cell_width):
    """Choose the sizes that nobody gave, and say which; return them, and what to beware of."""
    from .sizes import (
        caution_about_points,
        caution_about_small_images,
        in_one_unit,
        look_at,
        recommend,
    )

    if how["cell_size"] is not None:
        raise click.UsageError("--size auto and --cell-size exclude each other: it chooses both.")
    there = look_at(table, root, how["slide_mpp"])
    table, mpp = in_one_unit(table, there)
    sizes = recommend(table, mpp, how["mpp"], cell_width)
    if sizes.mpp is None and sizes.shrink > 1:
        raise click.BadParameter(
            f"auto wants to shrink the slides by {sizes.shrink}, and nobody knows their "
            "resolution; pass --slide-mpp, or --slide-mpp 1 where any unit will do.",
            param_hint="'--size'",
        )
    chosen = {name: getattr(sizes, name) for name in ("size", "cell_size", "mpp", "max_offset")}
    if how["max_offset"] is not None:
        chosen["max_offset"] = how["max_offset"]
    words = [f"--{name.replace('_', '-')} {value:g}" for name, value in chosen.items() if value]
    if "edge" not in given_options() and caution_about_small_images(sizes, there) is not None:
        chosen["edge"] = "mirror"
        words.append("--edge mirror")
    say(f"--size auto is {' '.join(words)}")
    cautions = [caution_about_small_images(sizes, there, chosen.get("edge", how["edge"]))]
    if cell_width is None:
        cautions.append(caution_about_points(table, mpp))
    return chosen, cautions
