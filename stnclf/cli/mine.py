"""The command ``mine``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import numpy as np

from .._utils.identity import describe_file, run_identity
from .._utils.names import as_text, base_name
from .._utils.printable import counted, listed
from .._utils.run import Run
from .._version import __version__
from ..annotations import resolve_image
from .common import (
    EXISTING,
    FILE,
    POSITIVE,
    Command,
    choose_labels,
    column_option,
    count_labels,
    examples,
    jobs_option,
    long_options,
    on_cluster,
    out_option,
    shows_progress,
    tile_size_option,
)
from .messages import say
from .outputs import beside, check_output, pinned_options, replacing_only_if, say_complete, target
from .patch_folder import (
    check_ours,
    describe_slides,
    make_folder,
    put_in_place,
    remove_patches,
)
from .patch_set import load_patches, read_run, save_others
from .resolutions import say_override, slides_below
from .tables import first_few, format_option, is_one_of, read_table

__all__ = ["mine"]

#: Images that are copied at a time.
_CHUNK = 256


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf mine model.safetensors patches slides/ --annotations cells.sqlite --out patches2"
    ),
)
@click.argument("model", type=FILE)
@click.argument("patches", type=EXISTING)
@click.argument("slides", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--annotations", type=EXISTING, required=True, help="All annotated cells of the slides."
)
@out_option("Folder for PATCHES and what is mined, or a file that ends with .npz.")
@click.option(
    "-n", "--number", "n", type=int, default=200, show_default=True, help="At most so many."
)
@click.option(
    "--radius",
    "radius_um",
    type=float,
    help="Micrometres from every annotated cell beyond which a detection is false.  [default: half"
    " the cell window]",
)
@click.option(
    "--label", "labels", multiple=True, help="Only false detections of this class; may be repeated."
)
@click.option(
    "--min-probability", type=float, help="Only those of at least this.  [default: as scan]"
)
@click.option(
    "--background-label", default="background", show_default=True, help="Class of these patches."
)
@click.option("--slide-mpp", type=POSITIVE, help="Micrometres per pixel of the slides themselves.")
@format_option("Format of --annotations.")
@column_option
@tile_size_option
@click.option("--device", help="cpu, cuda or cuda:N.  [default: as in MODEL]")
@jobs_option("Tiles at a time")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Share the slides out on a Dask cluster, one a job."
)
@long_options
def mine(
    model,
    patches,
    slides,
    annotations,
    out,
    n,
    radius_um,
    labels,
    min_probability,
    background_label,
    slide_mpp,
    format,
    columns,
    tile_size,
    device,
    jobs,
    scheduler,
    overwrite,
    resume,
    progress,
):
    """Add to PATCHES the worst mistakes that MODEL makes on the SLIDES they were cut from.

    It scans these slides and cuts patches without a cell at the most certain detections that are
    far from every annotated cell. Train again on the result.
    """
    from ..persistence import load
    from ..scan import hard_negatives
    from ..slides import Slide
    from ..slides._background import append_label

    work, scans = beside(out, ".part"), beside(out, ".scans")
    begun = [work, scans, beside(out, ".progress")]
    check_output(out, overwrite=overwrite, resume=resume, unfinished=begun, folder=True)
    check_ours(out)
    check_ours(work)
    found = load_patches(patches)
    facts = found.facts
    if found.groups is None or "size" not in facts:
        raise ValueError(f"{patches}: does not say how its patches were cut, and of which slides.")
    names = sorted(set(found.groups.tolist()))
    say_override(slides_below(slides, names), slide_mpp)
    slide_mpp = facts.get("slide_mpp") if slide_mpp is None else slide_mpp
    how = {"mpp": slide_mpp, "columns": columns, "slides": slides}
    cells = read_table(annotations, format, only=is_one_of(names), **how)[0]
    _check_annotated(found, cells, annotations, patches)
    background = _background_class(background_label, found, patches)
    estimator = load(model, device)
    wanted = choose_labels(labels, estimator.classes_.tolist())
    mpp = estimator.mpp if estimator.mpp is not None else facts.get("mpp")
    header = run_identity(
        "mine",
        __version__,
        model=describe_file(model),
        patches=describe_file(patches),
        annotations=describe_file(annotations),
        slides=describe_slides(slides, names),
        options=pinned_options("model", "patches", "annotations", "slides", "device", "scheduler"),
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
            shutil.rmtree(scans, ignore_errors=True)
        scans.mkdir(exist_ok=True)
        try:
            with on_cluster(scheduler):
                negatives = hard_negatives(
                    estimator,
                    [Slide(resolve_image(slides, name), slide_mpp) for name in names],
                    cells,
                    n=n,
                    radius_um=radius_um,
                    label=background,
                    labels=wanted,
                    min_probability=min_probability,
                    mpp=mpp,
                    tile_size=tile_size,
                    out=scans,
                    resume=True,
                    n_jobs=-1 if scheduler else 1,
                    tile_jobs=jobs,
                    verbose=shows_progress(progress),
                )
        finally:
            if not any(scans.iterdir()):
                scans.rmdir()
        new = _cut(negatives, slides, found, slide_mpp)
        y = append_label(found.y, background, len(negatives))
        remove_patches(work)
        make_folder(work, out)
        _join(work / "X.npy", found.X, new)
        no_centers = np.full((len(new), 2), np.nan)
        centers = _centers(found)
        groups = np.concatenate([found.groups, np.array(negatives["image"].tolist(), dtype=str)])
        facts = {**facts, "mined": facts.get("mined", 0) + len(new), "run": header}
        centers = np.concatenate([centers, no_centers])
        near = _neighbors(negatives, cells, slides, found, slide_mpp, np.unique(y))
        save_others(work, y, centers, groups, facts, near)
        put_in_place(work, out, run)
        shutil.rmtree(scans, ignore_errors=True)
    counts = ", ".join(f"{k} {name}" for name, k in count_labels(y).items())
    taken = count_labels(negatives["found"].tolist())
    mistakes = ", ".join(f"{k} taken for {name}" for name, k in taken.items()) or "no mistakes"
    text = f"{out}: {counted(len(y), 'patch', 'patches')} ({counts}); {len(new)} mined: {mistakes}"
    fewer = f"; {n} were wanted: a lower --min-probability may find more"
    say(text if len(new) == n else text + fewer)


def _background_class(text, found, patches):
    """Turn --background-label into a class of the kind of the others, which no cell has."""
    kind = found.y.dtype
    of_cells = [as_text(label) for label in np.unique(found.y[found.has_cell]).tolist()]
    free = [False, True] if kind.kind == "b" else range(len(of_cells) + 1)
    free = next((str(label) for label in free if str(label) not in of_cells), None)
    if free is None:
        raise ValueError(
            f"{patches}: both classes, False and True, are of cells; wants numbers or words in y "
            "for a third one, of background."
        )
    advice = f"--background-label {free} is one"
    try:
        label = _read_as(text, kind)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"'{text}' is no label of the kind of those in {patches}, {listed(of_cells)[1:-1]}; "
            f"{advice}.",
            param_hint="'--background-label'",
        ) from None
    if as_text(label.item()) in of_cells:
        own = "wants one of its own" if kind.kind in "US" else advice
        raise click.BadParameter(
            f"'{text}' is a class of cells in {patches}; {own}.",
            param_hint="'--background-label'",
        )
    return label


def _read_as(text, kind):
    """Read a label as an array of this dtype holds it."""
    if kind.kind in "US":
        return np.str_(text)
    if kind.kind == "b":
        return np.bool_(("False", "True").index(text))
    label = kind.type(float(text) if kind.kind == "f" else int(text))
    if not np.isfinite(label):
        raise ValueError
    return label


def _check_annotated(found, cells, annotations, patches):
    """Refuse annotations that lack the cells of a slide: these would be taken for mistakes."""
    named = {base_name(name) for name in cells["image"]}
    slides = sorted({*found.groups[found.has_cell].tolist()})
    missing = [name for name in slides if base_name(name) not in named]
    if missing:
        raise ValueError(
            f"{annotations}: has no cell on {first_few(list(map(repr, missing)))}, of which "
            f"{patches} has patches of cells; it has some on "
            f"{first_few(list(map(repr, sorted(named)))) or 'none'}. Wants all annotated cells."
        )


def _cut(negatives, slides, found, slide_mpp):
    """Cut patches at places without a cell as those of a patch set were cut."""
    from ..slides import extract_patches

    if not len(negatives):
        return found.X[:0]
    facts = found.facts
    return extract_patches(
        negatives,
        slides,
        size=facts["size"],
        cell_size=facts.get("cell_size"),
        image_size=found.X.shape[1],
        mpp=facts.get("mpp"),
        slide_mpp=slide_mpp,
        edge=facts.get("edge", "white"),
    )[0]


def _neighbors(negatives, cells, slides, found, slide_mpp, classes):
    """List the annotated cells in old and new patches, if the old ones have such a list."""
    from ..slides import Slide
    from ..slides._grid import grid_corners
    from ..slides._neighbors import cells_of

    if found.neighbors is None:
        return None
    old = np.array(found.neighbors, dtype=np.float64)
    before = np.unique(found.y)  # there may be a class more now
    known = old[:, :, 2] >= 0
    old[known, 2] = np.searchsorted(classes, before[old[known, 2].astype(int)])
    if not len(negatives):
        return old
    groups = np.array(negatives["image"].tolist(), dtype=str)
    names, numbers = np.unique(groups, return_inverse=True)
    opened = [Slide(resolve_image(slides, str(name)), slide_mpp) for name in names]
    scales = np.array([slide.scale(found.facts.get("mpp")) for slide in opened])
    points = (negatives[["x", "y"]].to_numpy() + 0.5) / scales[numbers, None] - 0.5
    side = found.X.shape[1]
    corners = grid_corners(points, np.zeros_like(points), side, 0.0)
    nobody = np.full_like(points, np.nan)
    listed = cells_of(cells, names, opened)
    new = listed.beside(classes, scales, numbers, nobody, corners, side)
    most = max(old.shape[1], new.shape[1])
    result = np.full((len(old) + len(new), most, 3), np.nan)
    result[: len(old), : old.shape[1]] = old
    result[len(old) :, : new.shape[1]] = new
    return result


def _join(path, first, second):
    """Write two arrays of images as one, without holding both in memory."""
    shape = (len(first) + len(second), *first.shape[1:])
    joined = np.lib.format.open_memmap(path, mode="w+", dtype=first.dtype, shape=shape)
    for start in range(0, len(first), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(first)))
        joined[part] = first[part]
    joined[len(first) :] = second
    joined.flush()


def _centers(found):
    if found.centers is not None:
        return found.centers
    height, width = found.X.shape[1:3]
    return np.tile([(width - 1) / 2, (height - 1) / 2], (len(found.X), 1))
