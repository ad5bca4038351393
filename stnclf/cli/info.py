"""The command ``info``."""

from __future__ import annotations

import json
import os

import click
import numpy as np

from .common import EXISTING, Command, column_option, count_labels, examples
from .messages import printable, show, write_data
from .patch_set import is_patch_set, load_patches
from .tables import needs_resolution, read_table, slides_option

__all__ = ["info"]


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
    ".ndpa",
    ".gz",
)


@click.command(
    cls=Command, epilog=examples("stnclf info slide.svs annotations.sqlite model.safetensors")
)
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a list with an object a file.")
@column_option
@slides_option
@click.option("--mpp", type=float, help="Micrometres per pixel, for positions in millimetres.")
def info(files, as_json, columns, slides, mpp):
    """Say what slides, annotation files, patches and model files hold."""
    how = {"columns": columns, "slides": slides, "mpp": mpp}
    found, used = zip(*(_facts(path, as_json, how) for path in files))
    if mpp is not None and not any(used):
        raise click.BadParameter("all files count in pixels.", param_hint="'--mpp'")
    found = [{"file": str(path), **facts} for path, facts in zip(files, found)]
    if as_json:
        write_data(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    for facts in found:
        card = facts.pop("card", None)
        width = max(map(len, facts))
        for name, value in facts.items():
            show(printable(f"{name:{width}}  {value}"))
        if card:
            show(f"\n{card.rstrip()}")
        click.echo()


def _facts(path, as_json, how):
    """Find what a file is by its name, and what it holds by looking; and whether mpp was used."""
    if (path.is_dir() or path.suffix.lower() in _TABLES) and not is_patch_set(path):
        return _annotation_facts(path, how)
    return _other_facts(path, as_json), False


def _annotation_facts(path, how):
    facts = {"kind": "annotations"}
    try:
        (table, used), unit = read_table(path, **how), "px"
    except ValueError as error:
        if not needs_resolution(error) or how["mpp"] is not None:
            raise
        (table, used), unit = read_table(path, **{**how, "mpp": 1.0}), "um"
    facts |= {"rows": len(table), "images": table["image"].nunique()}
    if len(table):
        corners = [f"{table[axis].agg(end):.10g}" for end in ("min", "max") for axis in "xy"]
        facts["positions"] = "{}, {} to {}, {} {} (x, y)".format(*corners, unit)
    return {**facts, "counts": count_labels(table["label"].tolist())}, used


def _other_facts(path, as_json):
    if is_patch_set(path):
        found = load_patches(path)
        facts = {"kind": "patches", "images": len(found.X), "shape": list(found.X.shape[1:])}
        facts |= {"slides": None if found.groups is None else len(np.unique(found.groups))}
        if found.centers is not None:
            facts["without a cell"] = int(np.isnan(found.centers).any(axis=1).sum())
        return {**facts, **found.facts, "counts": count_labels(found.y)}
    if path.suffix.lower() == ".safetensors":
        from ..persistence import load, model_card

        estimator = load(path)
        facts = {"kind": "model", "class": type(estimator).__name__}
        facts["classes"] = estimator.classes_.tolist()
        for name in ("image_shape", "patch_size", "cell_size"):
            facts[name] = list(getattr(estimator, f"{name}_"))
        facts["mpp"] = estimator.mpp
        if as_json:
            return facts
        return {**facts, "card": model_card(estimator)}
    from ..slides._readers import open_reader

    reader = open_reader(os.fspath(path))
    levels = range(len(reader.downsamples))
    return {
        "kind": "slide",
        "size": list(reader.size),
        "mpp": reader.mpp,
        "levels": [[*reader.level_size(i), reader.downsamples[i]] for i in levels],
    }
