"""What annotation files need to know of a slide, and finding the slide that they are about."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from PIL import Image

from .._utils.files import check_path
from .._utils.names import base_name, composed, path_below
from .._utils.printable import quoted
from .._utils.resolution import (
    Resolution,
    resolution_of_dpi,
    resolution_of_pair,
    resolution_of_tiff,
)
from .._utils.tiff_tags import read_directories
from .._utils.typing import PathLike
from ._folders_below import slides_in_folders_below

__all__ = [
    "SLIDE_ENDINGS",
    "SlideFacts",
    "find_slide",
    "is_slide_of",
    "resolve_image",
    "slide_facts",
    "stem_of",
]

#: Endings of images that only Pillow reads.
PLAIN = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
#: Endings of slides on which OpenSlide may report where the scanned area begins.
BOUNDED = (".mrxs", ".scn", ".bif", ".czi")
#: Endings of files in which it begins at pixel 0.
UNBOUNDED = (".svs", ".ndpi", ".vms", ".vmu", *PLAIN)
#: Endings of slides and images.
SLIDE_ENDINGS = (*BOUNDED, *UNBOUNDED, ".tif", ".tiff", ".dcm", ".qptiff", ".svslide")


@dataclass(frozen=True)
class SlideFacts:
    """Numbers of a slide.

    Parameters
    ----------
    size : tuple of int
        ``(width, height)`` of level 0 in pixels.
    mpp : tuple of float or None
        Micrometres per pixel of level 0 along x and y.
    bounds : tuple of int
        ``(x, y)`` of the level-0 pixel at which the scanned area begins.
    center : tuple of float or None
        Nanometres from the middle of the slide's glass to that of the image, of Hamamatsu's.
    """

    size: tuple[int, int]
    mpp: tuple[float, float] | None = None
    bounds: tuple[int, int] = (0, 0)
    center: tuple[float, float] | None = None


def resolve_image(root: PathLike, name: str) -> Path:
    r"""Find the path of an image below a folder, and refuse a name that leads out of it.

    Names come from files that others made; one like ``../../secrets.tif`` must not be opened.
    Links below `root` are the user's own and are followed.

    Parameters
    ----------
    root : path-like
        The folder that holds the images.
    name : str
        Name of an image, as in the column ``image``; ``/`` and ``\`` separate folders.

    Returns
    -------
    path : pathlib.Path
        `root` and the name, which may have no file. A file that has the same letters in another
        form of Unicode goes by its own name: macOS writes an umlaut as two characters. A name
        without folders of which `root` itself has no file stands for the one slide or image of
        that name in the folders below it.

    Raises
    ------
    TypeError
        If `root` is no path.
    ValueError
        If the name is empty, absolute, has a drive, or goes up by ``..``; in one line.

    Examples
    --------
    >>> from stnclf.annotations import resolve_image
    >>> resolve_image("slides", "01/25.tif").as_posix()
    'slides/01/25.tif'
    >>> resolve_image("slides", "../../x.svs")
    Traceback (most recent call last):
    ...
    ValueError: image must be a name below its folder, got '../../x.svs'.
    """
    folder = Path(check_path("root", root))
    return _placed(folder, name)[0]


def _placed(root: Path, name: str | None, *, below: bool = True) -> tuple[Path, bool]:
    """Find the place of a name as `resolve_image` does, and tell whether it has no folder.

    Without `below` folders below `root` are not looked into.
    """
    inside = isinstance(name, str) and "\0" not in name and not PureWindowsPath(name).anchor
    parts = name.replace("\\", "/").split("/") if name is not None and inside else [".."]
    parts = [part for part in parts if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ValueError(f"image must be a name below its folder, got {quoted(name)}.")
    path, is_plain = path_below(root, parts), len(parts) == 1
    if below and is_plain and not _is_taken(path):
        wanted = composed(path.name)
        path = _only(root, lambda other: composed(other) == wanted) or path
    return path, is_plain


def _is_taken(path: Path) -> bool:
    """Whether a slide has a path; a folder has not, whose slide may be in it, of one name."""
    return os.path.lexists(path) and not os.path.isdir(path)


def _only(root: Path, is_it: Callable[[str], bool]) -> Path | None:
    """Find the one slide in the folders below `root` that has a name; None of none or several.

    Links to one file are one slide.
    """
    slides = slides_in_folders_below(root, SLIDE_ENDINGS) if root.is_dir() else []
    found = [path for path in slides if is_it(path.name)]
    if len({os.path.realpath(path) for path in found}) > 1:
        return None
    return found[0] if found and found[0].is_file() else None


def find_slide(slides: Path, name: str | None, *, below: bool = True) -> Path | None:
    """Find a slide by the name that a file has for it; None if there is none.

    `slides` is a folder, or the slide itself. A name without an ending stands for the one slide
    of that stem, which OME-TIFF ends with two endings. Where the folder has no such slide, and
    the name no folder, those in folders below count; not without `below`, for a folder that
    nobody named: it may have anything below it.
    """
    if not slides.is_dir():
        return slides if slides.is_file() else None
    try:
        path, is_plain = _placed(slides, name, below=below)
    except ValueError:
        return None
    # Path.is_file would raise an OSError of a name that is too long for a file.
    if os.path.isfile(path):
        return path if path.suffix.lower() in SLIDE_ENDINGS else None
    if path.suffix.lower() in SLIDE_ENDINGS or not os.path.isdir(path.parent):
        return None
    stem = composed(path.name.removesuffix(".ome"))
    found = [
        path.parent / entry
        for entry in os.listdir(path.parent)
        if composed(stem_of(entry)) == stem and os.path.splitext(entry)[1].lower() in SLIDE_ENDINGS
    ]
    found = [path for path in found if not path.is_dir()]
    if not found and below and is_plain:
        return _only(slides, lambda other: composed(stem_of(other)) == stem)
    return found[0] if len(found) == 1 and found[0].is_file() else None


def is_slide_of(path: Path, name: str) -> bool:
    """Whether a slide is the one that a file calls so, with or without its ending and folders.

    Examples
    --------
    >>> from pathlib import Path
    >>> from stnclf.annotations._slide_facts import is_slide_of
    >>> [is_slide_of(Path("x/a.ome.tif"), name) for name in ("a.ome.tif", "a", "b.ome.tif")]
    [True, True, False]
    """
    own = composed(path.name)
    return base_name(str(name)).removesuffix(".ome") in (own, stem_of(own))


def stem_of(name: str) -> str:
    """Return the name of a slide without its ending, of which OME-TIFF has two.

    Examples
    --------
    >>> from stnclf.annotations._slide_facts import stem_of
    >>> stem_of("a.ome.tif"), stem_of("b.svs"), stem_of("c.1")
    ('a', 'b', 'c.1')
    """
    stem, ending = os.path.splitext(name)
    return stem.removesuffix(".ome") if ending.lower() in SLIDE_ENDINGS else name


def slide_facts(path: PathLike) -> SlideFacts | None:
    """Read the numbers of a slide; None where no library at hand reads it.

    The resolution is the one that `stnclf.slides.Slide` finds, but for pixels that are not
    square, which it refuses.
    """
    path = Path(path)
    if path.suffix.lower() not in PLAIN:
        openslide = _openslide()
        if openslide is not None:
            try:
                with openslide.OpenSlide(os.fspath(path)) as slide:
                    return _facts(slide.dimensions, slide.properties, _of_tags(path, slide))
            except openslide.OpenSlideError:
                pass  # not a whole-slide format
        elif path.suffix.lower() in BOUNDED:
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the size alone, nothing is decoded
            with Image.open(path) as image:
                known = _of_tags(path) or resolution_of_dpi(image.info.get("dpi"))
                return SlideFacts(image.size, known.axes)
    except Exception:  # plugins raise whatever a damaged file makes them trip over
        return None


def _of_tags(path: Path, slide: Any = None) -> Resolution | None:
    """Find what the tags of a TIFF file say of its resolution; None of any other file.

    Files of scanners have it in places that OpenSlide knows.
    """
    if slide is not None and slide.properties.get("openslide.vendor") != "generic-tiff":
        return None
    try:
        return resolution_of_tiff(read_directories(os.fspath(path))[0][0])
    except (OSError, ValueError):
        return None


def _openslide() -> Any:
    try:
        import openslide
    except (ImportError, OSError):  # OSError: the package is there, its library is not
        return None
    return openslide


def _facts(
    size: tuple[int, int], properties: Mapping[str, str], of_tags: Resolution | None
) -> SlideFacts:
    def pair(*names: str) -> tuple[float, float] | None:
        try:
            x, y = (float(properties[name].replace(",", ".")) for name in names)
        except (KeyError, ValueError):
            return None
        return (x, y) if math.isfinite(x) and math.isfinite(y) else None

    known = of_tags or resolution_of_pair(*(pair("openslide.mpp-x", "openslide.mpp-y") or ("", "")))
    bounds = pair("openslide.bounds-x", "openslide.bounds-y") or (0, 0)
    names = [f"hamamatsu.{axis}OffsetFromSlideCentre" for axis in "XY"]
    return SlideFacts(
        size,
        known.axes,
        (int(bounds[0]), int(bounds[1])),
        pair(*names),
    )
