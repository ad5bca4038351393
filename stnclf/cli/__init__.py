"""The command ``stnclf``: from annotated slides to a model, its scores, detections and hotspots.

Exit status: 0 if all went well, 1 if the work failed, 2 for wrong use, 130 after Ctrl-C. Errors
are one line on standard error. Results appear when they are complete.
"""

from ._main import main

__all__ = ["main"]
