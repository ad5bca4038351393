"""What the README says is true: its results are the stored ones; test_docs runs its code."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results" / "accuracy.json"


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for script in re.findall(r"python (\S+\.py)", README):
        assert (ROOT / script).exists(), script


def test_tables_are_the_stored_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("_accuracy_page", "_accuracy_store", "protocols", "_evaluate"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import _accuracy_page
    import _accuracy_store

    store = _accuracy_store.read_store(RESULTS)
    printed = _accuracy_page.summaries(store)
    page = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert page == _accuracy_page.page(store)
    assert len(printed) == 3  # one for each protocol
    for table in printed.values():
        assert table in README
    for environment in json.loads(RESULTS.read_text(encoding="utf-8"))["environments"]:
        assert f"torch {environment['versions']['torch'].split('+')[0]}" in README
        assert f"{environment['threads']} thread" in README
