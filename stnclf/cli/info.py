"""The command ``info``."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import click
import numpy as np

from .._utils.printable import counted, printable
from ..annotations._slide_facts import SLIDE_ENDINGS, find_slide
from .cautions import caution_about_doubles, caution_about_ignored
from .common import (
    EXISTING,
    POSITIVE,
    Command,
    cell_width_option,
    check_counts,
    column_option,
    count_labels,
    examples,
)
from .messages import show, write_data
from .outputs import check_output
from .patch_set import is_patch_set, load_patches
from .resolutions import SAME, caution_of_override, say_override, span
from .sizes import (
    caution_about_outside,
    caution_about_points,
    caution_about_small_images,
    cautions_about_regions,
    in_one_unit,
    look_at,
    measure,
    patches_line,
    recommend,
    sides_by_class,
)
from .tables import (
    first_few,
    format_option,
    needs_resolution,
    no_slide_found,
    of_images,
    read_table,
    slides_option,
)

__all__ = ["info"]


_TABLES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".geojson",
    ".xml",
    ".sqlite",
    ".sqlite3",
    ".db",
    ".mat",
    ".ndpa",
    ".gz",
)
#: What is written in words.
_SIZE_FACTS = (
    *("boxes_px", "classes_px", "neighbours_px", "slides_found", "missing", "mpp", "mpp_range"),
    *("outside", "recommended", "why", "any_unit"),
)


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf info annotations.sqlite slides/",
        "stnclf info slide.svs annotations.sqlite model.safetensors",
    ),
)
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a list with an object a file.")
@format_option("Format of the annotations, needed where the ending is no usual one of theirs.")
@column_option
@slides_option
@click.option("--mpp", type=POSITIVE, help="Micrometres per pixel, for positions in millimetres.")
@click.option("--slide-mpp", type=POSITIVE, help="Micrometres per pixel of the slides themselves.")
@cell_width_option
@click.option(
    "--tissue",
    "picture",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Write a picture of the slide, alone in FILES, in which all that a scan takes for glass "
    "is blue.",
)
def info(files, as_json, format, columns, slides, mpp, slide_mpp, cell_width, picture):
    """Say what slides, annotation files, patches and model files hold.

    Of annotations, with the folder of their slides after them, it also says how large cells are,
    how close they lie, what is missing, and which sizes it would cut patches in.
    """
    files, slides = _with_slides(files, slides, format)
    how = {"format": format, "columns": columns, "slides": slides, "mpp": mpp}
    more = {"slide_mpp": slide_mpp, "cell_width": cell_width}
    found, used = zip(*(_facts(path, as_json, how, **more) for path in files))
    if mpp is not None and not any(used):
        raise click.BadParameter("all files count in pixels.", param_hint="'--mpp'")
    if not any(facts["kind"] == "annotations" for facts in found):
        unused = ["cell_width", "slides", "columns", *(["slide_mpp"] if picture is None else [])]
        check_counts("a file of annotations", *unused)
    found = [{"file": str(path), **facts} for path, facts in zip(files, found)]
    if picture is not None:
        if len(files) > 1 or found[0]["kind"] != "slide":
            raise click.BadParameter("wants one slide and nothing else.", param_hint="'--tissue'")
        found[0]["tissue"] = _draw_tissue(files[0], slide_mpp, picture)
    if as_json:
        write_data(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    for facts in found:
        card, cautions = facts.pop("card", None), facts.pop("cautions", [])
        facts = _in_words(facts)
        width = max(map(len, facts))
        for name, value in facts.items():
            show(printable(f"{name:{width}}  {value}"))
        for caution in cautions:
            show(printable(f"{'caution':{width}}  {caution}"))
        if card:
            show(f"\n{card.rstrip()}")
        click.echo()


def _draw_tissue(path, slide_mpp, picture):
    """Draw a slide with its mask; say what share of it is tissue, and how many mm2."""
    from PIL import Image

    from .._utils.files import write_atomically
    from ..slides import Slide
    from ..slides._tissue import draw_tissue, find_slide_tissue, has_glass, metric_mpp

    check_output(picture, overwrite=False, option="--tissue", endings=(".png",))
    say_override({path.name: path}, slide_mpp)
    with Slide(path, slide_mpp) as slide:
        tissue = find_slide_tissue(slide, True)
        data, known, glass = io.BytesIO(), metric_mpp(slide), has_glass(slide)
        Image.fromarray(draw_tissue(slide, tissue)).save(data, format="PNG")
        share = 1 - tissue.left_out(slide.size)["share"]
        area = None if known is None else share * np.prod(slide.size) * (known / 1000) ** 2
    write_atomically(picture, data.getvalue())
    facts = {"share": round(share, 4), "mm2": None if area is None else round(float(area), 6)}
    # On a photograph the mask may take cells for glass.
    return {**facts, "scanned": "tissue" if glass else "everything"}


def _with_slides(files, slides, format):
    """Take a folder without annotations, after a file of them, for that of their slides."""
    if len(files) == 2 and files[0] == files[1] and files[0].is_dir() and slides is None:
        return files[:1], files[1]  # annotations lie beside their slides
    folders = [path for path in files if path.is_dir() and not is_patch_set(path)]
    # Annotations may lie beside their slides, in a folder that goes after another one.
    folders = [
        path
        for path in folders
        if not _holds_annotations(path) or (path == files[-1] != files[0] and _holds_slides(path))
    ]
    if not folders:
        return files, slides
    others = [path for path in files if path not in folders]
    has_table = any(_is_table(path, format) for path in others)
    if len(folders) > 1 or slides is not None or not has_table:
        raise click.BadParameter(
            f"'{folders[-1]}' is a folder without patches or annotations; the folder of the "
            "slides, of which there is one, goes after the annotations.",
            param_hint="'FILES'",
        )
    return others, folders[0]


def _holds_annotations(folder):
    from ..annotations._readers import recognise

    try:
        recognise(folder)
    except ValueError:
        return False
    return True


def _holds_slides(folder):
    return any(path.suffix.lower() in SLIDE_ENDINGS for path in folder.rglob("*"))


def _is_table(path, format):
    ending = path.suffix.lower()
    if format == "auto":
        named = ending in _TABLES
    else:  # whatever it is called
        named = ending not in (".safetensors", *SLIDE_ENDINGS)
    return (path.is_dir() or named) and not is_patch_set(path)


def _facts(path, as_json, how, **more):
    """Find what a file is by its name, and what it holds by looking; and whether mpp was used."""
    if _is_table(path, how["format"]):
        return _annotation_facts(path, how, **more)
    return _other_facts(path, as_json), False


def _annotation_facts(path, how, slide_mpp, cell_width):
    facts = {"kind": "annotations"}
    mpp = how["mpp"] or slide_mpp
    try:
        (table, used), unit = read_table(path, **{**how, "mpp": mpp}), "px"
    except ValueError as error:
        if not needs_resolution(error) or mpp is not None:
            raise
        (table, used), unit = read_table(path, **{**how, "mpp": 1.0}), "um"
    facts |= {"rows": len(table), "images": table["image"].nunique()}
    if len(table):
        corners = [f"{table[axis].agg(end):.10g}" for end in ("min", "max") for axis in "xy"]
        facts["positions"] = "{}, {} to {}, {} {} (x, y)".format(*corners, unit)
    facts["counts"] = count_labels(table["label"].tolist())
    facts |= _agreement_facts(table)
    if unit == "um" and how["slides"] is not None:
        facts |= _slides_facts(table, Path(how["slides"]))
    if len(table) and unit == "px":
        facts |= _size_facts(path, table, how, slide_mpp, cell_width)
    return facts, used


def _agreement_facts(table):
    """Say how far annotators agree, where cells have several votes."""
    if "votes" not in table:
        return {}
    from ..metrics import annotator_agreement  # needs SciPy: not before there is something to do

    found = annotator_agreement(table)
    if not found["n_cells"]:
        return {}
    pairs = [
        {**pair, "voters": list(pair["voters"]), "cohen_kappa": _number(pair["cohen_kappa"])}
        for pair in found["pairs"]
    ]
    return {"agreement": {**found, "fleiss_kappa": _number(found["fleiss_kappa"]), "pairs": pairs}}


def _number(value):
    """Return None for NaN, which JSON does not know."""
    return None if value != value else value


def _slides_facts(table, root):
    """Say which slides are there, of annotations that want their resolution."""
    names = sorted(table["image"].dropna().unique())
    missing = [name for name in names if find_slide(root, name) is None]
    facts = {"slides_found": len(names) - len(missing), "missing": missing, "recommended": None}
    facts["why"] = (
        "positions are not in pixels, and the slides do not say one resolution; pass --slide-mpp, "
        "micrometres per pixel"
    )
    if missing and not facts["slides_found"]:
        facts["why"] = no_slide_found(missing, root)
    elif missing:
        facts["why"] = (
            "positions are not in pixels, and there is no such file in "
            f"{root} for {of_images(missing, names, root)}"
        )
    return facts


def _size_facts(path, table, how, slide_mpp, cell_width):
    """Say what decides the sizes of patches, and recommend some."""
    facts, mpp, outside, root = {}, slide_mpp, False, how["slides"]
    there = None
    if root is None and path.is_dir() and _holds_slides(path):
        root = path
    cells = _that_are_cut(table)
    cautions = [caution_about_doubles(cells), caution_about_ignored(cells["label"])]
    if root is not None:
        root = Path(root)
        there = look_at(cells, root, slide_mpp)
        outside = there.outside > 0 and not there.exchanged
        facts["slides_found"], facts["missing"] = len(there.sizes), there.missing
        facts["outside"] = there.outside if there.sizes else None
        n_cells = int(cells["image"].isin(there.sizes).sum())
        cautions.append(caution_about_outside(there, n_cells))
        known = [mpp for mpp in there.mpps.values() if mpp is not None]
        facts["mpp_range"] = [min(known), max(known)] if known else None
        cautions.append(caution_of_override(there.stated, slide_mpp))
        table, mpp = in_one_unit(table, there)
        cells = _that_are_cut(table)
    facts["mpp"] = mpp
    # Where no file says its resolution, 1 is any unit and no micrometre.
    facts["any_unit"] = slide_mpp == 1 and not (there and any(there.stated.values()))
    for name, values in zip(("boxes_px", "neighbours_px"), measure(cells)):
        facts[name] = np.percentile(values, [5, 50, 95]).tolist() if len(values) else None
    facts["classes_px"] = sides_by_class(table)
    facts["recommended"] = None
    missing = facts.get("missing", [])
    if missing and not facts["slides_found"]:  # without them, other advice may be wrong
        facts["why"] = no_slide_found(missing, root)
        cautions = [caution for caution in cautions if caution]
        return {**facts, "cautions": cautions} if cautions else facts
    try:
        sizes = recommend(cells, mpp, cell_width=cell_width)
    except ValueError as error:
        facts["why"] = str(error)
    else:
        more = {"slide_mpp": slide_mpp, "outside": outside}
        more |= {"columns": how["columns"], "format": how["format"]}
        small = None if there is None else caution_about_small_images(sizes, there, "mirror")
        more |= {"edge": "white" if small is None else "mirror"}
        # patches wants the folder of a slide.
        folder = root.parent if root is not None and root.is_file() else root
        facts["recommended"] = patches_line(sizes, path, folder, **more)
        cautions += cautions_about_regions(cells, cell_width is None)
        if cell_width is None:
            cautions.append(caution_about_points(cells, mpp))
        cautions.append(small)
        if missing:
            names = first_few([repr(name) for name in missing])
            n = len(missing) + facts["slides_found"]
            text = f"the recommended line fails: {len(missing)} of {n} images have no file"
            cautions.append(f"{text}: {names}")
        if cells["label"].isna().all():
            cautions.append("no cell has a class; the recommended line wants one: --label NAME")
    cautions = [caution for caution in cautions if caution]
    return {**facts, "cautions": cautions} if cautions else facts


def _that_are_cut(table):
    """Leave out cells without a class, as ``stnclf patches`` does if others have one."""
    known = table["label"].notna()
    return table[known] if known.any() else table


def _patches_in_words(facts):
    """Write for people how patches were cut: what was left to a default, what was left out."""
    words = dict(facts)
    if "slide_mpp" in facts and facts["slide_mpp"] is None:
        words["slide_mpp"] = "as the files say"
    if "background_distance" in facts and facts["background_distance"] is None:
        words["background_distance"] = "half the diagonal (default)"
    if not facts.get("background", 1):  # there is none that could be far or called something
        words = {k: v for k, v in words.items() if not k.startswith("background_")}
    if "skipped" in facts:
        n = len(facts["skipped"])
        words["skipped"] = f"{counted(n, 'region')} that cannot be read" if n else "none"
    return words


def _in_words(facts):
    """Write for people what JSON has as numbers."""
    if facts["kind"] == "patches":
        facts = _patches_in_words(facts)
    if facts["kind"] != "annotations":
        return {name: "not known" if value is None else value for name, value in facts.items()}
    if "agreement" in facts:
        facts = _agreement_in_words(facts)
    if "boxes_px" not in facts and "slides_found" not in facts:
        return facts
    words = {name: value for name, value in facts.items() if name not in _SIZE_FACTS}
    mpp, unit = facts.get("mpp"), "px"
    if "missing" in facts:
        n = facts["slides_found"] + len(facts["missing"])
        known = facts.get("mpp_range")
        if known is None and not facts["slides_found"] and mpp is None:
            resolution = ""
        elif facts.get("any_unit"):
            resolution = ", resolution not known"
        elif known is None:
            resolution = f", {'resolution not known' if mpp is None else span([mpp])}"
        elif mpp is None:
            resolution = f", {span(known)}, not known of all"
        else:
            differ = known[1] > SAME * known[0]
            resolution = f", {span(known if differ else [mpp])}"
            unit = f"px of {mpp:.4g} um" if differ else unit
        names = first_few([repr(name) for name in facts["missing"]])
        lacking = f"; without a file: {names}" if names else ""
        words["slides"] = f"{facts['slides_found']} of {n} found{resolution}{lacking}"
        if facts.get("outside") is not None:
            lie = "cell lies" if facts["outside"] == 1 else "cells lie"
            words["outside"] = f"{facts['outside']} {lie} outside their image"
    words["counts"] = {label or "without a class": n for label, n in words["counts"].items()}
    if "boxes_px" in facts:
        words |= _sides_in_words(facts, mpp, unit)
    words["recommended"] = facts["recommended"] or f"nothing: {facts['why']}"
    return words


def _sides_in_words(facts, mpp, unit):
    mpp = None if facts["any_unit"] else mpp
    words = {"box sides": _spread(facts["boxes_px"], mpp, unit)}
    if facts["classes_px"]:
        sides = facts["classes_px"].items()
        sides = (f"{label or 'without a class'} {side:.3g}" for label, side in sides)
        words["by class"] = f"{', '.join(sides)} {unit}"
    words["neighbours"] = _spread(facts["neighbours_px"], mpp, unit)
    return words


def _agreement_in_words(facts):
    words = {}
    for name, value in facts.items():
        if name != "agreement":
            words[name] = value
            continue
        words["several votes"] = (
            f"{counted(value['n_cells'], 'cell')}, all agree on {value['agreed']:.1%}"
        )
        words["Fleiss' kappa"] = _kappa(value["fleiss_kappa"])
        pairs = [
            f"{_kappa(pair['cohen_kappa'])} {' and '.join(map(str, pair['voters']))} "
            f"({counted(pair['n_cells'], 'cell')})"
            for pair in value["pairs"]
        ]
        if pairs:
            words["Cohen's kappa"] = first_few(pairs)
    return words


def _kappa(value):
    return "not defined" if value is None else f"{value:.3f}"


def _spread(values, mpp, unit):
    """Write 5 %, median and 95 % of lengths in pixels, and in micrometres if they are known."""
    if values is None:
        return "none"
    low, median, high = values
    text = f"{median:.3g} {unit} (of nine in ten {low:.3g} to {high:.3g})"
    return text if mpp is None else f"{text}, {median * mpp:.3g} um"


def _other_facts(path, as_json):
    if is_patch_set(path):
        found = load_patches(path)
        facts = {"kind": "patches", "images": len(found.X), "shape": list(found.X.shape[1:])}
        facts |= {"slides": None if found.groups is None else len(np.unique(found.groups))}
        if found.centers is not None:
            facts["without a cell"] = int((~found.has_cell).sum())
        return {**facts, **found.facts, "counts": count_labels(found.y)}
    if path.suffix.lower() == ".safetensors":
        from ..persistence import load, model_card

        estimator = load(path)
        facts = {"kind": "model", "class": type(estimator).__name__}
        facts["classes"] = estimator.classes_.tolist()
        for name in ("image_shape", "patch_size", "cell_size"):
            facts[name] = list(getattr(estimator, f"{name}_"))
        facts["mpp"] = estimator.mpp
        if hasattr(estimator, "estimators"):
            facts["members"] = len(estimator.estimators)
        if as_json:
            return facts
        return {**facts, "card": model_card(estimator)}
    from ..slides._readers import open_reader

    reader = open_reader(os.fspath(path))
    levels = range(len(reader.downsamples))
    return {
        "kind": "slide",
        "size": list(reader.size),
        "mpp": reader.mpp,
        "levels": [[*reader.level_size(i), reader.downsamples[i]] for i in levels],
    }
