"""The command ``score``."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import click
import numpy as np

from .._utils.files import check_writable, write_atomically
from .._utils.names import base_name, composed, same_name
from .._utils.optional import import_pandas
from .._utils.printable import counted, printable
from .._utils.run import read_sidecar, write_sidecar
from .._version import __version__
from ..annotations import read_annotations, resolve_image
from ..annotations._readers import BESIDE_TABLES
from ..annotations._slide_facts import BOUNDED, stem_of
from .cautions import (
    caution_about_choice,
    caution_about_classes,
    caution_about_ignored,
    caution_about_unclassed,
    cautions_about_few_cells,
)
from .common import (
    EXISTING,
    FILE,
    POSITIVE,
    PROBABILITY,
    Command,
    choose_labels,
    column_option,
    examples,
    labels_by_name,
    out_option,
    overwrite_option,
)
from .messages import about_file, say, show
from .outputs import check_output, target
from .resolutions import say_override, slides_below
from .tables import by_base_name, first_few, format_option, of_images, read_table, slides_option

__all__ = ["score"]

_PICTURES = (".pdf", ".png", ".svg")
#: Where there is no detection between the limit of the scan and so much more, there are hardly any
#: below it.
_CLEARLY = 0.05


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf score detections/ cells.sqlite --slide-mpp 0.25 --label 'mitotic figure'",
        "stnclf score slide.csv cells.csv --radius-px 20 --plot curves.png",
        "stnclf score detections/ cells.sqlite --slides slides/ --choose f1 --model m.safetensors",
    ),
)
@click.argument("detections", type=EXISTING)
@click.argument("truth", type=EXISTING)
@out_option("JSON file for the scores and the curves.", required=False)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Picture of precision over recall, and F1 over the threshold: .png, .svg or .pdf.",
)
@click.option("--label", "labels", multiple=True, help="Only this class; may be repeated.")
@click.option(
    "--radius",
    "radius_um",
    type=POSITIVE,
    help="Largest distance of a detection from its cell in micrometres.  [default: 7.5]",
)
@click.option(
    "--radius-px", type=POSITIVE, help="The same in pixels of level 0; needs no resolution."
)
@click.option(
    "--slide-mpp",
    "--mpp",
    "mpp",
    type=POSITIVE,
    help="Micrometres per pixel of the slides themselves, of which DETECTIONS and TRUTH count.",
)
@click.option("--min-probability", type=PROBABILITY, help="Count detections of at least this.")
@click.option(
    "--choose",
    type=click.Choice(["f1"]),
    help="Write for each class the threshold with the best F1 into --model.",
)
@click.option("--model", type=FILE, help="The model that keeps the chosen thresholds.")
@format_option("Format of TRUTH.")
@column_option
@slides_option
@overwrite_option
def score(
    detections,
    truth,
    out,
    plot,
    labels,
    radius_um,
    radius_px,
    mpp,
    min_probability,
    choose,
    model,
    format,
    columns,
    slides,
    overwrite,
):
    """Score DETECTIONS, a table or a folder of tables of `scan`, against the cells of TRUTH.

    All cells of these slides ought to be in TRUTH. Thresholds are chosen on slides that have not
    served for training; the detections must reach below them: scan with --min-probability 0.05.
    """
    from ..metrics import detection_curve
    from ..metrics._detection_curve import best_thresholds
    from ..report._detections import detection_table, score_slides

    if (choose is None) != (model is None):
        raise click.UsageError("--choose and --model go together.")
    if choose is not None and min_probability is not None:
        raise click.UsageError("--choose and --min-probability exclude each other.")
    if radius_um is not None and radius_px is not None:
        raise click.UsageError("--radius and --radius-px exclude each other.")
    for path, option, endings in ((out, "--out", ("", ".json")), (plot, "--plot", _PICTURES)):
        if path is not None:
            check_output(path, overwrite=overwrite, option=option, endings=endings)
    found, scanned = _read_detections(detections)
    with about_file(detections):
        found = by_base_name(found)
    how = {"mpp": mpp, "columns": columns, "slides": slides, "labels": labels}
    images = {stem_of(name) for name in found["image"]} if scanned is None else scanned
    # A table of a whole project has slides that were not scanned, and may be elsewhere.
    how["only"] = lambda name: stem_of(base_name(name)) in images
    cells = read_table(truth, format, **how)[0]
    with about_file(truth):
        cells = by_base_name(cells)
    cells = _named_as(cells, found["image"])
    cells, unclassed = cells[cells["label"].notna()], cells[cells["label"].isna()]
    is_scanned = cells["image"].map(lambda name: scanned is None or stem_of(name) in scanned)
    others = sorted({*cells["image"][~is_scanned]})
    if not is_scanned.any():
        there = first_few(sorted(map(repr, scanned or {*found["image"]})))
        asked = first_few([repr(name) for name in others]) or "none"
        raise ValueError(
            f"{truth}: has no cell on the slides of {detections}: its cells are on {asked}, the "
            f"detections on {there}; a file that is named otherwise than its slide wants --slides "
            "SLIDE."
        )
    cells = cells[is_scanned]
    _check_origin(cells, found, truth, detections)
    unclassed = unclassed[unclassed["image"].isin({*cells["image"], *found["image"]})]
    without = sorted({*found["image"]} - {*cells["image"]})
    known = sorted({*cells["label"], *found["label"]}, key=str)
    ignored = None if labels else caution_about_ignored(cells["label"])
    others_named = caution_about_classes(
        (f"the classes of {detections}", found["label"]), (f"those of {truth}", cells["label"])
    )
    labels = choose_labels(labels, known) or known
    # What is found on one of them counts neither way.
    cells = import_pandas().concat([cells, unclassed]) if len(unclassed) else cells
    unit, radius = "px", radius_px
    if radius_px is None:
        unit, radius = "um", 7.5 if radius_um is None else radius_um
        cells, found = _in_micrometres(cells, found, mpp, slides)
        if mpp == 1:  # of photographs that is any unit, and of slides as true
            unit = "px"
    how = {"radius_px": radius, "labels": labels}
    curves = detection_curve(cells, found, **how)
    thresholds, caution, tuned = {}, None, None
    if min_probability is not None:
        thresholds = dict.fromkeys(labels, min_probability)
    elif choose is not None:
        thresholds = best_thresholds(curves)
        caution = caution_about_choice(model, {*cells["image"], *found["image"]})
        tuned = _tuned(model, thresholds)
    scores = score_slides(cells, found, **how, thresholds=thresholds)
    picture = None if plot is None else _draw(curves, thresholds, plot)
    if tuned is not None:
        check_writable(model)
    if out is not None:
        facts = {"stnclf": __version__, "detections": printable(str(detections))}
        facts |= {"truth": printable(str(truth)), "radius": radius, "unit": unit}
        facts |= {"thresholds": _texts(thresholds), **_plain(scores, curves)}
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        write_atomically(out, text.encode())
    if picture is not None:
        write_atomically(plot, picture)
    if tuned is not None:  # last: what fails above leaves the model as it is
        _save(tuned, model)
    for label, value in thresholds.items() if choose else ():
        show(printable(f"threshold of {label}: {value:.4f}"))
    show(printable(detection_table(scores), keep="\n"))
    text = f"{counted(len(scores['slides']), 'slide')}, radius {radius:g} {unit}"
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        text = f"{text}; {others[0]}{more} of {truth} not scanned, left out"
    say(f"{out or detections}: {text}")
    if without:
        n, names = int(found["image"].isin(without).sum()), first_few([repr(w) for w in without])
        say(f"no cell of {truth} is on {names}: {_there(n)} as false")
    few = cautions_about_few_cells(curves, thresholds) if choose else []
    about = (caution_about_unclassed(truth, len(unclassed)), ignored, others_named)
    for text in (caution, *about, *few):
        if text is not None:
            say(f"caution: {text}")
    for label in _at_the_end(curves, thresholds, _limit(detections)) if choose else ():
        say(
            f"{label}: the best threshold is below all probabilities of the table; scan with a "
            "lower --min-probability to see whether there is a better one"
        )


def _there(n):
    return "the detection there counts" if n == 1 else f"the {n} detections there count"


def _named_as(cells, images):
    """Name cells by their slide, where their file is named after it without the ending.

    Where there are no slides to look at, the detections know their names.
    """
    images, names = sorted({*images}), {}
    for name in {*cells["image"]} - {*images}:
        alike = [image for image in images if stem_of(image) == name.removesuffix(".ome")]
        if len(alike) == 1:
            names[name] = alike[0]
    return cells.assign(image=cells["image"].replace(names))


def _read_detections(path):
    """Read a table, or all tables of a folder; say which slides were scanned, without endings.

    A table of several slides does not say on which of them nothing was found: None.
    """
    paths = _tables_in(path)
    if not paths:
        raise ValueError(f"{path}: a folder without tables (.csv).")
    tables, scanned, seen = [], set(), {}
    for one in paths:
        table = read_annotations(one)
        if "probability" not in table and len(table):
            raise ValueError(f"{one}: has no column probability; wants a table of scan.")
        cells = dict.fromkeys(zip(*(table[name] for name in ("image", "x", "y", "label"))), one)
        again = next((seen[cell] for cell in cells if cell in seen), None)
        if again is not None:
            raise ValueError(
                f"{one}: has detections that {again.name} has too; wants a table for each slide."
            )
        seen |= cells
        tables.append(table[table["label"].notna()])
        names = {stem_of(base_name(name)) for name in table["image"]}
        if len(names) > 1:
            scanned = None
        elif scanned is not None:
            scanned |= names or {composed(one.stem).removesuffix(".ome")}
    filled = [table for table in tables if len(table)] or tables[:1]
    table = filled[0] if len(filled) == 1 else import_pandas().concat(filled, ignore_index=True)
    return (table if "probability" in table else table.assign(probability=[])), scanned


def _tables_in(path):
    """List the tables of a folder; a file is one itself."""
    if not path.is_dir():
        return [path]
    paths = [one for one in sorted(path.iterdir()) if one.suffix.lower() == ".csv"]
    # What `scan --on-error skip` writes beside a table is none.
    return [one for one in paths if not one.name.lower().endswith(BESIDE_TABLES)]


def _limit(path):
    """Return the probability from which on tables of `scan` have all detections, if it is known."""
    limits = [(read_sidecar(target(one)) or {}).get("min_probability") for one in _tables_in(path)]
    # A scan with a limit for each class has a list of them.
    return None if None in limits else max(float(np.max(limit)) for limit in limits)


def _check_origin(cells, found, truth, detections):
    """Refuse tables of which only one counts from the corner of the scanned area."""
    from_bounds = []
    for table in (cells, found):
        rows = table[table["origin"] == "bounds"] if "origin" in table else table[:0]
        names = {name for name in rows["image"] if name.lower().endswith(BOUNDED)}
        from_bounds.append(names)
    for path, names, others, there in zip(
        (truth, detections), from_bounds, from_bounds[::-1], (found, cells)
    ):
        for name in sorted(names - others):
            if name in {*there["image"]}:
                raise ValueError(
                    f"{path}: positions on {name!r} count from the corner of the scanned area, "
                    "those of the other table from pixel 0; pass --slides, the slide or its folder."
                )


def _in_micrometres(cells, found, mpp, slides):
    """Count positions in micrometres, of each slide by its own resolution."""
    from ..slides import Slide
    from ..slides._tissue import known_mpp

    if mpp is not None:
        known = dict.fromkeys({*cells["image"], *found["image"]}, mpp)
        if slides is not None:
            is_file = os.path.isfile(slides)
            paths = dict.fromkeys(known, slides) if is_file else slides_below(slides, known)
            say_override(paths, mpp)
    elif slides is None:
        raise click.UsageError(
            "wants --slide-mpp or --slides for a radius in um, or --radius-px, half the width of a "
            "cell for example."
        )
    else:
        known, names = {}, sorted({*cells["image"], *found["image"]})
        for name, path in _slides_of(names, cells, found, Path(slides)).items():
            with Slide(path) as slide:
                known[name] = known_mpp(slide)
            if known[name] is None:
                raise click.UsageError(
                    f"--slides: {os.path.basename(path)!r} has no usable resolution in it; pass "
                    "--slide-mpp, micrometres per pixel, or --radius-px."
                )
    return [
        table.assign(
            x=table["x"] * table["image"].map(known), y=table["y"] * table["image"].map(known)
        )
        for table in (cells, found)
    ]


def _slides_of(names, cells, found, slides):
    """Find the slides of both tables; `slides` is their folder, or the only one."""
    if slides.is_file():
        if len(names) > 1:
            raise click.UsageError(
                f"--slides: '{slides}' is one slide, and the cells are on {len(names)}: "
                f"{first_few([repr(name) for name in names])}; wants their folder."
            )
        return dict.fromkeys(names, slides)
    stated = {name: path for t in (found, cells) for name, path in zip(t["image"], t["path"])}
    paths = {name: resolve_image(slides, stated[name]) for name in names}
    # The truth may lack the ending, which detections have.
    paths = {name: p if p.exists() else resolve_image(slides, name) for name, p in paths.items()}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        raise ValueError(
            f"--slides: no such file in {slides} for {of_images(missing, names, slides)}."
        )
    return paths


def _tuned(path, thresholds):
    """Load a model and give it thresholds; those of other classes stay."""
    from ..persistence import load

    estimator = load(path)
    classes = labels_by_name(estimator.classes_.tolist())
    thresholds = {same_name(classes, k): value for k, value in thresholds.items()}
    unknown = [k for k in thresholds if k not in classes]
    if unknown or not thresholds:
        raise click.BadParameter(
            f"'{path}' knows no class {unknown[0]!r}; choose with --label."
            if unknown
            else "no detection finds a cell; there is no threshold to choose.",
            param_hint="'--model'" if unknown else "'--choose'",
        )
    estimator.detection_thresholds_ = {
        **getattr(estimator, "detection_thresholds_", {}),
        **{classes[k]: value for k, value in thresholds.items()},
    }
    return estimator


def _save(estimator, path):
    """Write the model, which is still that of its training."""
    from ..persistence import save

    made_of = read_sidecar(target(path))
    save(estimator, path)
    if made_of is not None:
        write_sidecar(target(path), made_of)


def _at_the_end(curves, thresholds, limit):
    """Yield the classes whose threshold keeps all detections, where a scan may find more below."""
    for label, value in thresholds.items():
        least = curves[label]["threshold"][-1]
        if value <= least and (limit is None or least < limit + _CLEARLY):
            yield label


def _texts(values):
    return {str(label): value for label, value in values.items()}


def _plain(scores, curves):
    """Return scores and curves as JSON takes them."""
    arrays = {
        str(label): {
            name: [None if v != v else v for v in value.tolist()]
            for name, value in curve.items()
            if name != "n_truth"
        }
        for label, curve in curves.items()
    }
    slides = {name: _texts(block) for name, block in scores["slides"].items()}
    return {"pooled": _texts(scores["pooled"]), "slides": slides, "curves": arrays}


def _draw(curves, thresholds, path):
    """Return the picture, drawn without pyplot, which would want a screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "--plot needs matplotlib; install it with: pip install 'stnclf[plot]'"
        ) from error
    from ..displays import DetectionCurveDisplay

    figure = Figure(figsize=(9, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    DetectionCurveDisplay(curves, thresholds=thresholds).plot(axes=figure.subplots(1, 2))
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix.lower()[1:], dpi=150)
    return data.getvalue()
