"""Read and write annotated cells in the formats of pathology's programs and challenges.

Every format becomes the same table, a `pandas.DataFrame` with one row per cell:

======================================  ============================================================
``image``                               name of the image, as the file gives it
``x``, ``y``                            position in pixels of the full image (level 0), float64;
                                        a whole number is the middle of a pixel, (0, 0) that of the
                                        top-left one
``label``                               name of the class, or missing where people disagree or none
                                        is given
``type``                                "spot", "special_spot", "area", "circle", "polygon",
                                        "line" or "unknown"
``width``, ``height``                   size in pixels of the box around the cell or outline
``probability``                         of the label, from 0 to 1
``id``, ``votes``, ``voters``           number in the file; what each person said; who they are
``image_width``, ``image_height``       size of the image in pixels
``origin``                              "bounds" where `x` and `y` count from the corner of the
                                        scanned area instead of level 0, because the slide, which
                                        knows where that is, was not found
======================================  ============================================================

The first four are always there; of the others, and of a file's own columns, those that it knows.
Names of images and classes are brought to one form of Unicode (NFC).

Formats differ in where pixel 0 begins. A box's `x` is the middle of its left and right side:

=================  =================================================  =============================
format             what the file counts                               x
=================  =================================================  =============================
"sliderunner"      pixels; a spot is a pixel                          as it is; (x1 + x2) / 2
"midog"            corners around such a pixel                        (x1 + x2) / 2
"coco"             edges of pixels: the first is 0 to 1               x1 + width / 2 - 0.5
"qupath"           edges of pixels: the first is 0 to 1               file's x - 0.5
"voc"              first and last pixel, from 1                       (xmin + xmax) / 2 - 1
"crchisto"         pixels, from 1 (MATLAB)                            file's x - 1
"grand-challenge"  millimetres from the middle of the first pixel     1000 x / mpp
"csv"              what the table counts                              as it is
"csv" of QuPath    edges of pixels: the first is 0 to 1               file's x - 0.5
"asap"             edges of pixels: the first is 0 to 1               file's x - 0.5
"imagescope"       edges of pixels: the first is 0 to 1               file's x - 0.5
"ndpa"             nanometres from the middle of the glass            see below
"hovernet"         pixels                                             as it is
"yolo"             fractions, from edge to edge of the image          x * image_width - 0.5
"via"              edges of pixels: the first is 0 to 1               file's x - 0.5
"labelme"          edges of pixels: the first is 0 to 1               file's x - 0.5
=================  =================================================  =============================

Masks of COCO count pixels, its polygons edges. The points of a mask of LabelMe are its first and
last pixel: x is ``(x1 + x2) / 2``, and the width ``x2 - x1 + 1``. On a slide of which a part was
scanned, QuPath's 0 is the corner of that part (``openslide.bounds-x``, ``-y``). Hamamatsu's slides
say where the middle of their image lies on the glass, ``X``; then x is ``(file's x - X) / (1000 *
mpp) + image_width / 2 - 0.5``. Columns of a table whose names say that they are in nanometres,
micrometres, millimetres or centimetres are converted with `mpp` first, and with them ``width`` and
``height``, which are in the same unit.

pandas comes with ``pip install 'stnclf[slides]'``.
"""

from ._io import read_annotations, write_annotations
from ._slide_facts import resolve_image

__all__ = [
    "read_annotations",
    "resolve_image",
    "write_annotations",
]
