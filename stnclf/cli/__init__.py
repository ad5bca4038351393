"""The command ``stnclf``: from annotated slides to a model, its scores, detections and hotspots.

Exit status: 0 if all went well, 1 if the work failed, 2 for wrong use, 129, 130 or 143
after SIGHUP, Ctrl-C or SIGTERM. Errors are one line on standard error. Results appear when they
are complete.
"""

from ._main import main

__all__ = ["main"]
