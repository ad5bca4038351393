"""The check of words finds what it refuses, and nothing in code."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("check_words", ROOT / "tools/check_words.py")
words = importlib.util.module_from_spec(spec)
spec.loader.exec_module(words)


@pytest.mark.parametrize(
    "text",
    [
        "One row an image.",
        "a second look pays",
        "The mean and spread of it",
        "weights are the same to the bit",
        "faster by the clock",
        "files hold no code",
        "| fit/s |",
        "Painted cells",
        "12 images a second",
        "seconds of processor",
    ],
)
def test_words_are_refused_wherever_they_stand(text):
    assert len(words.faults_in(f"a\n\n{text}\n")) == 1
    assert words.faults_in(f"a\n\n{text}\n")[0][0] == 2
    fault = words.faults_in_python(f'"""Say.\n\n{text}\n"""\n')
    assert [line for line, _ in fault] == [3]
    assert words.faults_in(f"`{text}`") == words.faults_in(f"```\n{text}\n```") == []


@pytest.mark.parametrize(
    "text", ["one row per image", "spread evenly over all classes", "it answers with a mean"]
)
def test_plain_words_pass(text):
    assert words.faults_in(text) == []


@pytest.mark.parametrize("word", ["Give", "Gives", "Tell", "Let", "Have"])
def test_a_docstring_begins_with_what_is_done(word):
    source = f'def f():\n    """{word} a value."""\n'
    assert [line for line, _ in words.faults_in_python(source)] == [2]
    assert words.faults_in_python(source.replace(word, "Return")) == []
    assert words.faults_in_python(f'class A:\n    """{word}r of values."""\n') == []
