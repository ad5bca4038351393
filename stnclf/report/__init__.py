"""TODO report."""

from ._evaluation import evaluate
from ._tables import classification_table, summary_table
from ._write import plot_examples, write_report

__all__ = [
    "classification_table",
    "evaluate",
    "plot_examples",
    "summary_table",
    "write_report",
]
