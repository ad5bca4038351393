"""The evaluation report as one HTML page: tables, charts, and the frame of gallery and viewer."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template

from .._utils.plot_style import LOSS_TITLES
from .._utils.printable import counted, html_text
from .._version import __version__
from ._charts import (
    DASHES,
    coverage_chart,
    curve_frames,
    error_chart,
    legend,
    reliability_chart,
    stage_charts,
)
from ._data import as_json
from ._detections import detection_rows
from ._domains import domain_rows, group_rows
from ._tables import classification_rows, summary_rows

__all__ = ["render"]

SHADES = 10

_INTERVALS = (
    "<p>Brackets hold 95 % confidence intervals, by resampling slides: cells of one slide are "
    "alike.</p>"
)


def render(title, notes, results, detection, errors, histories, data):
    """Write the page.

    Parameters
    ----------
    title : str
        Heading.
    notes : dict of str to str
        What stands below it.
    results : dict
        Scores by method, as `stnclf.report.evaluate` gives them.
    detection : dict
        Scores of detections by method, as ``stnclf evaluate --detect`` writes them.
    errors : dict of str to ndarray of shape (n_samples,)
        Distances in pixels from the annotated centres by method, and by the centre guess.
    histories : dict of str to list of dict
        ``history_`` by method.
    data : dict
        What the scripts get: ``patches``, ``curves`` and ``slides``, None or empty where there
        are none.

    Returns
    -------
    page : str
    """
    sections = []
    if results:
        sections += [
            ("summary", "Summary", _summary(results)),
            ("classes", "Scores by class", _classes(results)),
            ("confusion", "Confusion matrices", _confusion(results)),
            ("curves", "ROC and precision-recall", _curves(data)),
            ("domains", "Scores by domain", _domains(results)),
            ("groups", "Scores by slide", _groups(results)),
            ("probabilities", "Can the probabilities be trusted?", _reliability(results)),
            ("coverage", "If the least certain go to a person", _coverage(results)),
            ("localisation", "Where the cells were found", _localisation(results, errors)),
        ]
    sections.append(("detection", "Cells found on slides", _detection(detection)))
    sections.append(("training", "Training", _training(histories)))
    if data["patches"]:
        sections.append(("patches", "Patches", _gallery(data)))
    if data["slides"]:
        sections.append(("slides", "Slides", _viewer(data)))
    sections = [section for section in sections if section[2]]
    names = ("page.js", "gallery.js", "curves.js", "viewer.js")
    style, script = _read("page.css"), "".join(map(_read, names))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {_digest(script)}"
    )
    return _fill(
        "template.html",
        title=html_text(title),
        version=html_text(__version__),
        policy=html_text(policy),
        style=style,
        notes=_notes(notes),
        links="".join(
            f'<li><a href="#{name}">{html_text(heading)}</a></li>' for name, heading, _ in sections
        ),
        sections="".join(
            f'<section id="{name}" aria-labelledby="{name}-heading">'
            f'<h2 id="{name}-heading">{html_text(heading)}</h2>{body}</section>'
            for name, heading, body in sections
        ),
        data=as_json({**data, "dashes": list(DASHES)}),
        script=script,
    )


def _read(name):
    folder = resources.files(__package__).joinpath("page")
    # A browser turns \r\n into \n before it compares digests.
    return folder.joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _fill(name, **holes):
    return Template(_read(name)).substitute(holes)


def _digest(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _notes(notes):
    if not notes:
        return ""
    rows = "".join(
        f"<div><dt>{html_text(str(name))}</dt><dd>{html_text(str(words))}</dd></div>"
        for name, words in notes.items()
    )
    return f'<dl class="notes">{rows}</dl>'


def _table(caption, header, rows, *, n_text=1, starts=(), tall=False):
    """Make a table that scrolls where it is too wide or, if `tall`, too long; rows hold strings."""
    head = "".join(
        f'<th scope="col"{_text(k < n_text)}>{html_text(cell)}</th>'
        for k, cell in enumerate(header)
    )
    body = ""
    for i, row in enumerate(rows):
        cells = "".join(
            f'<th scope="row">{html_text(cell)}</th>'
            if k == n_text - 1
            else f"<td{_text(k < n_text)}>{html_text(cell)}</td>"
            for k, cell in enumerate(row)
        )
        start = ' class="start"' if i in starts else ""
        body += f"<tr{start}>{cells}</tr>"
    return (
        f'<div class="scroll{" tall" if tall else ""}" role="region" tabindex="0" '
        f'aria-label="{html_text(caption)}"><table>'
        f"<caption>{html_text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def _text(is_text):
    return ' class="text"' if is_text else ""


def _summary(results):
    header, rows = summary_rows(results)
    *fewer, most = sorted({scores["n"] for scores in results.values()})
    n = " or ".join([*map(str, fewer), counted(most, "cell")])
    return _table(f"All methods, {n}", header, rows)


def _classes(results):
    header, rows = classification_rows(results)
    starts = [i for i, row in enumerate(rows) if row[0]]
    return _table("Precision, recall and F1 of each class", header, rows, n_text=2, starts=starts)


def _domains(results):
    header, rows = domain_rows(results)
    if not rows:
        return ""
    starts = [i for i, row in enumerate(rows) if row[0]]
    caption = "Scores in each domain, and in all"
    note = _INTERVALS if any("[" in row[-1] for row in rows) else ""
    return note + _table(caption, header, rows, n_text=2, starts=starts)


def _groups(results):
    header, rows = group_rows(results)
    if not rows:
        return ""
    starts = [i for i, row in enumerate(rows) if row[0]]
    note = f"{_INTERVALS}<p>The interval of a slide is by resampling its cells.</p>"
    return note + _table("Scores on each slide", header, rows, n_text=2, starts=starts, tall=True)


def _confusion(results):
    tables = "".join(_confusion_table(name, scores) for name, scores in results.items())
    note = "<p>Rows are annotated classes, columns predicted ones. Shares are of each row.</p>"
    return f'{note}<div class="side-by-side">{tables}</div>'


def _confusion_table(name, scores):
    labels = scores["labels"]
    head = "".join(f'<th scope="col">{html_text(label)}</th>' for label in labels)
    body = ""
    for label, row in zip(labels, scores["confusion"]):
        total = max(1, sum(row))
        cells = "".join(
            f'<td class="shade-{round(SHADES * count / total)}"><b>{count}</b> '
            f"<small>{100 * count / total:.0f} %</small></td>"
            for count in row
        )
        body += f'<tr><th scope="row">{html_text(label)}</th>{cells}</tr>'
    caption = html_text(name)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="Confusion matrix of '
        f'{caption}"><table class="confusion"><caption>{caption}</caption><thead><tr>'
        f'<th scope="col">annotated \\ predicted</th>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _curves(data):
    if not data["curves"]:
        return ""
    roc, precision = curve_frames()
    return _fill(
        "curves.html",
        classes=_options(one["label"] for one in data["curves"]["classes"]),
        legend=legend(data["curves"]["methods"]),
        roc=roc,
        precision=precision,
    )


def _reliability(results):
    # Scores that were stored by an earlier version have no such entry.
    known = {n: s["calibration"] for n, s in results.items() if s.get("calibration")}
    if not known:
        return ""
    figures = "".join(
        f"<figure><figcaption><b>{html_text(name)}</b>, expected calibration error "
        f"{calibration['ece']:.3f}</figcaption>{reliability_chart(name, calibration)}</figure>"
        for name, calibration in known.items()
    )
    return (
        "<p>Of predictions that are 80 % confident, 80 % should be right: points on the dashed "
        "line. Below it a method is surer than it should be, above it less sure. Bars show how "
        "the predictions spread over the confidences.</p>"
        f'<div class="side-by-side">{figures}</div>'
    )


def _coverage(results):
    known = {name: s["coverage"] for name, s in results.items() if s.get("coverage")}
    if not known:
        return ""
    return (
        "<p>Predictions are kept in the order of their probability, and the others left to a "
        "person. Where the line rises to the left, that pays.</p>"
        f"<figure>{legend(known)}{coverage_chart(known)}</figure>"
    )


def _localisation(results, errors):
    rows, starts = [], []
    for name, scores in results.items():
        found = scores["localization"]
        if found:
            starts.append(len(rows))
            by_class = [*found.get("classes", {}).items(), ("all", found)]
            rows += [
                [name if i == 0 else "", label, *_distances(summary)]
                for i, (label, summary) in enumerate(by_class)
            ]
    guess = next((s["center_guess"] for s in results.values() if s["center_guess"]), None)
    if guess:
        starts.append(len(rows))
        rows.append(["centre guess", "all", *_distances(guess)])
    if not starts or (guess and len(rows) == 1):
        return ""
    radius = next(
        s[key]["radius"]
        for s in results.values()
        for key in ("localization", "center_guess")
        if s[key]
    )
    header = ["approach", "class", "cells", "mean / px", "median / px", f"within {radius:g} px"]
    chart = ""
    if errors:
        chart = f"<figure>{legend(errors)}{error_chart(errors, radius)}</figure>"
    caption = "Distance from the annotated centre"
    return _table(caption, header, rows, n_text=2, starts=starts) + chart


def _detection(detection):
    rows, starts = [], []
    for name, scores in detection.items():
        header, lines = detection_rows(scores)
        starts += [len(rows) + i for i, line in enumerate(lines) if line[0]]
        rows += [[name if i == 0 else "", *line] for i, line in enumerate(lines)]
    if not rows:
        return ""
    first = next(iter(detection.values()))
    radius, unit = first.get("radius_um"), first.get("unit", "um").replace("um", "\u00b5m")
    note = ""
    if radius is not None:
        note = f"A cell counts as found by a detection within {radius:g} {unit}. "
    if any("[" in cell for cell in rows[0]):
        note += "Brackets hold 95 % confidence intervals, by resampling slides."
    note = f"<p>{note}</p>" if note else ""
    table = _table(
        "Detections, pooled and on each slide",
        ["approach", *header],
        rows,
        n_text=3,
        starts=starts,
        tall=True,
    )
    return note + table


def _distances(summary):
    if summary["mean"] is None:
        return [str(summary["n"]), "-", "-", "-"]
    share = f"{100 * summary['within']:.1f} %"
    return [str(summary["n"]), f"{summary['mean']:.1f}", f"{summary['median']:.1f}", share]


def _training(histories):
    rows = [row for history in histories.values() for row in history]
    used = [key for key in LOSS_TITLES if any(row.get(key) is not None for row in rows)]
    figures = ""
    for name, history in histories.items():
        charts = "".join(stage_charts(name, history, used))
        if charts:
            figures += f'<h3>{html_text(name)}</h3><div class="side-by-side">{charts}</div>'
    if not figures:
        return ""
    note = "<p>Stages minimise different losses, so that each has a scale of its own.</p>"
    return note + legend([LOSS_TITLES[key] for key in used]) + figures


def _options(names):
    return "".join(
        f'<option value="{value}">{html_text(name)}</option>' for value, name in enumerate(names)
    )


def _gallery(data):
    patches = data["patches"]
    return _fill(
        "gallery.html",
        methods=_options(method["name"] for method in patches["methods"]),
        labels=_options(patches["labels"]),
        groups=_options(patches["groups"]["names"]) if patches["groups"] else "",
        note=html_text(patches["note"]),
    )


def _viewer(data):
    return _fill("viewer.html", slides=_options(slide["name"] for slide in data["slides"]))
