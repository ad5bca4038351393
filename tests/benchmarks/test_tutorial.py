"""The tutorial on real images: its page is made of it and of what it printed, and it can run."""

import ast
import importlib
import re
import shlex

import pytest

pytest.importorskip("jupytext", reason="jupytext reads the tutorial")

import tutorial as benchmark
from _run import RESULTS, Store

from stnclf.cli import main

CODE = [cell.source for cell in benchmark.notebook().cells if cell.cell_type == "code"]
PYTHON = [code for code in CODE if not code.startswith("!")]
COMMANDS = [shlex.split(code.replace("\\\n", " ")[1:]) for code in CODE if code.startswith("!")]


@pytest.fixture(scope="module")
def store():
    return Store(RESULTS / "tutorial.json", ("code",))


@pytest.fixture(scope="module")
def page():
    return benchmark.PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_of_the_tutorial_and_of_the_stored_outputs(store, page):
    assert page == benchmark.page(store), "run benchmarks/tutorial.py --page-only"


def test_every_cell_was_run_as_it_is(store):
    stored = {row["code"]: row["output"] for row in store.rows}
    assert set(stored) == set(CODE), "run benchmarks/tutorial.py --data FOLDER"
    assert not [output for output in stored.values() if "Traceback" in output or "error:" in output]
    pictures = [code for code, output in stored.items() if not output]
    assert pictures
    assert all(code.endswith("plt.show()") for code in pictures)
    assert len({row["commit"] for row in store.rows}) == 1


def test_ten_minutes_are_enough(store):
    assert store.data["run"]["CPU seconds"] < 600  # on two cores it takes less than that


def test_numbers_of_the_benchmarks_are_those_of_their_pages():
    source = " ".join(" ".join(cell.source for cell in benchmark.notebook().cells).split())
    text = (benchmark.DOCS / "amibr.md").read_text(encoding="utf-8")
    (score,) = re.findall(r"^\| STN; \d+ fold models[^|]* \| (\d\.\d+) ", text, re.MULTILINE)
    assert f"mean on this test set is {score} " in source
    text = (benchmark.DOCS / "accuracy.md").read_text(encoding="utf-8")
    found = re.search(
        r"^1721 cells .* balanced accuracy: STN (\S+) .*; features \+ SVC, tuned (\d\.\d+);",
        text,
        re.MULTILINE,
    )
    assert f"has {found[1]} of balanced accuracy to the features' {found[2]} " in source


def test_names_are_public():
    tree = ast.parse("\n\n".join(PYTHON))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [
        (node.module, alias.name)
        for node in imports
        if node.module.startswith("stnclf")
        for alias in node.names
    ]
    assert len(names) > 3
    for module, name in names:
        assert "._" not in module
        assert name in importlib.import_module(module).__all__


def test_commands_have_their_options():
    assert {words[0] for words in COMMANDS} == {"stnclf"}
    assert {words[1] for words in COMMANDS} >= {
        "info",
        "patches",
        "train",
        "scan",
        "score",
        "export",
    }
    for _, name, *words in COMMANDS:
        known = {option for param in main.get_command(None, name).params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_output_is_text_without_pictures_and_progress():
    import nbformat.v4 as v4

    made = v4.new_code_cell(
        outputs=[
            v4.new_output(
                "stream", text=" 10%|#  | 1/10\r100%|###| 10/10\r\n\x1b[1mdone\x1b[0m \r\n"
            ),
            v4.new_output(
                "display_data", {"image/png": "", "text/plain": "<Figure size 1x1 with 1 Axes>"}
            ),
            v4.new_output("execute_result", {"text/plain": "   a\n0  1"}, execution_count=1),
        ]
    )
    assert benchmark.printed(made) == "done\n   a\n0  1"


def test_long_outputs_are_cut():
    text = "\n".join(map(str, range(benchmark.MOST)))
    assert benchmark.cut(text) == text
    *lines, last = benchmark.cut(f"{text}\nx").split("\n")
    assert lines == [str(i) for i in range(benchmark.FIRST)]
    assert last == f"... {benchmark.MOST + 1 - benchmark.FIRST} more lines"


def test_a_short_run_has_few_epochs_and_few_cells():
    text = "\n".join(map(benchmark.shortened, CODE))
    assert set(re.findall(r"epochs[= ](\d+)", text)) == {"1"}
    numbers = benchmark.FEW.split()
    assert f'numbers = "{benchmark.FEW}"' in text
    # What is shown is among the photographs of the test.
    assert f"BloodImage_{numbers[1::4][0]:0>5}.csv" in text
    assert "split[::60]" in text
    assert ".endswith(" in text
