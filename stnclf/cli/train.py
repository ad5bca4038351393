"""The command ``train``."""

from __future__ import annotations

import glob
import os
import re
from functools import partial

import click

from .._utils.errors import argument_error
from .._utils.identity import describe_file
from .._utils.lock import Lock
from .._utils.printable import counted
from .._utils.run import read_sidecar, write_sidecar
from .cautions import cautions_about_balance, slide_names
from .common import EXISTING, Command, examples, long_options, out_option, shows_progress
from .messages import about_file, say
from .methods import TITLES, build, method_options
from .outputs import beside, check_output, say_complete, target
from .patch_set import load_patches

__all__ = ["train"]

_COMPLETE = "is complete, but was made"


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
    unfinished = [path for paths in _begun(out).values() for path in paths]
    check_output(out, overwrite=overwrite, resume=resume, unfinished=unfinished)
    endings = [""] if ensemble is None else [f"-{i}-of-{ensemble}" for i in range(ensemble)]
    checkpoints = [beside(out, f".checkpoint{ending}") for ending in endings]
    made_of = {"patches": describe_file(patches)}
    found = load_patches(patches)
    (estimator,) = build([method], found.facts, **options).values()
    how = {} if stages is None else {"stages": [name.strip() for name in stages.split(",")]}
    made_of |= how
    slides = {"slides": slide_names(found.groups)}
    if ensemble is not None:
        from .members import folds_of_members

        made_of["ensemble"] = ensemble
        with about_file(patches):
            folds = folds_of_members(found, ensemble, options["random_state"])
    lock = Lock(target(out))
    try:
        begun = _begun(out)
        if resume:
            for other in begun.keys() - {ensemble}:
                raise _other_run(out, "was begun", _with_members(other), _with_members(ensemble))
        if resume and out.exists() and not begun:
            _check_same_model(out, estimator, ensemble)
            _check_same_inputs(out, made_of, stages=list(estimator._stages()))
            say_complete(out)
            return
        # Another run may have finished since the first look.
        check_output(out, overwrite=overwrite, resume=resume)
        if not resume:
            _remove(path for paths in begun.values() for path in paths)
        for caution in cautions_about_balance(found.y, [estimator]):
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


def _begun(out):
    """List the checkpoints beside a result by the --ensemble of their run, None without one."""
    single, found = beside(out, ".checkpoint"), {}
    pattern = re.compile(rf"{re.escape(single.name)}(-\d+(?:-of-(\d+))?)?")
    for path in sorted(single.parent.glob(f"{glob.escape(single.name)}*")):
        match = pattern.fullmatch(path.name)
        if match is not None:
            # An older version named no number of members: 0.
            members = None if match[1] is None else int(match[2] or 0)
            found.setdefault(members, []).append(path)
    return found


def _remove(checkpoints):
    for path in checkpoints:
        path.unlink(missing_ok=True)
        # Of a run that was killed; nobody else writes here, for the lock of the result is ours.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)


def _with_members(ensemble):
    if ensemble is None:
        return "without --ensemble"
    return f"with --ensemble {ensemble}" if ensemble else "with --ensemble by an older version"


def _other_run(out, state, there, here):
    """Make the error that what is there is of another run."""
    return argument_error(
        "out",
        f"{out} {state} {there}, and this run is {here}; resume with the same, or begin anew.",
    )


def _check_same_inputs(out, made_of, **default):
    """Refuse a model that is complete, but of other patches or stages, if it is known of which."""
    there = read_sidecar(target(out))
    if there is None:
        return
    for name in ("patches", "stages", "ensemble"):
        if there.get(name, default.get(name)) != made_of.get(name, default.get(name)):
            raise argument_error(
                "out",
                f"{out} is complete, but was made with other {name}; resume with the same, or "
                "begin anew.",
            )


def _check_same_model(out, estimator, ensemble):
    """Refuse a model that is complete, but of other parameters."""
    from ..baseline import CiresanBaseline
    from ..ensemble import Ensemble
    from ..persistence import load

    there, here = load(out), estimator
    members = len(there.estimators) if isinstance(there, Ensemble) else None
    if members != ensemble:
        raise _other_run(out, _COMPLETE, _with_members(members), _with_members(ensemble))
    there = there if members is None else there.estimators[0]
    if type(there) is not type(here):
        names = ["cnn" if isinstance(one, CiresanBaseline) else "stn" for one in (there, here)]
        raise _other_run(out, _COMPLETE, *(f"with --method {name}" for name in names))
    old, new = there.get_params(deep=False), here.get_params(deep=False)
    free = ("callbacks", "checkpoint", "device", "init", "verbose", "warm_start")
    other = [name for name in new if name not in free and repr(old[name]) != repr(new[name])]
    if other:
        raise argument_error(
            "out",
            f"{out} is complete, but was made with another {other[0]} (was "
            f"{old[other[0]]!r}, is {new[other[0]]!r}); resume with the same, or begin anew.",
        )
