"""Each message that the page on errors quotes is one that the package gives."""

import ast
import re
from pathlib import Path

import pytest

import stnclf

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\*\*`(.+)`\*\*\n: \S", PAGE, re.MULTILINE)


def text_of(node):
    """Return the string that a node is; what an f-string fills in is a bullet. None: no string."""
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "\N{BULLET}" for p in node.values)
        return "".join(parts)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def literals(source):
    """List the strings of a module, and the messages that `argument_error` makes of two."""
    found = []
    for node in ast.walk(ast.parse(source)):
        found.append(text_of(node))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "argument_error":
            found.append(": ".join(text_of(part) or "\N{BULLET}" for part in node.args[:2]))
    return [text for text in found if text is not None]


def pattern(message):
    """Match a quoted message against a string whose gaps are bullets."""
    parts = [re.escape(part) for part in message.split("...")]
    return re.compile("\N{BULLET}".join(parts))


@pytest.fixture(scope="module")
def messages():
    files = Path(stnclf.__file__).parent.rglob("*.py")
    return [text for file in files for text in literals(file.read_text(encoding="utf-8"))]


def test_there_are_many_and_each_has_an_answer():
    assert len(QUOTED) == len(set(QUOTED)) == len(re.findall(r"^\*\*`", PAGE, re.MULTILINE)) == 30


@pytest.mark.parametrize("message", QUOTED)
def test_the_message_is_in_the_source(message, messages):
    wanted = pattern(message)
    assert any(wanted.search(text) for text in messages)


def test_a_message_that_is_not_there_is_noticed():
    texts = literals('raise ValueError(f"a: got {x!r}, "\n    f"wants {y}.")')
    assert any(pattern("a: got ..., wants ....").search(text) for text in texts)
    assert not any(pattern("a: got ..., needs ....").search(text) for text in texts)
    assert not any(pattern("a: got 1, wants").search(text) for text in texts)
    texts = literals('raise argument_error("b", f"got {x!r}, "\n    "wants 3.")')
    assert any(pattern("b: got ..., wants 3.").search(text) for text in texts)
    assert not any(pattern("a: got ..., wants 3.").search(text) for text in texts)


def test_options_that_the_page_names_exist():
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "stnclf/cli").glob("*.py"))
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", PAGE)) - {"--upgrade"}
    assert len(options) >= 8
    assert [option for option in sorted(options) if f'"{option}"' not in text] == []
