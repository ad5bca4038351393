"""What a training says where there is no terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stnclf.cli.training_lines import FoldLines, TrainingLines, duration


def net(stage, epochs, *rows):
    return SimpleNamespace(stage=SimpleNamespace(name=stage, epochs=epochs), history=list(rows))


def test_a_line_a_minute_says_where_the_training_is():
    now, lines = [100.0], []
    callback = TrainingLines(clock=lambda: now[0], write=lines.append)
    callback.on_train_begin(net("classifier", 9))
    row = {"train_loss": 0.5, "classification_loss": 0.25, "valid_loss": 0.123456}
    for epoch in range(1, 7):
        now[0] += 25
        callback.on_epoch_end(net("classifier", 9, {**row, "stage_epoch": epoch}))
    # At 75 s and at 150 s; six epochs took 150 s, three are left.
    assert lines == [
        f"stage classifier: epoch {epoch} of 9, classification loss 0.25, validation 0.123; "
        f"{left} left in this stage"
        for epoch, left in ((3, "2 min"), (6, "1 min"))
    ]


def test_time_left_is_that_of_this_run_and_stage():
    now, lines = [0.0], []
    callback = TrainingLines(clock=lambda: now[0], write=lines.append)
    callback.on_train_begin(net("classifier", 1))
    now[0] = 50.0
    callback.on_epoch_end(net("classifier", 1, {"stage_epoch": 1}))
    callback.on_train_begin(net("localizer", 20))
    now[0] = 65.0  # resumed: the first epoch of this run is the 18th
    callback.on_epoch_end(net("localizer", 20, {"stage_epoch": 18, "localization_loss": 1234.0}))
    assert lines == [
        "stage localizer: epoch 18 of 20, localization loss 1.23e+03; 30 s left in this stage"
    ]


def test_folds_are_counted_with_those_of_an_earlier_run():
    now, lines = [0.0], []
    folds = FoldLines(10, 4, clock=lambda: now[0], write=lines.append)
    for seconds in (50, 50, 90, 10, 90, 90):
        now[0] += seconds
        folds.add()
    # After 100 s two of six, after 190 s three, after 290 s five; nothing after the last.
    assert lines == [
        "6 of 10 folds done; 3 min left",
        "7 of 10 folds done; 3 min left",
        "9 of 10 folds done; 58 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (100, "2 min"), (3600, "1 h"), (7261, "2 h 1 min")],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_train_writes_lines_but_for_a_terminal_or_who_wants_none(
    road, tmp_path, invoke, monkeypatch
):
    monkeypatch.setattr("stnclf.cli.training_lines._EVERY", 0.0)
    short = ("--classifier-epochs", 0, "--localizer-epochs", 2, "--joint-epochs", 0)
    line = ("train", road / "patches", *short, "--set", "validation_fraction=0.2", "-o")
    code, _, lines = invoke(*line, tmp_path / "a.safetensors")
    assert code == 0
    assert [text.partition(",")[0] for text in lines[:-1]] == [
        f"stage localizer: epoch {epoch} of 2" for epoch in (1, 2)
    ]
    assert all("validation" in text and "localization loss" in text for text in lines[:-1])
    code, _, lines = invoke(*line, tmp_path / "b.safetensors", "--no-progress")
    assert (code, len(lines)) == (0, 1)
