"""What the displays share: pyplot or an error that names the extra, and styles of lines."""

import math

__all__ = [
    "COLOURS",
    "DASHES",
    "LOSS_TITLES",
    "MARKERS",
    "draw_scalebar",
    "import_pyplot",
    "new_axes",
]

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


def draw_scalebar(ax, width, height, unit="mm"):
    """Draw a bar of round length into the lower left corner of a picture.

    Parameters
    ----------
    ax : Axes
        Its y axis points downwards.
    width, height : float
        Of the picture.
    unit : {"mm", "px"}, default="mm"
        What the axes count.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    power = 10.0 ** math.floor(math.log10(width / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= width / 4)
    words = f"{1000 * length:g} µm" if unit == "mm" and length < 1 else f"{length:g} {unit}"
    left, bottom, thick = 0.03 * width, height - 0.035 * width, 0.012 * width
    # With white around, for it may lie on dark tissue.
    edge = [withStroke(linewidth=3, foreground="white")]
    bar = Rectangle((left, bottom), length, thick, facecolor="black", path_effects=edge, zorder=5)
    ax.add_patch(bar)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    above = bottom - 0.02 * width
    ax.text(left, above, words, va="bottom", fontsize="small", bbox=box, zorder=5)
