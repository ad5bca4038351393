"""`Slide`: one slide or plain image, read at any resolution."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from .._utils.errors import argument_error
from .._utils.names import composed
from .._utils.typing import PathLike, Pixels
from .._utils.values import check_file, check_pixels, check_positive
from ._read_errors import BrokenTiles, PatientReader
from ._readers import Opener
from ._regions import read_scaled
from ._tissue import find_tissue

__all__ = ["Slide", "name_of", "opened"]

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
        file with several pages the first is taken. Pixels are as they are stored, not turned as a
        tag of TIFF or EXIF says.
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
    stnclf.slides.SlideReadError
        If a part of the file cannot be read, in several attempts; raised by what reads pixels. It
        is an OSError, and names the tiles.
    TypeError, ValueError
        If an argument is not as described. A file that is no image, or one of other pixels than
        8-bit grey or colour, is a ValueError when it is opened; the message names the file.

    Warns
    -----
    UserWarning
        If the file has an orientation, which is not applied, or several images of one size, of
        which the first is taken.

    Notes
    -----
    A resolution in the file counts if it is 20 um per pixel or finer and the same on both axes. In
    TIFF it may stand in the tags, in OME-XML or in ImageJ's description, unless they disagree.
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
            raise argument_error(
                "path",
                f"got {type(path).__name__}, wants a path or a uint8 array of shape "
                "(height, width, 3).",
                TypeError,
            )
        self._broken: BrokenTiles | None = None
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
            why = self._opener.reader().resolution.why_not
            raise ValueError(
                f"{self._name}: has no usable resolution in it{f' ({why})' if why else ''}; pass "
                "mpp= to Slide, or slide_mpp= to extract_patches."
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
        stnclf.slides.SlideReadError
            If the region cannot be read; names its broken tiles.
        TypeError, ValueError
            If an argument is not as described, or the resolution is not known.

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
                raise argument_error(name, f"got {value!r}, wants a finite number of pixels.")
        for name, value in (("width", width), ("height", height)):
            if not isinstance(value, Integral) or value < 1:
                raise argument_error(name, f"got {value!r}, wants a whole number of at least 1.")
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
        stnclf.slides.SlideReadError
            If a part of the file cannot be read; names it.
        ValueError
            If `max_size` is not at least 1, or the file is no slide.
        """
        if not isinstance(max_size, Integral) or max_size < 1:
            raise argument_error(
                "max_size", f"got {max_size!r}, wants a whole number of at least 1."
            )
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
        stnclf.slides.SlideReadError
            If a part of the file cannot be read; names it.
        TypeError, ValueError
            If `mpp` is no positive number, the resolution of the slide is not known, or the
            file is no slide.

        Notes
        -----
        Tissue is what has colour: the range of the three channels, blurred by one cell, above
        the threshold of Otsu [1]_. The threshold stays within limits, so that a slide that is
        all glass has no tissue and one that is all tissue is not split in two. Pen and dust
        without colour are left out. A slide without stain, but for a small label, is judged by
        its darkness as well.

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

    def _remembering(self, broken):
        """Return a slide of the same open file that asks a run's `BrokenTiles` before it reads."""
        slide = copy.copy(self)
        slide._broken = broken
        return slide

    def _overview(self, scale, read_around=None):
        # Sizes are products of scale, so that rounding must not add a pixel.
        width, height = (max(1, math.ceil(side / scale - 1e-6)) for side in self.size)
        finest = max((d for d in self._opener.reader().downsamples if d <= scale), default=1.0)
        if math.prod(self.size) / finest**2 > _MOST_OVERVIEW:
            size = f"{self.size[0]} x {self.size[1]} px"
            raise ValueError(f"{self.path!r}: is {size}, too much without a pyramid of levels.")
        if read_around is None:
            return self._read(0, 0, width, height, scale), scale

        def read(x, y, width, height):
            return self._read(x * scale, y * scale, width, height, scale)

        return read_around(read, width, height), scale

    def _read(self, x, y, width, height, scale):
        reader = PatientReader(self._opener, self.path or self._name, self._broken)
        return read_scaled(reader, x, y, width, height, scale)


@contextlib.contextmanager
def opened(slide):
    """Return a Slide of a Slide, path or array; what is opened here is closed in the end."""
    if isinstance(slide, Slide):
        yield slide
        return
    if isinstance(slide, np.ndarray):
        check_pixels("slide", slide)
    elif not isinstance(slide, (str, os.PathLike)):
        raise argument_error(
            "slide",
            f"got {type(slide).__name__}, wants a Slide, a path or a uint8 array of shape "
            "(height, width, 3).",
            TypeError,
        )
    with Slide(slide) as slide:
        yield slide


def name_of(slide):
    """Name of the file, for the column ``image`` of tables; "array" where there is none."""
    return "array" if slide.path is None else composed(os.path.basename(slide.path))
