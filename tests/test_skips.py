"""The last lines of a run: what was skipped, and which command brings it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import remedy, skipped_lines

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def test_reasons_with_one_remedy_are_one_line():
    reasons = ["there is no Chromium with its driver on the path"] * 3
    reasons += ["needs a GPU", "selenium is not installed", "another reason"]
    assert skipped_lines(reasons) == [
        "4 tests were skipped: there is no Chromium with its driver on the path -> make browser",
        "1 test was skipped: needs a GPU -> make test on a machine with a GPU",
        "1 test was skipped: another reason",
    ]
    assert skipped_lines([]) == []


def test_the_extra_is_that_of_the_reason():
    assert remedy("displays need the extra [plot]").startswith("pip install 'stnclf[plot]'")
    assert remedy("because") is None


def test_targets_that_are_named_exist():
    text = (TESTS / "skips.py").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_the_lines_are_the_last_of_a_run(more, tmp_path):
    (tmp_path / "conftest.py").write_text("from tests.skips import pytest_terminal_summary\n")
    (tmp_path / "test_a.py").write_text(
        "import pytest\n"
        "def test_a(): pytest.skip('needs a GPU')\n"
        "@pytest.mark.skipif(True, reason='needs the extra [onnx]')\n"
        "def test_b(): pass\n"
        "def test_c(): pass\n"
    )
    line = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *more, str(tmp_path)]
    env = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, cwd=tmp_path, env=env, timeout=120
    )
    *_, one, two, count = done.stdout.splitlines()
    assert sorted(text.partition(" -> ")[0] for text in (one, two)) == [
        "1 test was skipped: needs a GPU",
        "1 test was skipped: needs the extra [onnx]",
    ]
    assert "1 passed, 2 skipped" in count
