"""The command ``info``."""

from __future__ import annotations

import json
import os

import click
import numpy as np

from ..annotations import read_annotations
from ..persistence import load, model_card
from ..slides._readers import open_reader
from .common import EXISTING, Command, column_option, count_labels, examples
from .patch_set import is_patch_set, load_patches

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
)


@click.command(
    cls=Command, epilog=examples("stnclf info slide.svs annotations.sqlite model.safetensors")
)
@click.argument("files", nargs=-1, required=True, type=EXISTING)
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
        return {**facts, **found.facts, "counts": count_labels(found.y)}
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
        return {**facts, "counts": count_labels(table["label"].tolist())}
    reader = open_reader(os.fspath(path))
    levels = range(len(reader.downsamples))
    return {
        "kind": "slide",
        "size": list(reader.size),
        "mpp": reader.mpp,
        "levels": [[*reader.level_size(i), reader.downsamples[i]] for i in levels],
    }
