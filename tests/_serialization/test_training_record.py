"""How far a training has come: there and back through JSON, and what is refused."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from stnclf._serialization.training_record import LOSSES, TrainingRecord

STAGES = ("classifier", "localizer")
ROW = {"epoch": 3, "stage_epoch": 1, "stage": "localizer", "train_loss": 0.5, "dur": 2.25}
FACTS = {"seed": 7, "epochs_done": {"classifier": 2, "localizer": 1}, "history": [ROW]}


def test_a_record_comes_back_through_json():
    rows = [
        {**ROW, "valid_loss": math.inf, "train_loss": math.nan, "batches": [{"size": 4}]},
        {**ROW, "epoch": np.int64(4), "localization_loss": np.float32(0.25), "best": np.True_},
    ]
    record = TrainingRecord(2**64 - 1, {"classifier": 2}, rows)
    back = TrainingRecord.decoded(json.loads(json.dumps(record.encoded())), STAGES)
    assert (back.seed, back.epochs_done) == (2**64 - 1, {"classifier": 2})
    first, second = back.history
    assert first.pop("batches") == second.pop("batches") == []
    assert math.isnan(first.pop("train_loss"))
    assert first == {**{k: v for k, v in ROW.items() if k != "train_loss"}, "valid_loss": math.inf}
    assert second == {**ROW, "epoch": 4, "localization_loss": 0.25, "best": True}


def test_what_a_callback_recorded_beside_numbers_and_words_is_left_out():
    rows = [{**ROW, "array": np.zeros(3), "list": [1], "object": object(), "words": "kept"}]
    assert TrainingRecord(0, {}, rows).encoded()["history"] == [{**ROW, "words": "kept"}]


def test_a_net_goes_on_from_its_record():
    net = SimpleNamespace(seed=5, epochs_done={"classifier": 1}, history=[ROW])
    record = TrainingRecord.of(net)
    other = SimpleNamespace(seed=0, epochs_done={}, history=["old", "rows"])
    rows = other.history
    record.restore(other)
    assert (other.seed, other.epochs_done) == (5, {"classifier": 1})
    assert other.history is rows  # callbacks hold it
    assert rows == [ROW]
    other.epochs_done["classifier"] = 9
    assert record.epochs_done == {"classifier": 1}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"seed": None}, "seed"),
        ({"epochs_done": [2, 1]}, "epochs_done"),
        ({"epochs_done": {"joint": 1}}, "epochs_done"),
        ({"epochs_done": {"classifier": -1}}, "epochs_done"),
        ({"epochs_done": {"classifier": 1.5}}, "epochs_done"),
        ({"epochs_done": {"classifier": True}}, "epochs_done"),
        ({"history": {}}, "history"),
        ({"history": [[1]]}, "history"),
        ({"history": [{**ROW, "extra": [1]}]}, "history"),
        ({"history": [{**ROW, "train_loss": "0.5"}]}, "history.*'train_loss'"),
        ({"history": [{**ROW, "dur": None}]}, "history.*'dur'"),
        *(({"history": [{**ROW, name: "x"}]}, f"history.*{name!r}") for name in LOSSES),
    ],
)
def test_what_encoded_never_gives_is_refused_by_name(change, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        TrainingRecord.decoded({**FACTS, **change}, STAGES)
    assert TrainingRecord.decoded(FACTS, STAGES).history == [{"batches": [], **ROW}]
