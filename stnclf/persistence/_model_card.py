"""A model card: what is known about a fitted estimator, in Markdown."""

from __future__ import annotations

import inspect

from .._utils.printable import counted
from ..ensemble import Ensemble, members_of

__all__ = ["as_markdown"]

_UNITS = (
    "Means and standard deviations are of pixels from 0 to 1 where images are uint8. "
    "Positions are (x, y) in pixels of the whole image; (0, 0) is the middle of the top-left pixel."
)


def as_markdown(estimator, versions):
    """Write the card.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted. Of an ensemble, what differs between members stands there for each of them.
    versions : dict of str to str
        Versions by package.

    Returns
    -------
    str
        Markdown; names from the user stand in it as code.
    """
    kind, members = type(estimator), members_of(estimator)
    modules = [member.net_.module_ for member in members]
    height, width, channels = estimator.image_shape_
    n_weights = sum(weight.numel() for module in modules for weight in module.parameters())
    count = [("members", len(members))] if isinstance(estimator, Ensemble) else []
    parts = [
        f"# {kind.__name__}",
        inspect.getdoc(kind).splitlines()[0],
        "## Input and output",
        _table(
            ("what", "value"),
            [
                *count,
                (
                    "images",
                    f"{height} x {width} px (height x width), {counted(channels, 'channel')}",
                ),
                ("pixels", str(estimator.pixel_unit_ or "not known")),
                ("um per pixel", "not known" if estimator.mpp is None else f"{estimator.mpp:g}"),
                ("patch that the networks see", _size(estimator.patch_size_)),
                ("window on a cell", _size(estimator.cell_size_)),
                ("channel means", _each(_numbers(module.mean) for module in modules)),
                ("channel standard deviations", _each(_numbers(module.std) for module in modules)),
                ("classes", ", ".join(_code(label) for label in estimator.classes_.tolist())),
                ("dtype of the classes", _code(estimator.classes_.dtype.str)),
                ("weights", f"{n_weights:,}"),
                ("least probability of a detection", _thresholds(estimator)),
            ],
        ),
        _UNITS,
        "## Training",
        _table(
            ("stage", "epochs", "training loss", "validation loss", "seconds"),
            [
                (f"member {i}, {stage}" if count else stage, *row)
                for i, member in enumerate(members)
                for stage, *row in _training(member.history_)
            ],
        ),
        "Losses are those of each stage's last epoch.",
        "## Parameters",
        _table(("name", "value", "default"), _parameters(members)),
        "## Versions",
        _table(("package", "version"), sorted(versions.items())),
        "## Not known to the software",
        "\n".join(
            f"- {line}:"
            for line in (
                "Training images: source, stain, scanner, licence",
                "Who annotated them, and how",
                "Scores on images from elsewhere, by class",
                "Intended use, and uses that it is not fit for",
            )
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _training(history):
    rows = []
    for stage in dict.fromkeys(row["stage"] for row in history):
        epochs = [row for row in history if row["stage"] == stage]
        losses = [epochs[-1].get(name) for name in ("train_loss", "valid_loss")]
        seconds = sum(row.get("seconds", 0) for row in epochs)
        shown = ["-" if loss is None else f"{loss:.4g}" for loss in losses]
        rows.append((stage, len(epochs), *shown, f"{seconds:.1f}"))
    return rows


def _parameters(members):
    kinds = dict.fromkeys(type(member) for member in members)
    for kind in kinds:
        own = [member for member in members if type(member) is kind]
        for name, default in kind().get_params(deep=False).items():
            if name != "callbacks":
                shown = _each(_shown(getattr(member, name)) for member in own)
                yield _code(name, str), shown, _code(default)


def _shown(value):
    # Of objects without a value to show, such as a RandomState, only the kind is the same
    # every time.
    plain = value is None or isinstance(value, (bool, int, float, str, list, tuple, dict))
    return _code(value) if plain else type(value).__name__


def _each(values):
    """Join what differs between members."""
    return "; ".join(dict.fromkeys(values))


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _thresholds(estimator):
    chosen = getattr(estimator, "detection_thresholds_", {})
    return ", ".join(f"{_code(k)}: {v:.4g}" for k, v in chosen.items()) or "not chosen"


def _size(size):
    return f"{size[0]} x {size[1]} px (height x width)"


def _numbers(tensor):
    return ", ".join(f"{value:.4g}" for value in tensor.tolist())


def _code(value, text=repr):
    """Quote a value as code that is safe in the cell of a table."""
    text = text(value).replace("|", "\\|")
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
