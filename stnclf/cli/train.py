"""The command ``train``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..persistence import save
from .common import (
    EXISTING,
    Command,
    about_file,
    check_output,
    examples,
    long_options,
    out_option,
    say,
    shows_progress,
)
from .methods import TITLES, build, method_options
from .patch_set import load_patches

__all__ = ["train"]


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf train patches --out model.safetensors --seed 0",
        "stnclf train patches --out cnn.safetensors --method cnn --epochs 100",
    ),
)
@click.argument("patches", type=EXISTING)
@out_option("Model file; .safetensors is the usual ending.")
@click.option(
    "--method",
    type=click.Choice(["stn", "cnn"]),
    default="stn",
    show_default=True,
    help="The spatial transformer network, or the plain CNN it is compared with.",
)
@click.option(
    "--stages", help="Comma-separated stages to train.  [default: classifier,localizer,joint]"
)
@method_options
@long_options
def train(patches, out, method, stages, overwrite, resume, progress, **options):
    """Train a model on PATCHES, as `stnclf patches` cut them."""
    checkpoint = Path(f"{out}.checkpoint")
    if not check_output(out, overwrite=overwrite, resume=resume, unfinished=[checkpoint]):
        return
    found = load_patches(patches)
    (estimator,) = build([method], found.facts, **options).values()
    how = {} if stages is None else {"stages": [name.strip() for name in stages.split(",")]}
    if not resume:
        checkpoint.unlink(missing_ok=True)
    estimator.set_params(checkpoint=os.fspath(checkpoint), verbose=shows_progress(progress))
    with about_file(patches):
        estimator.fit(found.X, found.y, centers=found.centers, **how)
    # What belongs to this run, and not to the model.
    estimator.set_params(checkpoint=None, verbose=0)
    save(estimator, out)
    checkpoint.unlink(missing_ok=True)
    epochs = len(estimator.history_)
    say(f"{out}: {TITLES[method]}, {len(found.X)} patches, {epochs} epochs")
