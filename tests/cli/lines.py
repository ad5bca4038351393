"""Command lines with other options: one of a single value may be given once."""

from __future__ import annotations

__all__ = ["with_options"]


def with_options(line, *more):
    """Give a command line with options, which take the place of those that it has already."""
    line = list(line)
    for option in more:
        if isinstance(option, str) and option.startswith("-") and option in line:
            at = line.index(option)
            del line[at : at + 2]  # with its value
    return [*line, *more]
