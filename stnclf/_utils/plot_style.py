"""What the displays share: pyplot or an error that names the extra, and styles of lines."""

__all__ = ["COLOURS", "DASHES", "LOSS_TITLES", "MARKERS", "import_pyplot", "new_axes"]

#: Those of Okabe and Ito that are dark enough for lines on white, and near-black; with dashes and
#: markers, so that neither colour vision nor a colour printer is needed.
COLOURS = ("#0072b2", "#d55e00", "#007a5c", "#a8487f", "#222222", "#806000")
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "X", "v")

#: Losses in a row of ``history_``, and what they are called in a legend.
LOSS_TITLES = {
    "train_loss": "training, sum",
    "valid_loss": "validation",
    "classification_loss": "training, classes",
    "localization_loss": "training, position",
    "match_loss": "training, which place",
}


def import_pyplot(name):
    """Import pyplot for the display of that name."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{name} needs matplotlib; install it with: pip install 'stnclf[plot]'"
        ) from error
    return plt


def new_axes(name, ax, size):
    """Return `ax`, or the axes of a new figure of `size` in inches."""
    plt = import_pyplot(name)
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
