"""What files say of their resolution, where it and the command line disagree."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

from ..annotations import resolve_image
from .messages import say
from .tables import first_few

__all__ = [
    "SAME",
    "caution_of_override",
    "caution_of_scales",
    "say_override",
    "slides_below",
    "span",
    "stated",
]

#: By how much resolutions may differ that are meant to be the same: scanners differ so much.
SAME = 1.02


def stated(slides):
    """Read what files say of their resolution.

    Parameters
    ----------
    slides : dict of str to path-like
        Paths by the names of the slides.

    Returns
    -------
    dict of str to (float or None)
        Micrometres per pixel of level 0; None where the file does not say it, or cannot be read:
        whoever reads its pixels says why.
    """
    from ..slides._readers import open_reader

    found = {}
    for name, path in slides.items():
        found[name] = None
        if not Path(path).is_file():  # a pipe would wait for its writer
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # who opens it for its pixels warns
            try:
                found[name] = open_reader(os.fspath(path)).mpp
            except (OSError, ValueError, ImportError):
                continue
    return found


def slides_below(root, names):
    """Find the files of images, but for those that have none: they are refused elsewhere.

    Parameters
    ----------
    root : path-like
        The folder of the slides.
    names : iterable of str
        As the annotations name them.

    Returns
    -------
    dict of str to Path
    """
    found = {}
    for name in names:
        with contextlib.suppress(ValueError):
            found[name] = resolve_image(root, name)
    return found


def span(mpps):
    """Write the resolutions of several slides, as a range where they differ.

    Parameters
    ----------
    mpps : iterable of float
        Micrometres per pixel.

    Returns
    -------
    str
    """
    low, high = f"{min(mpps):.4g}", f"{max(mpps):.4g}"
    return f"{low if low == high else f'{low} to {high}'} um per pixel"


def caution_of_override(found, slide_mpp):
    """Warn of ``--slide-mpp`` where files say something else.

    Parameters
    ----------
    found : dict of str to (float or None)
        What files say, see `stated`.
    slide_mpp : float or None
        What the user says.

    Returns
    -------
    str or None
    """
    if slide_mpp is None or slide_mpp <= 0:  # that is refused elsewhere
        return None
    known = {name: mpp for name, mpp in found.items() if mpp is not None}
    other = {
        name: mpp for name, mpp in known.items() if max(mpp, slide_mpp) > SAME * min(mpp, slide_mpp)
    }
    if not other:
        return None
    words = first_few([f"{mpp:.4g} ({name!r})" for name, mpp in other.items()])
    return f"--slide-mpp {slide_mpp:g} is used in place of the um per pixel in the files: {words}"


def say_override(slides, slide_mpp):
    """Say it in a line if ``--slide-mpp`` takes the place of something else in the files.

    Parameters
    ----------
    slides : dict of str to path-like
        Paths by the names of the slides.
    slide_mpp : float or None
        What the user says.
    """
    caution = None if slide_mpp is None else caution_of_override(stated(slides), slide_mpp)
    if caution is not None:
        say(f"caution: {caution}")


def caution_of_scales(found):
    """Warn of slides that are cut at different scales.

    Parameters
    ----------
    found : dict of str to (float or None)
        What files say, see `stated`.

    Returns
    -------
    str or None
    """
    known = [mpp for mpp in found.values() if mpp is not None]
    if not known or max(known) <= SAME * min(known):
        return None
    return (
        f"slides differ in resolution, {span(known)}, and so do the patches; pass --mpp "
        f"{max(known):.4g} to cut all at one"
    )
