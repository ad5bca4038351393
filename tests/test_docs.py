"""The documentation is true: its Python blocks run, and its lists are complete."""

import ast
import dataclasses
import pkgutil
import re
import sys
from pathlib import Path

import pytest

from stnclf import PAPER, STNCellClassifier, __version__
from stnclf.datasets import make_cells
from stnclf.training import CellNet
from tests.conftest import QUICK

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```python\n(?P<code>.*?)^```$", re.M | re.S
)


def blocks(page):
    """Give the code blocks of a page as (number of the line before, reason not to run, code)."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start("code")), found["reason"], found["code"])
        for found in BLOCK.finditer(text)
    ]


WITH_CODE = [page for page in PAGES if blocks(page)]


@pytest.fixture
def one_epoch(monkeypatch):
    """Cut every stage to one epoch and predictions to one look: pages are for reading."""
    run_stage, set_up = CellNet.run_stage, STNCellClassifier._set_up

    def shortened(self, stage, *data):
        return run_stage(self, dataclasses.replace(stage, epochs=min(stage.epochs, 1)), *data)

    def one_look(self, module):
        set_up(self, module)
        module.tta = False

    monkeypatch.setattr(CellNet, "run_stage", shortened)
    monkeypatch.setattr(STNCellClassifier, "_set_up", one_look)


#: Pages about what is done with a model: they take these names for granted, all others do not.
OF_A_MODEL = {"checkpoints", "onnx"}


@pytest.fixture(scope="module")
def model():
    """Give the names that pages about a model begin with: its data and ``clf``, fitted."""
    X, y, centers = make_cells(24, patch_size=64, offset=8, random_state=0)
    clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    return {"X": X, "y": y, "centers": centers, "clf": clf}


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_blocks_run(page, one_epoch, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    if page.stem in OF_A_MODEL:
        namespace |= request.getfixturevalue("model")
    for line, reason, code in blocks(page):
        if reason is None:
            # Empty lines before it, so that an error names the line of the page.
            exec(compile("\n" * line + code, str(page), "exec"), namespace)


#: What the extras [slides], [classical] and [plot] bring, and Python itself.
INSTALLED = {"matplotlib", "numpy", "pandas", "PIL", "scipy", "sklearn", "skorch", "stnclf"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_wherever_they_are_copied(example):
    source = example.read_text(encoding="utf-8")
    modules = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            modules.append(node.module)
    assert {name.split(".")[0] for name in modules} - sys.stdlib_module_names <= INSTALLED
    assert not [name for name in modules if "._" in name]
    assert not re.search(r"sys\.path|__file__|benchmarks", source)


def test_blocks_are_found():
    assert {"README", "start"} <= {page.stem for page in WITH_CODE}
    for page in WITH_CODE:
        fences = re.findall(r"^ *```python", page.read_text(encoding="utf-8"), re.M)
        assert len(fences) == len(blocks(page)), f"{page.name}: a block is indented or not closed"


def test_blocks_that_are_not_run_say_why(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n```python\nx\n```\n<!-- not run: r -->\n\n```python\ny\n```\n", "utf-8")
    assert blocks(page) == [(2, None, "x\n"), (7, "r", "y\n")]


def test_the_page_on_the_paper_has_the_parameters():
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| `([^`]+)` \|", text, flags=re.M)
    default = STNCellClassifier().get_params()
    differing = {name for name, value in PAPER.items() if value != default[name]}
    assert {name for name, *_ in rows} == differing
    for name, paper, here in rows:
        assert (paper, here) == (repr(PAPER[name]), repr(default[name])), name


def test_epochs_that_are_told_are_those_of_the_default():
    default, stages = STNCellClassifier().get_params(), ("classifier", "localizer", "joint")
    epochs = [default[f"{stage}_epochs"] for stage in stages]
    paths = [*PAGES, *sorted((ROOT / "examples").glob("*.py"))]
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    told = re.findall(r"defaults, (\d+), (\d+) and (\d+)", text)
    assert len(told) == 2
    assert {tuple(map(int, numbers)) for numbers in told} == {tuple(epochs)}
    rows = re.findall(r'^\| `"(\w+)"` .* \| (\d+) / (\d+) \|$', text, flags=re.M)
    paper = [PAPER[f"{stage}_epochs"] for stage in stages]
    assert [(name, int(a), int(b)) for name, a, b in rows] == list(zip(stages, epochs, paper))


def test_every_public_module_is_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   stnclf\.(\w+)$", text, flags=re.M))
    found = pkgutil.iter_modules([str(ROOT / "stnclf")])
    modules = {module.name for module in found if not module.name.startswith("_")}
    # The first three are the names of stnclf itself; the command line has a page of its own.
    assert listed == modules - {"baseline", "classifier", "ensemble", "cli"}


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r'^version: "(.+)"$', text, flags=re.M)[1] == __version__


def test_the_contributing_page_lists_the_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):.*##", makefile, flags=re.M)
    listed = re.findall(r"^\| `make ([\w-]+)`", page, flags=re.M)
    assert sorted(targets) == sorted(["help", *listed])  # `make` alone is help


def headings(path):
    """Give the anchors that MyST and GitHub make of a page's headings."""
    text = re.sub(r"^(```|~~~|:::).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"^#+ (.+)$", text, flags=re.M)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in found)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def is_made_by_the_build(path):
    """Say whether a page is one of the gallery, or of the reference of a public module."""
    place = path.relative_to(ROOT / "docs").parts
    if place[0] == "gallery":
        return place[1] == "index.rst" or (ROOT / "examples" / place[1]).with_suffix(".py").exists()
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return place[0] == "generated" and f"\n   {path.stem}\n" in listed


def broken(page, text):
    """Give the relative links of a text that lead nowhere, as if it were that page."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.M | re.S)
    links = re.findall(r"\]\(<?([^)>\s]+)>?\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    found = []
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        is_there = target.exists() or (target.suffix == ".rst" and is_made_by_the_build(target))
        if not is_there or (anchor and anchor not in headings(target)):
            found.append(link)
    return found


LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_links_that_lead_nowhere_are_found():
    text = """[](install.md#extras) [a](gone.md) [](install.md#gone) [](gallery/index.rst)
        `[x](y.md)`
        [](gallery/plot_1_cells.rst) [](gallery/plot_gone.rst) [](generated/stnclf.scan.rst)
        [](generated/stnclf.gone.rst) <img src="_static/gone.png"> [](https://example.org)"""
    assert broken(ROOT / "docs" / "index.md", text) == [
        "gone.md",
        "install.md#gone",
        "gallery/plot_gone.rst",
        "generated/stnclf.gone.rst",
        "_static/gone.png",
    ]


def strays(text):
    """Lines that Markdown takes for the start of a quotation or list within a paragraph."""
    lines = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S).splitlines()
    pairs = zip(["", *lines], lines)
    quotes = [line for before, line in pairs if line[:1] == ">" != before[:1] and before.strip()]
    return quotes + [line for line in lines if re.match(r"> ?[-+*] ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_line_of_a_paragraph_begins_a_quotation(page):
    assert strays(page.read_text(encoding="utf-8")) == []


def test_strays_are_found():
    assert strays("see *File\n> Open*\n\n> a quotation\n> of two\n> + a sum\n") == [
        "> Open*",
        "> + a sum",
    ]
