"""Checks of arguments: what comes out when they are right (test_bad_input has the rest)."""

import numpy as np
import pytest
import torch
from skorch.callbacks import EarlyStopping

from stnclf._utils.checks import (
    check_callbacks,
    check_centers,
    check_device,
    check_weight,
    check_y,
    draw_seed,
    uses_bfloat16,
    weight_of_class,
)


def test_no_centers_are_the_middle_of_a_non_square_image():
    assert check_centers(None, 2, (10, 21)).tolist() == [[10.0, 4.5]] * 2


def test_centers_may_lie_on_the_outer_edges():
    corners = [[-0.5, -0.5], [20.5, 9.5]]
    assert check_centers(corners, 2, (10, 21)).tolist() == corners
    with pytest.raises(ValueError, match=r"index 1: \[9.5, 20.5\]"):
        check_centers([[0, 0], [9.5, 20.5]], 2, (10, 21))


def test_labels_become_indices():
    classes, index = check_y(np.zeros(4), ["b", "a", "b", "c"], "X")
    assert classes.tolist() == ["a", "b", "c"]
    assert index.tolist() == [1, 0, 1, 2]


def test_weights_of_samples_and_classes():
    assert check_weight(None, np.zeros((3, 2))).tolist() == [1, 1, 1]
    assert check_weight([0, 2, 1], np.zeros((3, 2))).tolist() == [0, 2, 1]
    labels = np.array(["a", "b", "b", "b"])
    assert weight_of_class({"a": 3, "b": 0.5}, labels).tolist() == [3, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(weight_of_class("balanced", labels), [2, 2 / 3, 2 / 3, 2 / 3])


def test_seed():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    state = np.random.RandomState(0)
    assert draw_seed(state) != draw_seed(state)
    assert draw_seed(None) != draw_seed(None)


def test_auto_is_a_device_that_exists():
    assert check_device("auto") in ("cpu", "cuda")
    assert check_device("cpu") == "cpu"


@pytest.mark.parametrize("supported", [False, True])
def test_bfloat16_is_chosen_where_the_processor_has_it(supported, monkeypatch):
    name = "_is_avx512_bf16_supported"
    monkeypatch.setattr(torch.cpu, name, lambda: supported, raising=False)
    assert uses_bfloat16("auto", "cpu") is supported
    assert uses_bfloat16("bfloat16", "cpu") is True
    assert uses_bfloat16("float32", "cpu") is False
    monkeypatch.delattr(torch.cpu, name)
    assert uses_bfloat16("auto", "cpu") is False


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True)])
def test_bfloat16_is_chosen_on_gpus_that_have_it(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert uses_bfloat16("auto", "cuda") is expected


def test_early_stopping_needs_something_to_watch():
    check_callbacks([EarlyStopping(monitor="train_loss")], None)
    check_callbacks([EarlyStopping()], 0.2)
    for callback in (EarlyStopping(), EarlyStopping, ("stop", EarlyStopping())):
        with pytest.raises(ValueError, match=r"callbacks\[0\].*validation_fraction"):
            check_callbacks([callback], None)
