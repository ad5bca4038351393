"""The command ``predict``."""

from __future__ import annotations

import os
from functools import partial

import click
import numpy as np

from .._utils.errors import check_utf8
from .._utils.identity import describe_file, run_identity
from .._utils.names import probability_column
from .._utils.optional import import_pandas
from .._utils.printable import counted
from .._version import __version__
from .common import EXISTING, FILE, Command, examples, long_options, out_option, shows_progress
from .messages import about_file, say
from .outputs import beside, check_output, replacing_only_if, say_complete, target
from .patch_set import is_patch_set, load_patches

__all__ = ["predict"]


_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


#: Images at a time; a run that goes on has whole ones.
_CHUNK = 256


@click.command(
    cls=Command,
    epilog=examples(
        "stnclf predict model.safetensors cells/ --out cells.csv",
        "stnclf predict model.safetensors a.png b.png --out cells.csv",
    ),
)
@click.argument("model", type=FILE)
@click.argument("inputs", nargs=-1, required=True, type=EXISTING)
@out_option("CSV file with one row per image.")
@click.option("--device", help="cpu, cuda or cuda:N.  [default: as in MODEL]")
@long_options
def predict(model, inputs, out, device, overwrite, resume, progress):
    """Classify the cells in INPUTS: patches, image files, or folders of image files.

    The table has the class, a probability for each class, and where the cell is in the image; of
    an ensemble also its disagreement, the standard deviation of the probability over the members.
    """
    from .._utils.progress import Progress
    from ..persistence import load

    unfinished = [beside(out, ".progress")]
    check_output(
        out, overwrite=overwrite, resume=resume, unfinished=unfinished, endings=("", ".csv")
    )
    estimator = load(model, device)
    images, n_images, read, columns = _images(inputs, estimator.image_shape_[2])
    header = run_identity(
        "predict", __version__, model=describe_file(model), images=images, chunk=_CHUNK
    )
    with replacing_only_if(overwrite), Progress(target(out), header, resume) as run:
        if run.complete:
            say_complete(out)
            return
        _predict_all(estimator, n_images, read, run, shows_progress(progress))
        best = _write(estimator, columns, run)
    numbers = np.bincount(best, minlength=len(estimator.classes_))
    counts = ", ".join(f"{n} {label}" for label, n in zip(estimator.classes_, numbers))
    say(f"{out}: {counted(len(best), 'image')} ({counts})")


def _write(estimator, columns, run):
    """Write the table; return the index of each image's class."""
    from ..scan._plane import csv_of

    cells = np.concatenate([part for _, part in run.in_order()])
    classes = estimator.classes_
    proba = cells[:, 2 : 2 + len(classes)]
    best = proba.argmax(axis=1)
    table = {
        **columns,
        "x": cells[:, 0],
        "y": cells[:, 1],
        "label": classes[best],
        "probability": proba.max(axis=1),
    }
    for label, column in zip(classes.tolist(), proba.T):
        table[probability_column(label)] = column
    if cells.shape[1] > 2 + len(classes):
        table["disagreement"] = cells[:, -1]
    run.finish(csv_of(import_pandas().DataFrame(table)))
    return best


def _predict_all(estimator, n_images, read, kept, verbose):
    """Predict chunk by chunk.

    A row is (x, y) of the cell, a probability for each class, and an ensemble's disagreement.
    """
    from tqdm import tqdm

    from ..ensemble import class_columns

    starts = range(0, n_images, _CHUNK)
    done = sum(map(len, kept.cells.values()))
    with tqdm(total=n_images, initial=done, unit="image", disable=not verbose) as bar:
        for number, start in enumerate(starts):
            if number not in kept.cells:
                X, path = read(slice(start, min(start + _CHUNK, n_images)))
                with about_file(path):
                    cells = [estimator.transform(X), class_columns(estimator, X)]
                kept.add(number, np.concatenate(cells, axis=1), partial(bar.update, len(X)))


def _images(inputs, n_channels):
    """Return what the images are, how many, a function that reads some, columns of the table."""
    from .._utils.image_files import load_images

    if len(inputs) == 1 and is_patch_set(inputs[0]):
        found = load_patches(inputs[0])
        images = np.arange(len(found.X)) if found.groups is None else found.groups
        columns = {"row": np.arange(len(found.X)), "image": images, "annotated": found.y}
        identity = {"patches": describe_file(inputs[0])}
        return identity, len(found.X), lambda rows: (found.X[rows], inputs[0]), columns
    paths = []
    for path in inputs:
        if is_patch_set(path):
            raise ValueError(f"{path}: patches go alone, and there are other inputs.")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        chosen = [p for p in inside if p == path or p.suffix.lower() in _IMAGES]
        if not chosen:
            raise ValueError(f"{path}: a folder without patches or images.")
        paths += chosen
    names = [os.fspath(path) for path in paths]
    for name in names:
        check_utf8("inputs", name)

    def read(rows):
        first = names[rows.start]
        try:
            return load_images(names[rows], n_channels), first
        except ValueError as error:
            raise ValueError(str(error).replace("but X[0] is", f"but {first!r} is")) from error

    # In their order, which is that of the rows; a name may come twice.
    identity = {f"{i}: {name}": describe_file(name) for i, name in enumerate(names)}
    return identity, len(names), read, {"image": names}
