"""What the README says is true: its results are the stored ones; test_docs runs its code."""

import re
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
    import accuracy
    from _run import Store

    store = Store(RESULTS, accuracy.KEY)
    printed = accuracy.summaries(store)
    assert len(printed) == 3  # one for each protocol
    for table in printed.values():
        assert table in README
    for environment in store.environments:
        assert f"torch {environment['versions']['torch'].split('+')[0]}" in README
        assert f"{environment['threads']} thread" in README
