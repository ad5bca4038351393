"""Slides and images: open them, read regions at any resolution, find tissue, cut patches.

Positions on a slide are ``(x, y)`` in pixels of its largest level (level 0): a whole number is
the middle of a pixel, ``(0, 0)`` the middle of the top-left one. Resolution is ``mpp``,
micrometres per pixel.

Whole-slide formats (SVS, NDPI, MRXS, SCN, tiled TIFF and others) need OpenSlide, which the
extra ``stnclf[slides]`` installs; plain images (PNG, JPEG, BMP, TIFF without tiles) do not.
"""

from __future__ import annotations

import math
import os
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from ._extract import extract
from ._pyramid import write_pyramid_tiff
from ._regions import read_scaled
from ._slide_readers import Opener
from ._tissue_mask import find_tissue
from ._utils.checks import check_file, check_pixels, check_positive
from ._utils.typing import Floats, PathLike, Pixels, RandomState, Table

__all__ = ["Slide", "extract_patches", "write_pyramid_tiff"]

#: Pixels that are read for an overview: what a header claims must not keep one busy for hours.
_MOST_OVERVIEW = 2**32


class Slide:
    """A whole slide or a plain image, opened when its pixels or its size are first wanted.

    It can be pickled, copied, used by several threads at once and taken into a forked process;
    each process opens the file for itself. As a context it closes the file in the end, and
    opens it again if it is used again.

    Parameters
    ----------
    path : str, path-like or uint8 ndarray of shape (height, width, 3)
        Whole-slide image in a format that OpenSlide knows, a plain image, or RGB pixels. Of a
        plain image with several pages the first is taken; it is not turned as its EXIF
        orientation says.
    mpp : float, default=None
        Micrometres per pixel of level 0. None takes it from the file.

    Attributes
    ----------
    path : str or None
        The file as given; None for pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file wants OpenSlide and it is not installed; raised when the file is opened.
    TypeError, ValueError
        If an argument is not as described. A file that is damaged or no image is a ValueError
        when that is found out; the message names the file.

    Notes
    -----
    A resolution in the file counts if it is 20 um per pixel or finer and the same on both axes.
    Many programs write 72 dots per inch into images without knowing: that is 353 um per pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.slides import Slide
    >>> slide = Slide(np.full((400, 600, 3), 200, dtype=np.uint8), mpp=0.25)
    >>> slide.size, slide.mpp
    ((600, 400), 0.25)
    >>> slide.read_region(100, 50, 30, 20, mpp=0.5).shape
    (20, 30, 3)
    """

    def __init__(self, path: PathLike | Pixels, mpp: float | None = None):
        self.path = None
        if isinstance(path, np.ndarray):
            check_pixels("path", path)
            self._name = "array of {} x {} px".format(*path.shape[1::-1])
            self._opener = Opener(path)
        elif isinstance(path, (str, os.PathLike)):
            self.path = os.fsdecode(path)
            check_file(self.path)
            self._name = repr(self.path)
            # A process with another working directory finds it too.
            self._opener = Opener(os.path.abspath(self.path))
        else:
            raise TypeError(
                f"path: got {type(path).__name__}, wants a path or a uint8 array of shape "
                "(height, width, 3)."
            )
        self._mpp = None if mpp is None else check_positive("mpp", mpp, "micrometres per pixel")

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of level 0 in pixels."""
        return self._opener.reader().size

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of level 0; a ValueError where nobody knows."""
        mpp = self._opener.reader().mpp if self._mpp is None else self._mpp
        if mpp is None:
            raise ValueError(
                f"{self._name}: has no usable resolution in it; pass mpp= to Slide, or "
                "slide_mpp= to extract_patches."
            )
        return mpp

    def scale(self, mpp: float | None = None) -> float:
        """Level-0 pixels for one pixel at another resolution.

        Parameters
        ----------
        mpp : float, default=None
            Micrometres per pixel; None is level 0 itself, whether or not its own is known.

        Returns
        -------
        float
            2.0 if a pixel is twice as wide as at level 0.

        Raises
        ------
        TypeError, ValueError
            If `mpp` is no positive number, or that of the slide is not known.
        """
        if mpp is None:
            return 1.0
        return check_positive("mpp", mpp, "micrometres per pixel") / self.mpp

    def read_region(
        self, x: float, y: float, width: int, height: int, mpp: float | None = None
    ) -> Pixels:
        """Read a rectangle at any resolution.

        Parameters
        ----------
        x, y : float
            The level-0 pixel whose top-left corner is that of the region; may be a fraction,
            and outside the slide.
        width, height : int
            Size of the result in its own pixels.
        mpp : float, default=None
            Micrometres per pixel of the result; None is level 0.

        Returns
        -------
        uint8 ndarray of shape (height, width, 3)
            RGB, white where there is no slide. With ``s = slide.scale(mpp)``, the middle of
            pixel ``(i, j)`` lies at ``(x + (i + 0.5) * s - 0.5, y + (j + 0.5) * s - 0.5)`` on
            the slide.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the resolution is not known, or the file cannot
            be read.

        Notes
        -----
        Pixels come from the coarsest level that is at least as fine as the result, and are
        resampled (bicubic, with a kernel as wide as the pixels of the result) unless they
        coincide with it.

        Examples
        --------
        >>> import numpy as np
        >>> from stnclf.slides import Slide
        >>> ramp = np.arange(0, 240, 2, dtype=np.uint8).repeat(80 * 3).reshape(120, 80, 3)
        >>> region = Slide(ramp, mpp=0.25).read_region(0, 40, 1, 3, mpp=1.0)
        >>> region[:, 0, 0].tolist()
        [83, 91, 99]
        """
        for name, value in (("x", x), ("y", y)):
            if not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"{name}: got {value!r}, wants a finite number of pixels.")
        for name, value in (("width", width), ("height", height)):
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name}: got {value!r}, wants a whole number of at least 1.")
        return self._read(x, y, int(width), int(height), self.scale(mpp))

    def thumbnail(self, max_size: int = 1024) -> tuple[Pixels, float]:
        """Read the whole slide, small.

        Parameters
        ----------
        max_size : int, default=1024
            Largest width and height in pixels; nothing is enlarged.

        Returns
        -------
        image : uint8 ndarray of shape (height, width, 3)
            RGB.
        scale : float
            Level-0 pixels for each pixel of the image.

        Raises
        ------
        ValueError
            If `max_size` is not at least 1, or the file cannot be read.
        """
        if not isinstance(max_size, Integral) or max_size < 1:
            raise ValueError(f"max_size: got {max_size!r}, wants a whole number of at least 1.")
        return self._overview(max(1.0, max(self.size) / max_size))

    def tissue_mask(self, mpp: float = 8.0) -> tuple[NDArray[np.bool_], float]:
        """Find where there is tissue on the glass.

        Parameters
        ----------
        mpp : float, default=8.0
            Micrometres per cell of the mask.

        Returns
        -------
        mask : bool ndarray of shape (height, width)
            True on tissue and one cell around it.
        scale : float
            Level-0 pixels for each cell; cell ``(i, j)`` begins at the top-left corner of
            level-0 pixel ``(i * scale, j * scale)``.

        Raises
        ------
        TypeError, ValueError
            If `mpp` is no positive number, the resolution of the slide is not known, or the
            file cannot be read.

        Notes
        -----
        Tissue is what has colour: the range of the three channels, blurred by one cell, above
        the threshold of Otsu [1]_. The threshold stays within limits, so that a slide that is
        all glass has no tissue and one that is all tissue is not split in two. Pen and dust
        without colour are left out. A slide without any colour is judged by its darkness.

        References
        ----------
        .. [1] Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE
           Transactions on Systems, Man, and Cybernetics 9(1), 1979,
           https://doi.org/10.1109/TSMC.1979.4310076
        """
        image, scale = self._overview(self.scale(mpp))
        return find_tissue(image), scale

    def close(self) -> None:
        """Close the file. It is opened again when it is wanted again."""
        self._opener.close()

    def __enter__(self) -> Slide:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Slide({self._name}, mpp={self._mpp!r})"

    def _overview(self, scale):
        # Sizes are products of scale, so that rounding must not add a pixel.
        width, height = (max(1, math.ceil(side / scale - 1e-6)) for side in self.size)
        finest = max((d for d in self._opener.reader().downsamples if d <= scale), default=1.0)
        if math.prod(self.size) / finest**2 > _MOST_OVERVIEW:
            size = f"{self.size[0]} x {self.size[1]} px"
            raise ValueError(f"{self.path!r}: is {size}, too much without a pyramid of levels.")
        return self._read(0, 0, width, height, scale), scale

    def _read(self, x, y, width, height, scale):
        try:
            return read_scaled(self._opener.reader(), x, y, width, height, scale)
        except ValueError:
            self.close()  # OpenSlide reads nothing more from a file that failed once
            raise


def extract_patches(
    annotations: Table,
    root: PathLike,
    *,
    size: int,
    mpp: float | None,
    max_offset: float = 0,
    cell_size: int | None = None,
    image_size: int | None = None,
    slide_mpp: float | None = None,
    out: PathLike | None = None,
    resume: bool = False,
    n_jobs: int = 1,
    random_state: RandomState = None,
    verbose: int = 0,
) -> tuple[Pixels, np.ndarray, Floats, NDArray[np.str_]]:
    """Cut an image around each annotated cell, ready for `STNCellClassifier.fit`.

    Parameters
    ----------
    annotations : DataFrame or mapping of columns
        ``image``, the file's name below `root`; ``x`` and ``y``, the cell in pixels of level 0;
        ``label``. One row for each cell, in any order.
    root : str or path-like
        Folder of the slides. Names that are absolute or hold ``..`` are refused.
    size : int
        Side in pixels of the central patch, the `patch_size` of the classifier.
    mpp : float or None
        Micrometres per pixel of the images. None takes the pixels of level 0, whatever they
        measure.
    max_offset : float, default=0
        Largest distance of the cell from the middle of the image on either axis, in pixels of
        the image, at most half of `size`. The offset is drawn at random.
    cell_size : int, default=None
        Side in pixels of the cell's window, the `cell_size` of the classifier. None is half of
        `size`.
    image_size : int, default=None
        Side of the images in pixels, at least `size`. None leaves so much around the patch that
        every patch that training can draw, moved and turned, has real pixels (see Notes).
    slide_mpp : float, default=None
        Micrometres per pixel of level 0 of every slide; None takes each from its file.
    out : str or path-like, default=None
        File for `X` in NumPy's format, .npy, which need not fit into memory. It appears when it
        is complete; until then ``out + ".part"`` and ``out + ".progress"`` lie beside it. None
        keeps `X` in memory.
    resume : bool, default=False
        Go on with an unfinished `out`, if there is one, instead of beginning anew. The result
        is that of an uninterrupted run.
    n_jobs : int, default=1
        Threads; -1 is one for each processor. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Where the offsets come from. With `resume`, None takes those that were drawn before.
    verbose : int, default=0
        Above 0 shows a progress bar.

    Returns
    -------
    X : uint8 ndarray of shape (n, image_size, image_size, 3)
        RGB, in the order of the table; white beyond the edge of a slide. Memory-mapped and
        read-only if `out` is given.
    y : ndarray of shape (n,)
        Labels.
    centers : float64 ndarray of shape (n, 2)
        ``(x, y)`` of the cells in pixels of the images, exact to fractions.
    groups : ndarray of shape (n,), str
        Names of the images, for cross-validation by slide.

    Raises
    ------
    FileNotFoundError
        If a slide, or the folder of `out`, is not there.
    ImportError
        If a slide wants OpenSlide and it is not installed.
    TypeError, ValueError
        If an argument is not as described, a cell lies outside its image, a slide cannot be
        read or has no resolution, or `resume` finds a run with other arguments. Nothing new is
        left in the folder of `out` then. Rows are counted from 0.

    Notes
    -----
    Training shows the cell at up to ``(size - cell_size) / 2`` from the middle of a patch that
    is turned by any angle. Hence, by default, the side of the images is ``size + 2 * margin``
    with ``margin = ceil(max_offset + sqrt(2) * (size - cell_size / 2) - (size - 1) / 2)``: 274
    pixels for a patch of 128 and a window of 64.

    Images consist of whole pixels of the slide at `mpp`, so that cells are up to half a pixel
    off the place that was drawn for them, and with ``max_offset=0`` off the middle; `centers`
    has where they are.

    Each part of a slide is read once, whatever the number of cells in it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from stnclf.slides import extract_patches
    >>> table = {"image": ["a.png"], "x": [40.0], "y": [20.0], "label": ["mitotic figure"]}
    >>> with tempfile.TemporaryDirectory() as root:
    ...     Image.new("RGB", (80, 60), "pink").save(f"{root}/a.png")
    ...     X, y, centers, groups = extract_patches(table, root, size=32, mpp=None)
    >>> X.shape, centers.tolist()
    ((1, 70, 70, 3), [[34.0, 34.0]])
    """
    return extract(
        Slide,
        annotations,
        root,
        size=size,
        mpp=mpp,
        max_offset=max_offset,
        cell_size=cell_size,
        image_size=image_size,
        slide_mpp=slide_mpp,
        out=out,
        resume=resume,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
