"""The command ``evaluate``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import numpy as np

from .._utils.files import write_atomically
from .._utils.progress import Progress, kept
from .._version import __version__
from ..persistence import load
from ..report import classification_table, summary_table, write_report
from .common import (
    EXISTING,
    FILE,
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
from .crossval import answers, make_folds, mean_history, run_folds, scores_of
from .methods import TITLES, build, method_options, patch_size_of
from .patch_set import digest, load_patches

__all__ = ["evaluate"]


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf evaluate patches --method stn --method cnn --out scores.json",
        "stnclf evaluate other_patches --model model.safetensors",
    ),
)
@click.argument("patches", type=EXISTING)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(list(TITLES)),
    help="What is trained; may be repeated.  [default: stn]",
)
@click.option("--model", type=FILE, help="A model to evaluate as it is, without training.")
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
        histories, patch_size = {model.stem: estimator.history_}, estimator.patch_size_
    else:
        methods = list(dict.fromkeys(methods or ["stn"]))
        estimators = build(methods, found.facts, **options)
        seed = options["random_state"]
        splits = make_folds(found.y, found.groups, folds, seed)
        parameters = {name: repr(est.get_params()) for name, est in estimators.items()}
        header = {"folds": folds, "seed": seed, "parameters": parameters, "data": digest(found)}
        classes = np.unique(found.y)
        progress_file = Progress(None if out is None else os.path.abspath(out), header, resume)
        with on_cluster(scheduler), about_file(patches), kept(progress_file):
            run_folds(
                patches.absolute(),
                list(estimators.values()),
                splits,
                classes,
                progress_file,
                n_jobs=-1 if scheduler else jobs,
                verbose=shows_progress(progress),
            )
        scored, histories = {}, {}
        for i, method in enumerate(methods):
            numbers = range(i * folds, (i + 1) * folds)
            parts = [progress_file.cells[number] for number in numbers]
            scored[TITLES[method]] = scores_of(parts, found, classes)
            numbers = [len(methods) * folds + number for number in numbers]
            if trained := [p for k in numbers if (p := progress_file.cells.get(k)) is not None]:
                histories[f"{TITLES[method]}, mean of {len(trained)} folds"] = mean_history(trained)
        patch_size = patch_size_of(estimators[methods[0]])
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
            patch_size=patch_size,
            histories=histories or None,
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
