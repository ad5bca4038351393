"""Tables, a figure and a web page of an evaluation.

`evaluate` turns the test vectors of one method into numbers, `classification_table`,
`summary_table` and `domain_table` print the numbers of several methods side by side,
`plot_examples` shows patches with the window that the localizer chose, and `write_report` puts all
of it on one HTML page. The figure needs matplotlib, which the extra ``stnclf[plot]`` installs; it
is drawn on a canvas of its own and leaves pyplot alone. The page needs no extra, and no network.
"""

from ._domains import domain_table
from ._evaluation import evaluate
from ._tables import classification_table, summary_table
from ._write import plot_examples, write_report

__all__ = [
    "classification_table",
    "domain_table",
    "evaluate",
    "plot_examples",
    "summary_table",
    "write_report",
]
