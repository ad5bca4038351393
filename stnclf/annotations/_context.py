"""What a caller says about a file of annotations, and what the slide beside it adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ._files import unpacked_name
from ._slide_facts import SlideFacts, find_slide, is_slide_of, slide_facts

__all__ = ["Context"]


@dataclass
class Context:
    """Arguments of `stnclf.annotations.read_annotations` that are more than a format.

    Parameters
    ----------
    path : Path
        The file or folder.
    image : str, default=None
        Name of the image.
    columns : dict, default=None
        What a table's columns are called.
    mpp : float, default=None
        Micrometres per pixel.
    label : str, default=None
        Class of all rows.
    slides : Path, default=None
        Folder of the slides, or a slide. None is the folder of the file.
    only : callable, default=None
        Whether an image is wanted: of the others the resolution need not be known.
    skipped : Counter
        Gets what a reader leaves out: how many objects of which kind.
    numbered : bool
        Becomes true if a reader found numbers for the names of images and classes.
    doubts : list of str
        Gets sentences on what a reader was not sure of.
    """

    path: Path
    image: str | None = None
    columns: dict[str, str] | None = None
    mpp: float | None = None
    label: str | None = None
    slides: Path | None = None
    only: Callable[[str], bool] | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    numbered: bool = False
    doubts: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where slides are looked for."""
        return self.slides or self.path.parent

    def image_name(self, stated: str | None = None) -> str:
        """Name of the image of a file: as given, as stated in it, or by the file's own name."""
        name = self.image or stated
        if name:
            return name
        stem = unpacked_name(self.path).stem
        slide = self._slide(stem)
        return stem if slide is None else slide.name

    def facts(self, image: str, *, several: bool = False) -> SlideFacts | None:
        """Numbers of a slide, None where it is not found or not read.

        Where a file has `several` images, a single slide says nothing of those of other names;
        of a file's only image it may be a copy.
        """
        if several and self._is_other_slide(image):
            return None
        slide = self._slide(image)
        return None if slide is None else slide_facts(slide)

    def is_wanted(self, image: str) -> bool:
        """Whether the positions of an image must be right."""
        return self.only is None or self.only(image)

    def _is_other_slide(self, image: str) -> bool:
        """Whether `slides` is one slide, and of a name that is not that of an image."""
        return (
            self.slides is not None
            and self.slides.is_file()
            and not is_slide_of(self.slides, image)
        )

    def _slide(self, name: str) -> Path | None:
        # The folder of the file may have anything below it: nobody named it as that of slides.
        return find_slide(self.folder, name, below=self.slides is not None)
