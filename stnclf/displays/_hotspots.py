"""`HotspotDisplay`: a slide with the density of cells, the cells, and the fields with most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._utils.plot_style import COLOURS, MARKERS, draw_scalebar, new_axes
from .._utils.printable import counted
from .._utils.typing import Pixels, Table
from ..scan import density_map
from ..scan._density import density_colours, sigma_of, smoothed
from ..scan._hotspots import rows_of
from ..slides._slide import opened
from ..slides._tissue import metric_mpp

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HotspotDisplay"]


class HotspotDisplay:
    """A slide in grey, the density of cells on it, the cells, and the fields that hold most.

    Make one with `from_detections`.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        The slide with the density, as `stnclf.scan.density_map` draws it.
    scale : float
        Level-0 pixels for each pixel of the image.
    mpp : float or None
        Micrometres per pixel of level 0; None where nobody knows.
    points : ndarray of shape (n_cells, 2)
        ``(x, y)`` of the cells in level-0 pixels.
    labels : array-like of shape (n_cells,)
        Their classes.
    fields : DataFrame, default=None
        Fields as `stnclf.scan.hotspots` gives them.
    highest : float, default=None
        Highest density for the colour bar, in cells per square millimetre; without `mpp`, in cells
        for each square of 100 x 100 pixels.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, after `plot`; in millimetres, or in pixels without `mpp`.
    figure_ : matplotlib.figure.Figure
        Its figure.
    image_ : AxesImage
        Slide and density.
    cells_ : list of PathCollection
        The cells of each class.
    fields_ : list of Rectangle
        The fields.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from stnclf.displays import HotspotDisplay
    >>> from stnclf.slides import Slide
    >>> slide = Slide(np.full((600, 800, 3), 230, np.uint8), mpp=1.0)
    >>> cells = pd.DataFrame({"x": [90, 110, 700], "y": [200, 220, 500], "label": "mitosis"})
    >>> display = HotspotDisplay.from_detections(cells, slide)          # doctest: +SKIP
    """

    def __init__(
        self,
        image: Pixels,
        scale: float,
        mpp: float | None,
        points: ArrayLike,
        labels: ArrayLike,
        *,
        fields: Table | None = None,
        highest: float | None = None,
    ) -> None:
        self.image, self.scale, self.mpp = image, scale, mpp
        self.points, self.labels, self.fields = np.asarray(points), np.asarray(labels), fields
        self.highest = highest

    @classmethod
    def from_detections(
        cls,
        detections: Table,
        slide: Any,
        *,
        fields: Table | None = None,
        label: str | None = None,
        sigma_um: float | None = None,
        sigma_px: float | None = None,
        max_size: int = 1024,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw what `stnclf.scan.scan` and `stnclf.scan.hotspots` found.

        Parameters
        ----------
        detections : DataFrame
            Cells: ``x``, ``y`` and ``label``. If there is a column ``image`` with several names,
            the rows of this slide are drawn.
        slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
            The slide.
        fields : DataFrame, default=None
            Fields to outline.
        label : label, default=None
            The class that is drawn; None draws all rows.
        sigma_um : float, default=None
            Standard deviation in micrometres of the Gaussian that each cell is spread over, which
            wants a slide whose resolution is known. None, without `sigma_px` either, adapts it to
            `fields`, or to the slide, as `stnclf.scan.density_map` does.
        sigma_px : float, default=None
            The same in pixels of level 0.
        max_size : int, default=1024
            Largest width and height of the slide's image in pixels.
        ax : Axes, default=None
            Where to draw; None makes a figure.
        **options : dict
            Other arguments of `plot`.

        Returns
        -------
        HotspotDisplay

        Raises
        ------
        TypeError, ValueError
            As `stnclf.scan.density_map`.
        """
        with opened(slide) as slide:
            sigma = sigma_of(slide, sigma_um, sigma_px, fields)
            image, scale = density_map(
                detections, slide, label=label, sigma_px=sigma, max_size=max_size
            )
            mpp, rows = metric_mpp(slide), rows_of(detections, slide, label)
        names = np.array([str(name) for name in detections["label"]], dtype=object)
        points = np.stack([np.asarray(detections[axis], dtype=float) for axis in "xy"], axis=1)
        counts = smoothed(points[rows], image.shape[:2], scale, sigma)
        unit = 0.01 if mpp is None else mpp / 1000
        highest = float(counts.max() / (scale * unit) ** 2)
        return cls(
            image, scale, mpp, points[rows], names[rows], fields=fields, highest=highest
        ).plot(ax=ax, **options)

    def plot(
        self,
        *,
        ax: Any = None,
        cells: bool = True,
        colorbar: bool = True,
        scalebar: bool = False,
    ) -> Self:
        """Draw the slide.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.
        cells : bool, default=True
            Mark each cell; a marker for each class.
        colorbar : bool, default=True
            Say what the colours of the density mean.
        scalebar : bool, default=False
            Draw a bar of round length into the lower left corner.

        Returns
        -------
        HotspotDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        height, width = self.image.shape[:2]
        tall = min(max(7.5 * height / width, 2.5), 9)
        ax = new_axes("HotspotDisplay", ax, (9, tall))
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        # Pixel edges, in millimetres, or in pixels.
        unit, mm = ("px", 1.0) if self.mpp is None else ("mm", self.mpp / 1000)
        right, bottom = width * self.scale * mm, height * self.scale * mm
        self.image_ = ax.imshow(self.image, extent=(0, right, bottom, 0), interpolation="bilinear")
        self.cells_: list[Any] = self._draw_cells(ax, mm) if cells else []
        self.fields_ = self._draw_fields(ax, mm)
        ax.set(xlabel=unit, ylabel=unit, xlim=(0, right), ylim=(bottom, 0))
        if self.cells_:
            legend = ax.legend(
                handles=self.cells_,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.14),
                ncols=3,
                frameon=False,
            )
            for handle in legend.legend_handles:  # however small they are on the slide
                handle.set_sizes([40.0])
        if colorbar:
            colours, cover = density_colours(np.linspace(0, 1, 64))
            # As they look on light tissue.
            shown = 230 + cover[:, None] * (colours - 230)
            label, norm = "density of cells (1: the highest here)", Normalize(0, 1)
            if self.highest:
                square = "mm$^2$" if unit == "mm" else "100 x 100 px"
                label, norm = f"cells per {square}, smoothed", Normalize(0, self.highest)
            cmap = ListedColormap(np.clip(shown / 255, 0, 1))
            ax.figure.colorbar(ScalarMappable(norm, cmap), ax=ax, shrink=0.7, label=label)
        if scalebar:
            draw_scalebar(ax, right, bottom, unit)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_cells(self, ax: Any, mm: float) -> list[Any]:
        # Few cells get large markers, many small ones.
        size = float(np.clip(9000 / max(1, len(self.points)), 4, 40))
        # Thinner around small ones, lest a crowd of cells be a white spot.
        edge = min(0.5, size / 20)
        names = sorted(set(self.labels.tolist()))
        return [
            ax.scatter(
                *((self.points[self.labels == name] + 0.5) * mm).T,
                s=size,
                marker=MARKERS[k % len(MARKERS)],
                color=COLOURS[k % len(COLOURS)],
                edgecolors="white",
                linewidths=edge,
                label=name,
            )
            for k, name in enumerate(names)
        ]

    def _draw_fields(self, ax: Any, mm: float) -> list[Any]:
        from matplotlib.patches import Rectangle
        from matplotlib.patheffects import withStroke

        if self.fields is None:
            return []
        drawn = []
        columns = [list(self.fields[name]) for name in ("x", "y", "width", "height")]
        counts = list(self.fields["count"]) if "count" in self.fields else [None] * len(columns[0])
        for number, (x, y, width, height, count) in enumerate(zip(*columns, counts), start=1):
            left, top = (x + 0.5 - width / 2) * mm, (y + 0.5 - height / 2) * mm
            edge = [withStroke(linewidth=4.5, foreground="white")]
            field = Rectangle(
                (left, top),
                width * mm,
                height * mm,
                fill=False,
                edgecolor="#0b3c7d",
                linewidth=2.2,
                path_effects=edge,
            )
            drawn.append(ax.add_patch(field))
            words = f"{number}" if count is None else f"{number}: {counted(round(count), 'cell')}"
            ax.text(
                left,
                top,
                words,
                color="white",
                va="bottom",
                fontsize="small",
                weight="bold",
                bbox={"facecolor": "#0b3c7d", "edgecolor": "none", "pad": 2},
            )
        return drawn
