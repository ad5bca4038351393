"""Learning rates, their course and weight decay as one object."""

import pytest
from sklearn.base import clone

from stnclf.training import Optimizer


def test_it_is_an_object_of_scikit_learn():
    one = Optimizer(lr=[1e-2, 2e-3], schedule="constant")
    parameters = {"lr": [1e-2, 2e-3], "schedule": "constant", "weight_decay": 0.05}
    assert one.get_params() == parameters
    copy = clone(one).set_params(weight_decay=0.5)
    assert copy.get_params() == {**parameters, "weight_decay": 0.5}
    assert one.get_params() == parameters


def test_rates_are_one_for_each_stage():
    assert Optimizer().rates((3.0, 2.0, 1.0)) == (3.0, 2.0, 1.0)
    assert Optimizer(lr=0.5).rates((3.0, 2.0, 1.0)) == (0.5, 0.5, 0.5)
    assert Optimizer(lr=[0.5, 0.25]).rates((3.0, 2.0)) == (0.5, 0.25)


@pytest.mark.parametrize("lr", [(0.1,), (0.1, 0), (0.1, -1.0), (0.1, float("nan")), (0.1, True)])
def test_other_sequences_are_refused(lr):
    with pytest.raises(ValueError, match=r"optimizer: got lr=.*wants a positive number, or 2, one"):
        Optimizer(lr=lr).rates((1.0, 2.0))


def test_a_wrong_parameter_is_named():
    with pytest.raises(ValueError, match=r"optimizer: The 'schedule' parameter.*Got 'linear'"):
        Optimizer(schedule="linear").check()
