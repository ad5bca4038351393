"""The command ``evaluate``."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from .._utils.identity import describe_file, run_identity
from .._utils.printable import counted, printable
from .._version import __version__
from .cautions import (
    all_in_the_middle,
    caution_about_classes,
    cautions_about_balance,
    cautions_about_model,
    cautions_about_scores,
)
from .common import (
    EXISTING,
    FILE,
    POSITIVE,
    Command,
    check_counts,
    column_option,
    examples,
    given_options,
    jobs_option,
    long_options,
    on_cluster,
    out_option,
    shows_progress,
)
from .domains import domains_of
from .messages import about_file, say, show
from .methods import TITLES, build, method_options, patch_size_of
from .outputs import PAGES, beside, check_output, replacing_only_if, say_complete, target
from .patch_set import load_patches
from .resolutions import say_override, slides_below
from .tables import format_option

__all__ = ["evaluate"]

#: Options that say how to evaluate, not how to train.
_USED_WITH_A_MODEL = ("out", "report", "overwrite", "resume", "progress", "device", "model")
_USED_WITH_A_MODEL += ("domain", "slide_table")


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf evaluate patches --method stn --method cnn --out scores.json",
        "stnclf evaluate patches --domain scanner --slide-table slides.csv",
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
    "--domain",
    metavar="COLUMN",
    help="Scores by domain, too: COLUMN of --slide-table, or image for each slide.",
)
@click.option(
    "--slide-table",
    type=FILE,
    help="CSV file with a row for each slide: column image, its name, and COLUMN, its scanner or "
    "laboratory, for example.",
)
@click.option(
    "--detect",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the slides: scan those that did not train, and score what is found there.",
)
@click.option("--annotations", type=EXISTING, help="All cells of these slides, for --detect.")
@format_option("Format of --annotations.")
@column_option
@click.option(
    "--slide-mpp", type=POSITIVE, help="Micrometres per pixel of these slides themselves."
)
@click.option(
    "--radius",
    "radius_um",
    type=POSITIVE,
    default=7.5,
    show_default=True,
    help="Largest distance in micrometres of a detection from its cell.",
)
@jobs_option("Folds at a time, with --detect tiles")
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
    domain,
    slide_table,
    detect,
    annotations,
    format,
    columns,
    slide_mpp,
    radius_um,
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
    from .._utils.progress import Progress

    if resume and out is None:
        raise click.UsageError("--resume needs --out: the folds that are done lie beside it.")
    if model is not None:
        _refuse_unused(_USED_WITH_A_MODEL)
    if slide_table is not None and domain is None:
        raise click.UsageError("--slide-table needs --domain: which of its columns counts.")
    if (detect is None) != (annotations is None):
        raise click.UsageError("--detect and --annotations go together.")
    if detect is None:
        check_counts("--detect", "radius_um", "slide_mpp", "format", "columns")
    if out is not None:
        unfinished = [beside(out, ".progress"), beside(out, ".folds")]
        check_output(
            out, overwrite=overwrite, resume=resume, unfinished=unfinished, endings=("", ".json")
        )
    if report is not None:
        allowed = overwrite or resume
        check_output(report, overwrite=allowed, option="--report", endings=PAGES)
    found = load_patches(patches)
    _check_patches(found, patches, is_shown=report is not None and detect is None)
    if detect is not None:
        if model is not None or domain is not None:
            raise click.UsageError("--detect excludes --model and --domain.")
        where = detect, annotations, {"format": format, "columns": columns}, slide_mpp, radius_um
        how = {"methods": list(dict.fromkeys(methods or ["stn"])), "folds": folds, "jobs": jobs}
        how |= {"scheduler": scheduler, "overwrite": overwrite, "resume": resume, "report": report}
        _detect(patches, found, out, where, options, **how)
        return
    domains = None if domain is None else domains_of(found, domain, slide_table)
    centred, cautions = all_in_the_middle(found), []
    if centred:
        say("all cells are in the middle; cut with --max-offset to see how well they are found")
    if model is not None:
        job = _OneModel(model, patches, found, options["device"])
    else:
        how = {"jobs": jobs, "scheduler": scheduler, "progress": progress}
        job = _Folds(methods, folds, patches, found, options, how)
    what = dict(job.what)
    if domain is not None:
        what["domain"] = domain
        if slide_table is not None:
            what["slide_table"] = describe_file(slide_table)
    made_of = describe_file(patches)
    header = run_identity("evaluate", __version__, patches=made_of, **what)
    with (
        replacing_only_if(overwrite),
        Progress(target(out), header, resume, lambda: _read_run(out)) as run,
    ):
        if run.complete:
            say_complete(out)
            return
        if out is not None:  # what an unfinished run with --detect has left
            shutil.rmtree(beside(out, ".folds"), ignore_errors=True)
        _say_cautions(job.cautions)  # before what takes long
        scored, histories = job.score(run, domains)
        # All files first: whoever listens on standard output may be gone.
        results = {name: scores for name, (scores, _) in scored.items()}
        if model is not None:
            cautions += cautions_about_model(model, made_of)
        cautions += [] if centred else cautions_about_scores(results)
        settings = {"patches": printable(str(patches)), "stnclf": __version__, **job.settings}
        known = [*job.cautions, *cautions]
        settings |= {"cautions": known} if known else {}
        text = json.dumps(
            {**settings, "results": results, "run": header}, indent=2, ensure_ascii=False
        )
        run.write(f"{text}\n".encode())
        if report is not None:
            _write_page(report, job.found, scored, histories, settings, job)
        run.forget()
    _show(results, domains is not None)
    _say_cautions(cautions)
    best = max(results, key=lambda name: results[name]["macro_f1"])
    score = f"{'best ' if len(results) > 1 else ''}macro F1 {results[best]['macro_f1']:.3f}"
    say(f"{out or patches}: {counted(len(found.X), 'patch', 'patches')}; {score} ({best})")


def _check_patches(found, patches, is_shown):
    """Refuse what cannot be scored, or shown, before anything is trained."""
    from .._utils.labels import as_labels
    from ..report._evaluation import as_classes, check_image_array

    if not len(found.X):
        raise ValueError(f"{patches}: has no patches; wants some of two classes or more.")
    with about_file(patches):
        as_classes(found.y, "y")
        if found.groups is not None:
            as_labels(found.groups, "groups")
        if is_shown:
            check_image_array(found.X)


def _say_cautions(cautions):
    for caution in cautions:
        say(f"caution: {caution}")


class _OneModel:
    """A trained model, scored on all patches as it is."""

    def __init__(self, model, patches, found, device):
        from ..persistence import load
        from .crossval import named

        self.model, self.patches, self.found = model, patches, found
        self.estimator = load(model, device)
        sides = self.estimator.classes_, found.y
        if len({classes.dtype.kind == "U" for classes in sides}) == 2:
            sides = tuple(map(named, sides))  # NumPy would write True as 1
            self.found = replace(found, y=sides[1])
        self.classes = np.union1d(*sides)
        caution = caution_about_classes(
            (f"the classes of {model.name}", sides[0].tolist()),
            (f"those of {patches.name}", sides[1].tolist()),
        )
        self.cautions = [] if caution is None else [caution]
        self.patch_size = self.estimator.patch_size_
        self.what = {"model": describe_file(model), "device": self.estimator.device}
        self.settings = {"model": printable(str(model))}

    def score(self, run, domains):
        """Return scores and predictions by name, and curves of training; a run keeps nothing."""
        from .crossval import answers, scores_of

        X = self.found.X
        with about_file(self.patches):
            parts = [answers(self.estimator, X, np.arange(len(X)), self.classes)]
        name = self.model.stem
        scored = {name: scores_of(parts, self.found, self.classes, domains)}
        return scored, _histories(name, self.estimator)


class _Folds:
    """Methods that are trained and scored in folds."""

    def __init__(self, methods, folds, patches, found, options, how):
        from .crossval import make_folds

        self.methods = list(dict.fromkeys(methods or ["stn"]))
        self.folds, self.patches, self.found, self.how = folds, patches, found, how
        self.estimators = build(self.methods, found.facts, **options)
        self.cautions = cautions_about_balance(found.y, self.estimators.values())
        self.classes = np.unique(found.y)
        self.patch_size = patch_size_of(self.estimators[self.methods[0]])
        seed = options["random_state"]
        with about_file(patches):
            self.splits = make_folds(found.y, found.groups, folds, seed)
        parameters = {name: repr(est.get_params()) for name, est in self.estimators.items()}
        self.what = {"folds": folds, "seed": seed, "parameters": parameters}
        self.settings = self.what

    def score(self, run, domains):
        """Return scores and predictions by name, and curves of training; a run keeps the folds."""
        from .crossval import mean_history, run_folds, scores_of

        scheduler, progress = self.how["scheduler"], self.how["progress"]
        with on_cluster(scheduler), about_file(self.patches):
            run_folds(
                self.patches.absolute(),
                list(self.estimators.values()),
                self.splits,
                self.classes,
                run,
                n_jobs=-1 if scheduler else self.how["jobs"],
                verbose=shows_progress(progress),
                lines=progress is None and not shows_progress(progress),
            )
        scored, histories = {}, {}
        for i, method in enumerate(self.methods):
            numbers = range(i * self.folds, (i + 1) * self.folds)
            parts = [run.cells[number] for number in numbers]
            scored[TITLES[method]] = scores_of(parts, self.found, self.classes, domains)
            numbers = [len(self.methods) * self.folds + number for number in numbers]
            if trained := [p for k in numbers if (p := run.cells.get(k)) is not None]:
                title = f"{TITLES[method]}, mean of {len(trained)} folds"
                histories[title] = mean_history(trained)
        return scored, histories


def _write_page(report, found, scored, histories, settings, job):
    """Write the report of scores and predictions."""
    from ..report import write_report

    facts = found.facts
    write_report(
        report,
        {name: scores for name, (scores, _) in scored.items()},
        predictions={name: predictions for name, (_, predictions) in scored.items()},
        y_true=found.y,
        X=found.X,
        centers=found.centers,
        labels=job.classes,
        names=found.groups,
        groups=found.groups,
        # Where the slides' own is 1, any unit will have done.
        mpp=None if facts.get("slide_mpp") == 1 else facts.get("mpp"),
        patch_size=job.patch_size,
        histories=histories or None,
        notes={
            name: "; ".join(value) if name == "cautions" else str(value)
            for name, value in settings.items()
            if name != "parameters"
        },
    )


def _show(results, has_domains):
    """Print the tables of scores."""
    from ..report import classification_table, domain_table, summary_table

    tables = [classification_table, summary_table, *([domain_table] if has_domains else [])]
    for number, made in enumerate(tables):
        if number:
            show("")
        show(made(results))


def _detect(
    patches,
    found,
    out,
    where,
    options,
    *,
    methods,
    folds,
    jobs,
    scheduler,
    overwrite,
    resume,
    report,
):
    """Score detections instead of patches."""
    from .._utils.run import Run
    from ..report import write_report
    from ..report._detections import detection_table
    from .crossval import check_classes
    from .detect import detection_folds, evaluate_detection, slides_and_cells
    from .patch_folder import describe_slides

    slides, annotations, reading, slide_mpp, radius_um = where
    if found.groups is None:
        raise click.BadParameter(f"'{patches}' does not name slides.", param_hint="'PATCHES'")
    if "features" in methods:
        raise click.BadParameter("'features' cannot scan.", param_hint="'--method'")
    estimators = build(methods, found.facts, **options)
    splits = detection_folds(found.groups, folds, options["random_state"])
    with about_file(patches):
        check_classes(found.y, [np.isin(found.groups, names) for names, *_ in splits], "folds")
    say_override(slides_below(slides, np.unique(found.groups).tolist()), slide_mpp)
    slide_mpp = found.facts.get("slide_mpp") if slide_mpp is None else slide_mpp
    parameters = {name: repr(est.get_params()) for name, est in estimators.items()}
    what = {"folds": folds, "seed": options["random_state"], "parameters": parameters}
    header = run_identity(
        "evaluate --detect",
        __version__,
        patches=describe_file(patches),
        annotations=describe_file(annotations),
        slides=describe_slides(slides, found.groups.tolist()),
        slide_mpp=slide_mpp,
        radius_um=radius_um,
        **what,
    )
    goes_on = resume and beside(out, ".progress").exists()
    with contextlib.ExitStack() as stack:
        stack.enter_context(replacing_only_if(overwrite))
        run = stack.enter_context(Run(target(out), header, resume, lambda: _read_run(out)))
        if run.complete:
            say_complete(out)
            return
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            folder = beside(out, ".folds")
            if not goes_on:  # they do not say of which run they are
                shutil.rmtree(folder, ignore_errors=True)
        with about_file(annotations):
            place = slides_and_cells(found, slides, annotations, slide_mpp, **reading)
        folder.mkdir(exist_ok=True)
        balance = cautions_about_balance(found.y, estimators.values())
        _say_cautions(balance)
        with on_cluster(scheduler), about_file(patches):
            results, shown = evaluate_detection(
                {TITLES[method]: estimators[method] for method in methods},
                found,
                splits,
                place,
                folder=folder,
                radius_um=radius_um,
                jobs=jobs,
                cluster=scheduler is not None,
            )
        cautions = [text for scores in results.values() for text in scores["cautions"]]
        known = [*balance, *cautions]
        text = {"patches": printable(str(patches)), "stnclf": __version__, **what}
        text |= {"cautions": balance} if balance else {}
        text |= {"detection": results, "run": header}
        run.write(f"{json.dumps(text, indent=2, ensure_ascii=False)}\n".encode())
        if report is not None:
            notes = {"patches": text["patches"], "folds": folds, "seed": what["seed"]}
            notes |= {"stnclf": __version__, "thresholds": "chosen on other slides"}
            notes |= {"cautions": "; ".join(known)} if known else {}
            title = "Evaluation of cell detection"
            write_report(report, detection=results, slides=shown, title=title, notes=notes)
        run.forget()
        shutil.rmtree(folder, ignore_errors=True)
    for title, scores in results.items():
        show(printable(f"{title}\n{detection_table(scores)}\n", keep="\n"))
    _say_cautions(cautions)
    n_slides = len(np.unique(found.groups))
    radius = f"{radius_um:g} {next(iter(results.values()))['unit']}"
    say(f"{out or patches}: {n_slides} slides, radius {radius}, thresholds of other slides")


def _histories(name, estimator):
    members = getattr(estimator, "estimators", None)
    if members is None:
        return {name: estimator.history_}
    return {f"{name}, member {i}": member.history_ for i, member in enumerate(members)}


def _read_run(out):
    """Read what scores were made of; None where they do not say."""
    try:
        content = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("run") if isinstance(content, dict) else None


def _refuse_unused(used):
    """Refuse options that say how to train, where nothing is trained."""
    for name, option in given_options().items():
        if name not in used:
            raise click.UsageError(f"--model and {option} exclude each other: nothing is trained.")
