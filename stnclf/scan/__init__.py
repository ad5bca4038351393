"""TODO scan."""

from ._density import density_map
from ._hotspots import hotspots
from ._many import scan_slides
from ._scan import scan

__all__ = [
    "density_map",
    "hotspots",
    "scan",
    "scan_slides",
]
