"""Classifiers over whole slides: find the cells, then the fields that hold most of them.

`scan` runs a fitted estimator over a slide and gives one row for each cell that it finds,
`classify_cells` classifies cells whose positions are known already, `hard_negatives` finds the
worst mistakes on annotated slides, `hotspots` the fields with the highest counts, and
`density_map` is a picture of where the cells are.

Positions are ``(x, y)`` in pixels of the slide's largest level (level 0): a whole number is the
middle of a pixel, ``(0, 0)`` that of the top-left one. Lengths are in micrometres.

The tables are pandas', which comes with ``pip install 'stnclf[slides]'``.
"""

from ._classify import classify_cells
from ._density import density_map
from ._hotspots import hotspots
from ._many import scan_slides
from ._mine import hard_negatives
from ._scan import scan

__all__ = [
    "classify_cells",
    "density_map",
    "hard_negatives",
    "hotspots",
    "scan",
    "scan_slides",
]
