"""What commands share: errors in one line, where results may go, options."""

from __future__ import annotations

import errno
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

from stnclf.cli import main as commands
from stnclf.cli.common import (
    Command,
    Main,
    choose_labels,
    debug_option,
    examples,
    on_cluster,
    shows_progress,
)


def run(function, *arguments):
    """Run a command that calls `function`; give the result."""
    main = Main("stnclf", params=[debug_option()])
    params = [click.Option(["--stride"]), click.Option(["--area", "area_mm2"])]
    main.add_command(Command("go", params=params, callback=lambda **_: function()))
    return CliRunner().invoke(main, [*arguments[:-1], "go", *arguments[-1:]])


def fail(error):
    def function():
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("area_mm2: got -1,\n  wants more."), "--area: got -1, wants more."),
        (ValueError("stride must be 1"), "--stride must be 1"),
        (ValueError("strides: are wrong"), "strides: are wrong"),
        (OSError(errno.ENOSPC, "No space left", "a.csv"), "a.csv: No space left"),
        (MemoryError(), "there is not enough memory"),
        (ValueError("X[3], 'a.png': is no image"), "'a.png': is no image"),
        (KeyError("x"), "KeyError: 'x'; --debug shows where it came up"),
    ],
)
def test_errors_are_one_line_that_names_the_option(error, line):
    result = run(fail(error))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"stnclf go: error: {line}\n"


@pytest.mark.parametrize("place", [("--debug", "--stride=1"), ("--debug",), ("--stride=1",)])
def test_debug_gives_a_traceback(place):
    result = run(fail(ValueError("stride: wrong")), *place)
    assert result.exit_code == 1
    is_debug = "--debug" in place
    assert isinstance(result.exception, ValueError) == is_debug
    assert (result.stderr == "stnclf go: error: --stride: wrong\n") != is_debug


def test_debug_is_an_option_of_the_command_too():
    assert isinstance(run(fail(ValueError("wrong")), "--debug").exception, ValueError)


@pytest.mark.parametrize(
    ("function", "code", "line"),
    [
        (fail(KeyboardInterrupt()), 130, "interrupted"),
        (fail(click.UsageError("no\nsense")), 2, "no sense"),
        (lambda: None, 0, ""),
    ],
)
def test_exit_status(function, code, line):
    result = run(function)
    assert result.exit_code == code
    assert result.stderr.strip().endswith(line)


def test_warnings_are_one_line_and_the_filters_stay():
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run(lambda: warnings.warn("so\n so", UserWarning, stacklevel=1))
    assert result.stderr == "stnclf: warning: so so\n"
    assert warnings.showwarning is before


def test_labels_are_found_by_their_names():
    assert choose_labels([], [0, 1]) is None
    assert choose_labels(["1"], [0, 1]) == [1]
    with pytest.raises(click.BadParameter, match="'2' is none of '0', '1'"):
        choose_labels(["2"], [0, 1])


def test_a_bar_is_for_terminals_and_for_who_asks(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert [shows_progress(value) for value in (None, True, False)] == [0, 1, 0]


def go(*arguments):
    """Run a command with an option of each kind; give its values, or the error."""
    params = [
        click.Option(["-s", "--size", "--side"], type=int),
        click.Option(["--label"], multiple=True),
        click.Option(["--fast/--slow"]),
        click.Option(["--dry"], is_flag=True),
        click.Option(["-v"], count=True),
        click.Argument(["files"], nargs=-1),
    ]
    main = Main("stnclf", params=[debug_option()])
    main.add_command(Command("go", params=params, callback=lambda **values: click.echo(values)))
    result = CliRunner().invoke(main, ["go", *arguments])
    return result.exit_code, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "n"),
    [
        (["--size", "1", "--size", "1"], 2),
        (["--size=1", "a", "--size=2"], 2),
        (["-s1", "--side", "2", "--size=3"], 3),
    ],
)
def test_an_option_of_one_value_is_given_once(arguments, n):
    code, text = go(*arguments)
    assert code == 2
    assert text.endswith(f"Invalid value for '-s' / '--size' / '--side': given {n} times, wants "
                         "one value.\n")  # fmt: skip


def test_other_options_and_arguments_may_be_repeated():
    line = "--size 1 --label a --label b --fast --slow --dry --dry -v -v --debug --debug a a"
    assert go(*line.split())[0] == 0
    code, text = go("--size", "1", "--", "--size", "2")  # arguments
    assert (code, "('--size', '2')" in text) == (0, True)
    assert go("--size", "1", "--size", "2", "--help")[0] == 0


def test_every_command_refuses_a_repeated_option(tmp_path, invoke):
    line = ("info", tmp_path, "--from", "csv", "--from", "csv")
    code, _, lines = invoke(*line)
    assert (code, "'--from': given 2 times, wants one value" in lines[0]) == (2, True)
    assert all(isinstance(command, Command) for command in commands.commands.values())


@pytest.mark.parametrize("value", ["-1", str(2**32), "1.5"])
@pytest.mark.parametrize("command", ["train", "evaluate", "patches"])
def test_a_seed_is_one_that_generators_take(command, value, tmp_path, invoke):
    inputs = [tmp_path] * (2 if command == "patches" else 1)
    code, _, lines = invoke(command, *inputs, "--seed", value, "-o", tmp_path / "o")
    assert (code, len(lines), "'--seed': " in lines[0]) == (2, 1, True)


def test_examples_are_not_wrapped():
    assert examples("stnclf a", "stnclf b") == "\b\nExamples:\n  stnclf a\n  stnclf b"


def test_no_dask_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"stnclf\[distributed\]"), on_cluster("tcp://x:1"):
        pass


@pytest.mark.parametrize("value", ["0", "-0.25", "nan", "inf", "0,25"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("score", "--mpp"),
        ("score", "--slide-mpp"),
        ("classify", "--slide-mpp"),
        ("hotspots", "--slide-mpp"),
    ],
)
def test_a_resolution_is_a_positive_number(command, option, value, tmp_path, invoke):
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path in paths:
        path.touch()
    inputs = paths if command == "classify" else paths[:2]
    code, _, lines = invoke(command, *inputs, f"{option}={value}", "-o", tmp_path / "o.csv")
    assert code == 2
    assert f"'{option}'" in lines[0]
    assert f": got '{value}', wants a positive number." in lines[0]
