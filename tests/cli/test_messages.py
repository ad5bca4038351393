"""What commands say is one line, and does nothing to a terminal."""

from __future__ import annotations

import sys
import warnings

import click
import pytest

from stnclf._utils.errors import argument_error
from stnclf.cli.messages import about_file, describe, say, show, write_data


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (argument_error("annotations", "x is\n wrong", where="row 3"), "a.csv: row 3: x is wrong"),
        (argument_error("detections", "wants a table"), "a.csv: wants a table"),
        (argument_error("y", "got 1 class"), "a.csv: y: got 1 class"),
        (ValueError("Input X contains NaN."), "a.csv: X contains NaN."),
        (ValueError("Input y contains NaN."), "a.csv: y contains NaN."),
        (argument_error("area_mm2", "too large"), "area_mm2: too large"),
        (ValueError("table: of another argument"), "table: of another argument"),
    ],
)
def test_errors_about_data_name_the_file(error, line):
    with pytest.raises(ValueError, match=f"^{line}$"), about_file("a.csv"):
        raise error


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("annotations: 2 of 3 cells lie\n outside", "a.csv: 2 of 3 cells lie outside"),
        ("centers: 1 of 3", "a.csv: centers: 1 of 3"),
        ("area_mm2: too large", "area_mm2: too large"),
    ],
)
def test_warnings_about_data_name_the_file(text, line):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with about_file("a.csv"):
            warnings.warn(text, stacklevel=1)
    assert [str(warning.message) for warning in caught] == [line]


def test_errors_about_tables_carry_their_argument():
    error = argument_error("annotations", "has no label.", where="row 3")
    with pytest.raises(ValueError, match=r"^a\.csv: row 3: has no label\.$"), about_file("a.csv"):
        raise error
    with pytest.raises(ValueError, match=r"^stride: wrong$"), about_file("a.csv"):
        raise argument_error("stride", "wrong")


def test_the_argument_of_an_error_becomes_its_option():
    params = [click.Option(["--area", "area_mm2"]), click.Argument(["slide"])]
    assert describe(argument_error("area_mm2", "got 0."), params) == "--area: got 0."
    assert describe(argument_error("slide", "got 0."), params) == "slide: got 0."


def test_describe_gives_one_line():
    assert describe(ValueError("a\n\n b")) == "a b"


def test_control_characters_are_written_out(capsys):
    say("a\x1b[31mred\nb")
    assert capsys.readouterr().err == "a\\x1b[31mred\\nb\n"


def test_tables_keep_their_lines(capsys):
    show("a\tb\n\x1b[2J")
    assert capsys.readouterr().out == "a\tb\n\\x1b[2J\n"


def test_a_terminal_that_is_gone_costs_nothing(monkeypatch):
    class Gone:
        def write(self, text):
            raise OSError(5, "Input/output error")

        flush = write

    monkeypatch.setattr(sys, "stderr", Gone())
    say("text")


@pytest.mark.parametrize("terminal", [True, False])
def test_data_do_nothing_to_a_terminal_and_are_as_they_are_elsewhere(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    write_data("label\na\x1b[2J\n")
    assert capsys.readouterr().out == ("label\na\\x1b[2J\n" if terminal else "label\na\x1b[2J\n")
