"""The performance page says what was measured."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture
def speed_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "_speed_page", raising=False)
    import _speed_page

    return _speed_page


def test_ratios_are_those_of_the_medians(speed_page):
    part = {
        "commit": "0123456789ab",
        "environment": {"cpu": "C", "threads": 3, "versions": {"torch": "2.9"}},
        "samples": 10,
        "epochs": 1,
        "repeats": 3,
        "peak_gflops": {"float32": 100.0, "bfloat16": 250.0},
        "rows": [
            {
                "job": "j",
                "bare": [200.0, 1, 999],
                "stnclf": [100.0, 1, 999],
                "float32": [80.0, 1, 999],
                "tutorial": [20.0, 1, 999],
                "share_of_peak": 0.5,
            }
        ],
    }
    text = speed_page.stages(part)
    assert text.splitlines()[-1].split("|")[-5:-1] == [" 0.50 ", " 5.0 ", " 1.25 ", " 50% "]
    assert "C, 3 threads, torch 2.9, commit 0123456789." in text


def test_memory_of_x_itself_is_not_counted(speed_page):
    part = {
        "commit": "c",
        "environment": {"cpu": "C", "threads": 1, "versions": {"torch": "2.9"}},
        "image_side": 192,
        "rows": [
            {
                "n": 37800,
                "mapped": False,
                "milliseconds_an_image": 1.234,
                "megabytes_above_start": 4100,
                "of_which_X": 4000,
            }
        ],
    }
    assert "| 37,800 | in memory | 1.23 | 100 |" in speed_page.growth(part)


def test_the_page_is_that_of_the_stored_results(speed_page):
    stored = json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == speed_page.page(stored)


def test_fit_times_are_summed_over_the_folds(speed_page):
    part = {
        "data": "bccd",
        "commit": "c",
        "environment": {"cpu": "C", "threads": 2, "versions": {"torch": "2.9"}},
        "rows": [
            {
                "method": "stn",
                "classifier_epochs": 8,
                "localizer_epochs": 5,
                "joint_epochs": 2,
                "macro_f1": 0.9412,
                "seconds": [10.0, 20.0, 12.4],
                "cpu_seconds": [19.0, 39.0, 25.0],
            }
        ],
    }
    wanted = "| stn | 8/5/2 | 0.941 | 42 (10 to 20) | 83 (19 to 39) |"
    assert speed_page.fit(part).splitlines()[-1] == wanted
