"""What accuracy.py found, as Markdown."""

import numpy as np
from _accuracy_store import data_key, joined_scores

from stnclf.report import classification_table, summary_table

HEADLINES = {"macro_f1": "macro F1", "balanced_accuracy": "balanced accuracy"}


def tables(store):
    """All stored scores as Markdown: the headline, then each data set by itself."""
    scores = joined_scores(store)
    if not scores:
        return "No complete set of folds is stored yet."
    sections = []
    for key in dict.fromkeys(data_key(s["protocol"], s["max_samples"]) for s in scores):
        data = store["data"][key]
        mine = [s for s in scores if data_key(s["protocol"], s["max_samples"]) == key]
        several = len({(s["seed"], s["n_folds"]) for s in mine}) > 1
        named = {
            s["title"] + (f", seed {s['seed']}, {s['n_folds']} folds" if several else ""): s
            for s in mine
        }
        heading = f"## {data['title']}\n\n{data['n_samples']} cells from {data['n_groups']} images"
        if "/max" in key:
            heading += " (a part of the set)"
        headline = f"Headline score: {HEADLINES[data['headline']]}. {_best(mine)}"
        headline += " Times to fit are processor seconds of all threads."
        sections += [
            f"{heading}. {headline}",
            summary_table(named, fmt="markdown"),
            classification_table(named, fmt="markdown"),
        ]
    return "\n\n".join(sections)


def page(store):
    """Give the page of results: for each data set the summary, then every run by class."""
    machines = "; ".join(
        f"{e['cpu']}, {e['threads']} thread(s), torch {e['versions']['torch'].split('+')[0]}"
        for e in store["environments"]
    )
    made = (
        "`python benchmarks/accuracy.py --data ROOT` made these tables: grouped, stratified 5-fold "
        "cross-validation, no image or slide in two folds; scores are those of the test vectors of "
        f"all folds put together. Measured on: {machines}. `benchmarks/results/accuracy.json` has "
        "every fold with its settings, its commit and its machine."
    )
    text = tables(store)
    several = len({score["seed"] for score in joined_scores(store)}) > 1
    for name, table in summaries(store).items() if several else ():
        heading = f"## {store['data'][name]['title']}"
        means = f"{heading}\n\nMeans over seeds:\n\n{table}\n\n### Every run"
        text = text.replace(heading, means, 1)
    return f"# Accuracy\n\n{made}\n\n{text}\n"


def summaries(store):
    """Give the summary of each data set as a Markdown table, by its name; means over seeds."""
    scores, found = [s for s in joined_scores(store) if not s["max_samples"]], {}
    for key in dict.fromkeys(s["protocol"] for s in scores):
        mine = {}
        for score in scores:
            if score["protocol"] == key:
                mine.setdefault(score["title"], []).append(score)
        named = {title + spread(runs): mean(runs) for title, runs in mine.items()}
        found[key] = summary_table(named, fmt="markdown")
    return found


def spread(runs):
    """Say over how many seeds a method was measured, and how its headline score varies."""
    if len(runs) == 1:
        return ""
    headline = runs[0]["headline"]
    low, *_, high = sorted(run[headline] for run in runs)
    return f"; {len(runs)} seeds, {HEADLINES[headline]} {low:.3f} to {high:.3f}"


def mean(values):
    """Average what several runs found; words and lists are those of the first."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([value[key] for value in values]) for key in first}
    numbers = isinstance(first, (int, float)) and not isinstance(first, bool)
    return float(np.mean(values)) if numbers else first


def _best(scores):
    """Mean of the headline score over the seeds, with its range, for each method."""
    parts = []
    for name in dict.fromkeys(s["title"] for s in scores):
        values = [s[s["headline"]] for s in scores if s["title"] == name]
        spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        parts.append(f"{name} {np.mean(values):.3f}{spread}")
    return "; ".join(parts) + "."
