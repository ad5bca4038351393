"""The command ``train``."""

from __future__ import annotations

import os

import click

from .._utils.errors import argument_error
from .._utils.identity import describe_file
from .._utils.lock import Lock
from .._utils.run import read_sidecar, write_sidecar
from .common import EXISTING, Command, examples, long_options, out_option, shows_progress
from .messages import about_file, say
from .methods import TITLES, build, method_options
from .outputs import beside, check_output, say_complete, target
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
    from ..persistence import save
    from .training_lines import TrainingLines

    checkpoint = beside(out, ".checkpoint")
    check_output(out, overwrite=overwrite, resume=resume, unfinished=[checkpoint])
    made_of = {"patches": describe_file(patches)}
    found = load_patches(patches)
    (estimator,) = build([method], found.facts, **options).values()
    how = {} if stages is None else {"stages": [name.strip() for name in stages.split(",")]}
    made_of |= how
    lock = Lock(target(out))
    try:
        if resume and out.exists() and not checkpoint.exists():
            _check_same_model(out, estimator)
            _check_same_inputs(out, made_of)
            say_complete(out)
            return
        # Another run may have finished since the first look.
        check_output(out, overwrite=overwrite, resume=resume)
        if not resume:
            checkpoint.unlink(missing_ok=True)
        estimator.set_params(checkpoint=os.fspath(checkpoint), verbose=shows_progress(progress))
        if progress is None and not estimator.verbose:  # nobody sees a bar
            estimator.set_params(callbacks=[TrainingLines()])
        with about_file(patches):
            estimator.fit(found.X, found.y, centers=found.centers, **how)
        # What belongs to this run, and not to the model.
        estimator.set_params(checkpoint=None, verbose=0, callbacks=None)
        lock.check()
        save(estimator, out)
        write_sidecar(target(out), made_of)
        checkpoint.unlink(missing_ok=True)
    finally:
        lock.release()
    epochs = len(estimator.history_)
    say(f"{out}: {TITLES[method]}, {len(found.X)} patches, {epochs} epochs")


def _check_same_inputs(out, made_of):
    """Refuse a model that is complete, but of other patches or stages, if it is known of which."""
    there = read_sidecar(target(out))
    if there is None:
        return
    for name in ("patches", "stages"):
        if there.get(name) != made_of.get(name):
            raise argument_error(
                "out",
                f"{out} is complete, but was made with other {name}; resume with the same, or "
                "begin anew.",
            )


def _check_same_model(out, estimator):
    """Refuse a model that is complete, but of other parameters."""
    from ..persistence import load

    there, here = load(out), estimator
    if type(there) is not type(here):
        raise argument_error("out", f"{out} is complete, but a {type(there).__name__}; begin anew.")
    old, new = there.get_params(deep=False), here.get_params(deep=False)
    free = ("callbacks", "checkpoint", "device", "init", "verbose", "warm_start")
    other = [name for name in new if name not in free and repr(old[name]) != repr(new[name])]
    if other:
        raise argument_error(
            "out",
            f"{out} is complete, but was made with another {other[0]} (was "
            f"{old[other[0]]!r}, is {new[other[0]]!r}); resume with the same, or begin anew.",
        )
