"""The command ``train``."""

from __future__ import annotations

import os
from functools import partial

import click

from .._utils.errors import argument_error
from .._utils.identity import describe_file
from .._utils.lock import Lock
from .._utils.printable import counted
from .._utils.run import read_sidecar, write_sidecar
from .cautions import caution_about_balance, slide_names
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
        "stnclf train patches --out ensemble.safetensors --ensemble 5",
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
@click.option(
    "--ensemble",
    type=click.IntRange(min=2),
    metavar="N",
    help="Train N models, each without the slides of one fold of N; they predict as one.",
)
@method_options
@long_options
def train(patches, out, method, stages, ensemble, overwrite, resume, progress, **options):
    """Train a model on PATCHES, as `stnclf patches` cut them.

    The models of an ensemble are those of `stnclf evaluate` with as many folds and the same seed.
    It takes as much time, and N times that of one model to predict.
    """
    endings = [""] if ensemble is None else [f"-{i}" for i in range(ensemble)]
    checkpoints = [beside(out, f".checkpoint{ending}") for ending in endings]
    check_output(out, overwrite=overwrite, resume=resume, unfinished=checkpoints)
    made_of = {"patches": describe_file(patches)}
    found = load_patches(patches)
    (estimator,) = build([method], found.facts, **options).values()
    how = {} if stages is None else {"stages": [name.strip() for name in stages.split(",")]}
    made_of |= how
    slides = {"slides": slide_names(found.groups)}
    if ensemble is not None:
        from .members import folds_of_members

        made_of["ensemble"] = ensemble
        folds = folds_of_members(found, ensemble, options["random_state"])
    lock = Lock(target(out))
    try:
        if resume and out.exists() and not any(path.exists() for path in checkpoints):
            _check_same_model(out, estimator, ensemble)
            _check_same_inputs(out, made_of)
            say_complete(out)
            return
        # Another run may have finished since the first look.
        check_output(out, overwrite=overwrite, resume=resume)
        if not resume:
            _remove(checkpoints)
        caution = caution_about_balance(found.y, getattr(estimator, "balance", False))
        if caution is not None:
            say(f"caution: {caution}")
        fit = partial(_fit, estimator, found, how, progress, patches)
        if ensemble is None:
            model, score = fit(slice(None), checkpoints[0]), ""
        else:
            from ..ensemble import Ensemble
            from .members import train_members

            members, held_out = train_members(fit, found, folds, checkpoints)
            model = Ensemble(members)
            score = f"; balanced accuracy {held_out.balanced_accuracy():.3f} on folds held out"
        _save(model, out, made_of | slides, lock)
        _remove(checkpoints)
    finally:
        lock.release()
    what = TITLES[method] if ensemble is None else f"ensemble of {ensemble}, {TITLES[method]}"
    epochs = len(getattr(model, "estimators", [model])[0].history_)
    counts = f"{counted(len(found.X), 'patch', 'patches')}, {counted(epochs, 'epoch')}"
    say(f"{out}: {what}, {counts}{score}")


def _fit(estimator, found, how, progress, patches, rows, checkpoint):
    """Train a copy of an estimator on some rows."""
    from sklearn.base import clone

    from .training_lines import TrainingLines

    model = clone(estimator)
    model.set_params(checkpoint=os.fspath(checkpoint), verbose=shows_progress(progress))
    if progress is None and not model.verbose:  # nobody sees a bar
        model.set_params(callbacks=[TrainingLines()])
    with about_file(patches):
        model.fit(found.X[rows], found.y[rows], **found.known_of(rows, model), **how)
    # What belongs to this run, and not to the model.
    return model.set_params(checkpoint=None, verbose=0, callbacks=None)


def _save(model, out, made_of, lock):
    from ..persistence import save

    lock.check()
    save(model, out)
    write_sidecar(target(out), made_of)


def _remove(checkpoints):
    for path in checkpoints:
        path.unlink(missing_ok=True)


def _check_same_inputs(out, made_of):
    """Refuse a model that is complete, but of other patches or stages, if it is known of which."""
    there = read_sidecar(target(out))
    if there is None:
        return
    for name in ("patches", "stages", "ensemble"):
        if there.get(name) != made_of.get(name):
            raise argument_error(
                "out",
                f"{out} is complete, but was made with other {name}; resume with the same, or "
                "begin anew.",
            )


def _check_same_model(out, estimator, ensemble):
    """Refuse a model that is complete, but of other parameters."""
    from ..ensemble import Ensemble
    from ..persistence import load

    there, here = load(out), estimator
    if isinstance(there, Ensemble) and len(there.estimators) == ensemble:
        there = there.estimators[0]
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
