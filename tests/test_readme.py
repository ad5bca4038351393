"""What the README says is true: its numbers are the stored ones; test_docs runs its code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(README.split())  # without the ends of its lines


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make (\w+)", README)
    scripts = re.findall(r"python (\S+\.py)", README) + re.findall(r"`([\w/]+\.py)`", README)
    assert len(targets) >= 2
    assert len(scripts) >= 2
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for script in scripts:
        assert (ROOT / script).exists(), script


def test_the_table_of_the_benchmark_is_that_of_the_stored_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import amibr
    from _run import RESULTS, Store, filled

    store = Store(RESULTS / "amibr.json", amibr.KEY)
    made = amibr.in_readme(store)
    assert filled(README, made) == README, "run benchmarks/amibr.py --page-only"
    import accuracy

    rare = accuracy.rare_cells(Store(RESULTS / "accuracy.json", accuracy.KEY), ["chula"])
    assert filled(README, rare) == README, "run benchmarks/accuracy.py --page-only"
    (table,) = made.values()
    for model in amibr.PUBLISHED:
        assert f"| {model} (published) |" in table
    for row in store.rows:
        title = re.escape(amibr.METHODS[row["method"]][0])
        assert re.search(rf"^\| {title}; seeds? [^|]*\b{row['seed']}\b", table, re.MULTILINE)


#: The names of the methods on the page, which tests/benchmarks hold against the stored results.
STN, CNN = "STN", "modern CNN on the whole patch"


def test_scores_on_the_three_sets_are_those_of_the_accuracy_page():
    # The fourth set, of rare red cells, has a table of its own in the README.
    text = page("accuracy.md").partition("## Chula")[0]
    lines = re.findall(r"^\d+ cells from \d+ images; (.*)\.$", text, re.MULTILINE)
    scores = []  # of each set, by the name of the method, without its settings
    for line in lines:
        _, line = line.split(": ", 1)
        pairs = re.findall(r"([A-Z a-z()+']+)(?:, [^;]*?)? (\d\.\d{3})(?: \(.*?\))?(?:;|$)", line)
        scores.append({name.strip(): score for name, score in pairs})
    assert len(scores) == 3
    for found in scores:
        assert f"{found[CNN]} to the STN's {found[STN]}" in WORDS


def test_scores_in_wider_patches_are_those_of_their_page():
    rows = re.findall(r"^\| (\d) \| ([^|]+) \| (\d\.\d{3}) \(", page("patch_size.md"), re.MULTILINE)
    found = {(width, method): score for width, method, score in rows}
    for width in "24":
        assert f"{found[width, CNN]} to the STN's {found[width, STN]}" in WORDS


def test_scores_of_detection_are_those_of_their_page():
    rows = re.findall(
        r"^\| (\w+) [^|]*\| \d of 5 \| (\d\.\d{3})", page("scan_results.md"), re.MULTILINE
    )
    found = dict(rows)
    assert set(found) == {"colorectal", "blood"}
    assert f"blood cells of BCCD with an F1 of {found['blood']}" in WORDS
    assert f"of CRCHistoPhenotypes with {found['colorectal']}" in WORDS


def test_the_number_of_formats():
    rows = page("data.md").split("## Annotation files")[1].split("\n\n")[1]
    n = rows.count("\n| `")
    assert {15: "fifteen"}[n] + " formats" in README.replace("[", "").replace("]", "")


@pytest.mark.parametrize("name", ["title", "year", "doi"])
def test_the_citation_is_that_of_the_file(name):
    preferred = (ROOT / "CITATION.cff").read_text("utf-8").split("preferred-citation:")[1]
    value = re.search(rf'^ +{name}: "?(.+?)"?$', preferred, re.MULTILINE)[1]
    assert f"  {name} = {{{value}}}" in README


def test_the_authors_are_those_of_the_file():
    preferred = (ROOT / "CITATION.cff").read_text("utf-8").split("preferred-citation:")[1]
    names = re.findall(r"family-names: (.+)\n +given-names: (.+)", preferred)
    assert len(names) == 5
    assert "author = {" + " and ".join(map(", ".join, names)) + "}" in WORDS
