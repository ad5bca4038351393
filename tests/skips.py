"""What was skipped, and which command would bring it: the last lines of a run of the tests."""

from __future__ import annotations

import re
from collections import Counter

import pytest

#: What a reason begins with or holds, and what to do about it.
REMEDIES = (
    (r"Chromium|selenium|axe-core", "make browser"),
    (
        r"real data|shared/data|beside the repository",
        "needs data that are not part of the repository, see docs/accuracy.md",
    ),
    (r"a GPU|CUDA", "make test on a machine with a GPU"),
    (r"extra \[(\w+)\]", r"pip install 'stnclf[\1]', or make install, which brings all extras"),
    (r"tomllib", "make test PYTHON=python3.11, or a later one"),
    (r"the system has no|/proc|POSIX", "make test on Linux"),
)


def remedy(reason):
    """Say what would bring the tests that were skipped for a reason."""
    for pattern, text in REMEDIES:
        found = re.search(pattern, reason)
        if found:
            return found.expand(text)
    return None


def skipped_lines(reasons):
    """Sum up why tests were skipped.

    Parameters
    ----------
    reasons : iterable of str
        One for each test.

    Returns
    -------
    lines : list of str
        One for each remedy, and one for each reason without any.
    """
    counts, examples = Counter(), {}
    for reason in reasons:
        key = remedy(reason) or reason
        counts[key] += 1
        examples.setdefault(key, reason)
    lines = []
    for key, n in counts.most_common():
        what = "test was" if n == 1 else "tests were"
        line = f"{n} {what} skipped: {examples[key]}"
        lines.append(line if key == examples[key] else f"{line} -> {key}")
    return lines


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """Write the lines below everything else but the count of tests."""
    result = yield
    reports = terminalreporter.stats.get("skipped", [])
    # A report holds the file, the line and "Skipped: reason".
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reports
        if isinstance(report.longrepr, tuple)
    ]
    for line in skipped_lines(reasons):
        terminalreporter.write_line(line)
    return result
