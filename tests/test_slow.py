"""The list of tests that take long names what is there, and marks it."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from tests.slow import FIRST, SLOW, TESTS, names, rank


@pytest.mark.parametrize("entry", sorted(SLOW))
def test_entries_name_what_is_there(entry):
    path, _, function = entry.partition("::")
    assert (TESTS / path).exists()
    assert not any(entry != other and Path(entry).is_relative_to(other) for other in SLOW)
    if function:
        assert path not in SLOW
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        assert function in [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]


def test_a_test_is_named_by_folder_file_and_function():
    assert names(TESTS / "cli" / "test_a.py", "test_b") == {
        "cli",
        "cli/test_a.py",
        "cli/test_a.py::test_b",
    }
    assert names(TESTS / "test_a.py", "test_b") == {"test_a.py", "test_a.py::test_b"}


def test_long_files_come_first_and_the_tests_of_a_file_stay_together(request):
    assert all(names(TESTS / file, None) & SLOW for file in FIRST)
    files = ["test_common.py", FIRST[-1], "test_zzz.py", "test_docs.py", "test_base.py"]
    assert sorted(files, key=lambda file: rank(TESTS / file)) == [
        "test_common.py",
        "test_docs.py",
        FIRST[-1],
        "test_base.py",
        "test_zzz.py",
    ]
    paths = [item.path for item in request.session.items]
    assert sum(a != b for a, b in pairwise(paths)) == len(set(paths)) - 1


def test_the_marker_is_on_those_of_the_list_only(request):
    marked = {item.nodeid: item.get_closest_marker("slow") for item in request.session.items}
    assert marked[request.node.nodeid] is None
    for nodeid, marker in marked.items():
        file = nodeid.partition("::")[0].removeprefix("tests/")
        assert (marker is not None) or file not in SLOW
