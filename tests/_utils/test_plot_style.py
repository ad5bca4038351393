"""Styles of the displays: lines that differ without colour, axes, and the extra's name."""

import builtins
import re

import pytest

from stnclf._serialization.training_record import LOSSES
from stnclf._utils.plot_style import (
    COLOURS,
    DASHES,
    LOSS_TITLES,
    MARKERS,
    import_pyplot,
    new_axes,
)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_each_line_has_its_own_colour_dashes_and_marker():
    assert len(set(COLOURS)) == len(set(DASHES)) == len(set(MARKERS)) == len(COLOURS)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in COLOURS)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_can_be_seen_on_white(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 3  # as WCAG 2 asks of lines


def test_every_loss_has_a_title():
    assert set(LOSS_TITLES) == {"train_loss", "valid_loss", *LOSSES}
    assert len(set(LOSS_TITLES.values())) == len(LOSS_TITLES)


def test_axes_are_those_given_or_new_ones_of_the_size():
    pytest.importorskip("matplotlib", reason="needs the extra [plot]").use("Agg")
    plt = import_pyplot("SomeDisplay")
    made = new_axes("SomeDisplay", None, (3.5, 2.0))
    other = new_axes("SomeDisplay", None, (3.5, 2.0))
    assert made.figure.get_size_inches().tolist() == [3.5, 2.0]
    assert made.figure is not other.figure
    assert new_axes("SomeDisplay", made, (1, 1)) is made
    assert made.figure.get_size_inches().tolist() == [3.5, 2.0]
    plt.close(made.figure)
    plt.close(other.figure)


def test_without_matplotlib_the_display_and_the_extra_are_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for call in (import_pyplot, lambda name: new_axes(name, None, (1, 1))):
        with pytest.raises(ImportError, match=r"SomeDisplay needs .*'stnclf\[plot\]'"):
            call("SomeDisplay")
