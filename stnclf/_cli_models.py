"""The commands about models: ``train``, ``evaluate``, ``predict``."""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from ._cli_common import (
    Command,
    about_file,
    check_jobs,
    check_output,
    examples,
    long_options,
    on_cluster,
    out_option,
    say,
    shows_progress,
)
from ._cli_methods import TITLES, build, method_options
from ._crossval import answers, make_folds, run_folds, scores_of
from ._patch_set import is_patch_set, load_patches
from ._utils.files import write_atomically
from ._utils.images import load_images
from ._utils.optional import import_pandas
from ._utils.progress import Progress, _kept
from ._version import __version__
from .persistence import load, save
from .report import classification_table, summary_table, write_report

__all__ = ["evaluate", "predict", "train"]

_EXISTING = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

#: Images at a time; a run that goes on has whole ones.
_CHUNK = 256


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf train patches --out model.safetensors --seed 0",
        "stnclf train patches --out cnn.safetensors --method cnn --epochs 100",
    ),
)
@click.argument("patches", type=_EXISTING)
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


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf evaluate patches --method stn --method cnn --out scores.json",
        "stnclf evaluate other_patches --model model.safetensors",
    ),
)
@click.argument("patches", type=_EXISTING)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(list(TITLES)),
    help="What is trained; may be repeated.  [default: stn]",
)
@click.option("--model", type=_FILE, help="A model to evaluate as it is, without training.")
@click.option(
    "--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Number of folds."
)
@out_option("JSON file for all scores.", required=False)
@click.option(
    "--report", type=click.Path(path_type=Path), help="HTML page with scores, plots and a gallery."
)
@click.option(
    "--jobs", type=int, default=1, show_default=True, callback=check_jobs, help="Folds at a time."
)
@click.option("--scheduler", metavar="ADDRESS", help="Run the folds on a Dask cluster.")
@method_options
@long_options
def evaluate(
    patches,
    methods,
    model,
    folds,
    out,
    report,
    jobs,
    scheduler,
    overwrite,
    resume,
    progress,
    **options,
):
    """Cross-validate on PATCHES, with no slide on both sides; or evaluate a model on them.

    The table has every class; the results of all folds are pooled.
    """
    if resume and out is None:
        raise click.UsageError("--resume needs --out: the folds that are done lie beside it.")
    if out is not None and not check_output(
        out, overwrite=overwrite, resume=resume, unfinished=[f"{out}.progress"]
    ):
        return
    if report is not None:
        check_output(report, overwrite=overwrite or resume, option="--report")
    found = load_patches(patches)
    if _all_in_the_middle(found):
        say("all cells are in the middle; cut with --max-offset to see how well they are found")
    settings = {"patches": str(patches), "stnclf": __version__}
    if model is not None:
        if methods:
            raise click.UsageError("--model and --method exclude each other.")
        estimator = load(model, options["device"])
        classes = np.union1d(estimator.classes_, found.y)
        with about_file(patches):
            parts = [answers(estimator, found.X, np.arange(len(found.X)), classes)]
        scored = {model.stem: scores_of(parts, found, classes)}
        settings |= {"model": str(model)}
    else:
        methods = list(dict.fromkeys(methods or ["stn"]))
        estimators = build(methods, found.facts, **options)
        seed = options["random_state"]
        splits = make_folds(found.y, found.groups, folds, seed)
        parameters = {name: repr(est.get_params()) for name, est in estimators.items()}
        header = {"folds": folds, "seed": seed, "parameters": parameters, "data": _digest(found)}
        classes = np.unique(found.y)
        progress_file = Progress(None if out is None else os.path.abspath(out), header, resume)
        with on_cluster(scheduler), about_file(patches), _kept(progress_file):
            run_folds(
                patches.absolute(),
                list(estimators.values()),
                splits,
                classes,
                progress_file,
                n_jobs=-1 if scheduler else jobs,
                verbose=shows_progress(progress),
            )
        parts = [cells for _, cells in progress_file.in_order()]
        scored = {
            TITLES[method]: scores_of(parts[i * folds : (i + 1) * folds], found, classes)
            for i, method in enumerate(methods)
        }
        settings |= {"folds": folds, "seed": seed, "parameters": parameters}
    results = {name: scores for name, (scores, _) in scored.items()}
    click.echo(classification_table(results))
    click.echo()
    click.echo(summary_table(results))
    if report is not None:
        write_report(
            report,
            results,
            predictions={name: predictions for name, (_, predictions) in scored.items()},
            y_true=found.y,
            X=found.X,
            centers=found.centers,
            labels=classes,
            patch_size=options["patch_size"] or found.facts.get("size"),
            notes={name: str(value) for name, value in settings.items() if name != "parameters"},
        )
    if out is not None:
        text = json.dumps({**settings, "results": results}, indent=2, ensure_ascii=False) + "\n"
        write_atomically(out, text.encode())
        Path(f"{out}.progress").unlink(missing_ok=True)
    best = max(results, key=lambda name: results[name]["macro_f1"])
    score = results[best]["macro_f1"]
    say(f"{out or patches}: {len(found.X)} patches; macro F1 {score:.3f} ({best})")


def _all_in_the_middle(found):
    if found.centers is None:
        return True
    middle = (np.array(found.X.shape[2:0:-1]) - 1) / 2
    return np.abs(found.centers - middle).max() <= 1


def _digest(found):
    """Tell patches apart, by their labels and a few of their pixels."""
    digest = hashlib.sha256(repr([found.X.shape, found.y.tolist()]).encode())
    digest.update(np.ascontiguousarray(found.X[:: max(1, len(found.X) // 16)]).tobytes())
    return digest.hexdigest()


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf predict model.safetensors cells/ --out cells.csv",
        "stnclf predict model.safetensors a.png b.png --out cells.csv",
    ),
)
@click.argument("model", type=_FILE)
@click.argument("inputs", nargs=-1, required=True, type=_EXISTING)
@out_option("CSV file for one row an image.")
@click.option("--device", help="cpu, cuda or cuda:N.  [default: as in MODEL]")
@long_options
def predict(model, inputs, out, device, overwrite, resume, progress):
    """Name the cells in INPUTS: patches, image files, or folders of image files.

    The table has the class, a probability for each class, and where the cell is in the image.
    """
    unfinished = [f"{out}.progress"]
    if not check_output(out, overwrite=overwrite, resume=resume, unfinished=unfinished):
        return
    estimator = load(model, device)
    names, n_images, read, columns = _images(inputs, estimator.image_shape_[2])
    header = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), "images": names}
    kept = Progress(os.path.abspath(out), header, resume)
    with _kept(kept):
        _predict_all(estimator, n_images, read, kept, shows_progress(progress))
    cells = np.concatenate([part for _, part in kept.in_order()])
    classes = estimator.classes_
    best = cells[:, 2:].argmax(axis=1)
    table = {
        **columns,
        "x": cells[:, 0],
        "y": cells[:, 1],
        "label": classes[best],
        "probability": cells[:, 2:].max(axis=1),
    }
    for name, column in zip(classes.tolist(), cells[:, 2:].T):
        table[f"probability_{name}"] = column
    text = import_pandas().DataFrame(table).to_csv(index=False, lineterminator="\n")
    kept.finish(text.encode())
    numbers = np.bincount(best, minlength=len(classes))
    counts = ", ".join(f"{n} {label}" for label, n in zip(classes, numbers))
    say(f"{out}: {len(cells)} images ({counts})")


def _predict_all(estimator, n_images, read, kept, verbose):
    """Predict chunk by chunk; a row is (x, y) of the cell and a probability for each class."""
    starts = range(0, n_images, _CHUNK)
    done = sum(map(len, kept.cells.values()))
    with tqdm(total=n_images, initial=done, unit="image", disable=not verbose) as bar:
        for number, start in enumerate(starts):
            if number not in kept.cells:
                X, path = read(slice(start, min(start + _CHUNK, n_images)))
                with about_file(path):
                    cells = [estimator.transform(X), estimator.predict_proba(X)]
                kept.add(number, np.concatenate(cells, axis=1), partial(bar.update, len(X)))


def _images(inputs, n_channels):
    """Give names of images, how many, a function that reads some, and columns of the table."""
    if len(inputs) == 1 and is_patch_set(inputs[0]):
        found = load_patches(inputs[0])
        images = np.arange(len(found.X)) if found.groups is None else found.groups
        names = [str(inputs[0]), len(found.X), _digest(found)]
        columns = {"row": np.arange(len(found.X)), "image": images, "annotated": found.y}
        return names, len(found.X), lambda rows: (found.X[rows], inputs[0]), columns
    paths = []
    for path in inputs:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        chosen = [p for p in inside if p == path or p.suffix.lower() in _IMAGES]
        if not chosen:
            raise ValueError(f"{path}: a folder without patches or images.")
        paths += chosen
    names = [os.fspath(path) for path in paths]

    def read(rows):
        first = names[rows.start]
        try:
            return load_images(names[rows], n_channels), first
        except ValueError as error:
            raise ValueError(str(error).replace("but X[0] is", f"but {first!r} is")) from error

    return names, len(names), read, {"image": names}
