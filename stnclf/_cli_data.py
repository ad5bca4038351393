"""The commands about files: ``info``, ``patches``, ``export``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import numpy as np

from ._cli_common import (
    Command,
    about_file,
    check_jobs,
    check_output,
    choose_labels,
    column_option,
    examples,
    long_options,
    out_option,
    overwrite_option,
    say,
    shows_progress,
)
from ._patch_set import FILES, is_patch_set, load_patches, save_npz, save_others
from ._slide_readers import open_reader
from ._utils.optional import import_pandas
from ._version import __version__
from .annotations import read_annotations, write_annotations
from .annotations._io import READ, WRITE
from .persistence import load, model_card
from .slides import extract_patches

__all__ = ["export", "info", "patches", "read_tables"]

_EXISTING = click.Path(exists=True, path_type=Path)
_TABLES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".geojson",
    ".xml",
    ".sqlite",
    ".sqlite3",
    ".db",
    ".mat",
)


def read_tables(paths, format="auto", **how):
    """Read one or more tables of annotations or detections as one."""
    tables = [read_annotations(path, format, **how) for path in paths]
    return tables[0] if len(tables) == 1 else import_pandas().concat(tables, ignore_index=True)


@click.command(
    cls=Command, epilog=examples("stnclf info slide.svs annotations.sqlite model.safetensors")
)
@click.argument("files", nargs=-1, required=True, type=_EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a list with an object a file.")
@column_option
def info(files, as_json, columns):
    """Say what slides, annotation files, patches and model files hold."""
    found = [{"file": str(path), **_facts(path, as_json, columns)} for path in files]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for facts in found:
        card = facts.pop("card", None)
        width = max(map(len, facts))
        for name, value in facts.items():
            click.echo(f"{name:{width}}  {value}")
        if card:
            click.echo(f"\n{card}", nl=False)
        click.echo()


def _facts(path, as_json, columns):
    """Tell what a file is by its name, and what it holds by looking."""
    if is_patch_set(path):
        found = load_patches(path)
        facts = {"kind": "patches", "images": len(found.X), "shape": list(found.X.shape[1:])}
        facts |= {"slides": None if found.groups is None else len(np.unique(found.groups))}
        return {**facts, **found.facts, "counts": _counts(found.y)}
    if path.suffix.lower() == ".safetensors":
        estimator = load(path)
        facts = {"kind": "model", "class": type(estimator).__name__}
        facts["classes"] = estimator.classes_.tolist()
        for name in ("image_shape", "patch_size", "cell_size"):
            facts[name] = list(getattr(estimator, f"{name}_"))
        facts["mpp"] = estimator.mpp
        if as_json:
            return facts
        return {**facts, "card": model_card(estimator)}
    if path.is_dir() or path.suffix.lower() in _TABLES:
        table = read_annotations(path, columns=columns)
        facts = {"kind": "annotations", "rows": len(table), "images": table["image"].nunique()}
        return {**facts, "counts": _counts(table["label"].tolist())}
    reader = open_reader(os.fspath(path))
    levels = range(len(reader.downsamples))
    return {
        "kind": "slide",
        "size": list(reader.size),
        "mpp": reader.mpp,
        "levels": [[*reader.level_size(i), reader.downsamples[i]] for i in levels],
    }


def _counts(labels):
    """Count each class; what has none stands under an empty name."""
    names = ["" if label is None or label != label else str(label) for label in labels]
    return {name: names.count(name) for name in sorted(set(names))}


@click.command(
    cls=Command,
    epilog=examples("stnclf patches cells.sqlite slides/ --out patches --size 128 --mpp 0.25"),
)
@click.argument("annotations", type=_EXISTING)
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@out_option("Folder for the patches, or a file that ends with .npz.")
@click.option("--size", type=int, default=128, show_default=True, help="Side of the patch in px.")
@click.option("--cell-size", type=int, help="Side of the cell's window in px.  [default: half]")
@click.option("--image-size", type=int, help="Side of the images, with context around the patch.")
@click.option(
    "--mpp", type=float, help="Micrometres per pixel of the patches.  [default: as level 0]"
)
@click.option("--slide-mpp", type=float, help="Micrometres per pixel of the slides themselves.")
@click.option(
    "--max-offset",
    type=float,
    default=0.0,
    show_default=True,
    help="Largest random distance in px of a cell from the middle.",
)
@click.option("--label", "labels", multiple=True, help="Only this class; may be repeated.")
@click.option(
    "--from", "format", type=click.Choice(["auto", *READ]), default="auto", help="Kind of the file."
)
@click.option("--image", help="Name of the image, for a table that does not say it.")
@column_option
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the offsets.")
@click.option(
    "--jobs", type=int, default=1, show_default=True, callback=check_jobs, help="Threads."
)
@long_options
def patches(
    annotations,
    root,
    out,
    labels,
    format,
    image,
    columns,
    seed,
    jobs,
    overwrite,
    resume,
    progress,
    **how,
):
    """Cut patches around the cells of ANNOTATIONS, whose slides lie below ROOT.

    Cells without a class, those on which annotators disagree for example, are left out.
    """
    work = Path(f"{out}.part")
    if not check_output(out, overwrite=overwrite, resume=resume, unfinished=[work]):
        return
    _check_ours(out)
    _check_ours(work)
    table = read_annotations(annotations, format, image=image, columns=columns)
    n_rows = len(table)
    table = table[table["label"].notna()]
    wanted = choose_labels(labels, sorted(set(table["label"])))
    if wanted:
        table = table[table["label"].isin(wanted)]
    table = table.reset_index(drop=True)
    if not resume:
        _remove(work)
    work.mkdir(exist_ok=True)
    try:
        if not (work / "patches.json").exists():
            with about_file(annotations):
                X, y, centers, groups = extract_patches(
                    table,
                    root,
                    out=work / "X.npy",
                    resume=resume,
                    n_jobs=jobs,
                    random_state=seed,
                    verbose=shows_progress(progress),
                    **how,
                )
            facts = {"stnclf": __version__, **how, "image_size": X.shape[1], "seed": seed}
            facts["cell_size"] = how["cell_size"] or how["size"] // 2
            facts["mpp"] = how["mpp"] or how["slide_mpp"] or _resolution(root, set(groups))
            save_others(work, y, centers, groups, facts)
    finally:
        if not any(work.iterdir()):
            work.rmdir()
    if out.suffix.lower() == ".npz":
        save_npz(out, work)
        _remove(work)
    else:
        _remove(out)
        os.replace(work, out)
    found = load_patches(out)
    counts = ", ".join(f"{n} {name}" for name, n in _counts(found.y).items())
    text = f"{out}: {len(found.X)} patches of {found.X.shape[1]} px ({counts})"
    n_out = n_rows - len(table)
    say(f"{text}; {n_out} of {n_rows} rows left out" if n_out else text)


def _resolution(root, names):
    """Micrometres per pixel of level 0, if they are known and the same on all slides."""
    found = {open_reader(os.fspath(root / name)).mpp for name in names}
    return found.pop() if len(found) == 1 else None


def _check_ours(folder):
    """Refuse a folder that holds anything but patches: it is going to be removed."""
    if folder.is_symlink():
        raise click.BadParameter(f"'{folder}' is a link.", param_hint="'--out'")
    if folder.is_dir():
        known = {*FILES, "X.npy.part", "X.npy.progress"}
        others = [path.name for path in folder.iterdir() if path.name not in known]
        if others:
            raise click.BadParameter(
                f"'{folder}' is a folder with other files ({sorted(others)[0]!r}).",
                param_hint="'--out'",
            )


def _remove(path):
    """Remove patches, if there are any."""
    if path.is_dir():
        for name in path.iterdir():
            name.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf export slide.csv --out slide.geojson --label 'mitotic figure'",
        "stnclf export detections/*.csv --out all.json --to midog",
    ),
)
@click.argument("tables", nargs=-1, required=True, type=_EXISTING)
@out_option("File to write; the ending says what: .geojson, .csv, .sqlite ... (see --to).")
@click.option(
    "--to", type=click.Choice(["auto", *WRITE]), default="auto", help="What to write, if not so."
)
@click.option(
    "--from", "format", type=click.Choice(["auto", *READ]), default="auto", help="What TABLES are."
)
@click.option("--label", "labels", multiple=True, help="Only this class; may be repeated.")
@click.option("--min-probability", type=float, help="Only cells of at least this probability.")
@click.option("--image", help="Only cells of this image; or its name, if the table has none.")
@column_option
@click.option(
    "--size", type=float, default=50.0, show_default=True, help="Side in px of boxes around cells."
)
@click.option("--color", "colors", multiple=True, metavar="LABEL=#RRGGBB", help="Of a class.")
@click.option(
    "--as",
    "object_type",
    type=click.Choice(["detection", "annotation"]),
    default="detection",
    show_default=True,
    help="What the cells are to QuPath.",
)
@click.option("--mpp", type=float, help="Micrometres per pixel, for grand-challenge.")
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
    overwrite,
):
    """Write detections or annotations in the format of another program."""
    check_output(out, overwrite=overwrite)
    table = _named(tables, format, image, columns=columns, mpp=mpp)
    wanted = choose_labels(labels, sorted(set(table["label"].dropna())))
    if wanted:
        table = table[table["label"].isin(wanted)]
    if min_probability is not None:
        if "probability" not in table:
            raise click.BadParameter(
                f"'{tables[0]}' has no column probability.", param_hint="'--min-probability'"
            )
        table = table[table["probability"] >= min_probability]
    pairs = {}
    for text in colors:
        label, _, color = text.rpartition("=")
        if not label:
            raise click.BadParameter(f"got '{text}', wants LABEL=#RRGGBB.", param_hint="'--color'")
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
            mpp=mpp,
            overwrite=overwrite,
        )
    except ValueError as error:
        text = str(error).replace("format must be", "--to must be")
        text = text.replace("write one file each, with table.groupby('image')", "choose by --image")
        raise ValueError(f"{out}: {text}") from error
    say(f"{out}: {len(table)} rows")


def _named(tables, format, image, **how):
    """Read the tables; `image` selects where they name images, and names it where they do not."""
    try:
        table = read_tables(tables, format, **how)
    except ValueError:
        if image is None:
            raise
        return read_tables(tables, format, image=image, **how)
    if image is None:
        return table
    names = sorted(set(table["image"]))
    if image not in names:
        raise click.BadParameter(
            f"'{image}' is none of {', '.join(map(repr, names[:5]))}.", param_hint="'--image'"
        )
    return table[table["image"] == image]
