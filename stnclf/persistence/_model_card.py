"""A model card: what is known about a fitted estimator, in Markdown."""

from __future__ import annotations

import inspect

__all__ = ["as_markdown"]

_UNITS = (
    "Means and standard deviations are of pixels from 0 to 1 where images are uint8. "
    "Positions are (x, y) in pixels of the whole image; (0, 0) is the middle of the top-left pixel."
)


def as_markdown(estimator, versions):
    """Write the card.

    Parameters
    ----------
    estimator : STNCellClassifier or CiresanBaseline
        Fitted.
    versions : dict of str to str
        Versions by package.

    Returns
    -------
    str
        Markdown; names from the user stand in it as code.
    """
    kind, module = type(estimator), estimator.net_.module_
    height, width, channels = estimator.image_shape_
    n_weights = sum(parameter.numel() for parameter in module.parameters())
    parts = [
        f"# {kind.__name__}",
        inspect.getdoc(kind).splitlines()[0],
        "## Input and output",
        _table(
            ("what", "value"),
            [
                ("images", f"{height} x {width} px (height x width), {channels} channel(s)"),
                ("pixels", str(estimator.pixel_unit_ or "not known")),
                ("um per pixel", "not known" if estimator.mpp is None else f"{estimator.mpp:g}"),
                ("patch that the networks see", _size(estimator.patch_size_)),
                ("window on a cell", _size(estimator.cell_size_)),
                ("channel means", _numbers(module.mean)),
                ("channel standard deviations", _numbers(module.std)),
                ("classes", ", ".join(_code(label) for label in estimator.classes_.tolist())),
                ("dtype of the classes", _code(estimator.classes_.dtype.str)),
                ("weights", f"{n_weights:,}"),
            ],
        ),
        _UNITS,
        "## Training",
        _table(
            ("stage", "epochs", "training loss", "validation loss", "seconds"),
            _training(estimator.history_),
        ),
        "Losses are those of each stage's last epoch.",
        "## Parameters",
        _table(("name", "value", "default"), _parameters(estimator)),
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


def _parameters(estimator):
    defaults = type(estimator)().get_params(deep=False)
    for name, value in estimator.get_params(deep=False).items():
        # Of objects without a value to show, such as a RandomState, only the kind is the same
        # every time.
        plain = value is None or isinstance(value, (bool, int, float, str, list, tuple, dict))
        if name != "callbacks":
            shown = _code(value) if plain else type(value).__name__
            yield _code(name, str), shown, _code(defaults[name])


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


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
