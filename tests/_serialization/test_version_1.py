"""Parameters of files of format version 1, by their names of today."""

import pytest

from stnclf._serialization.version_1 import current_parameters

STORED = {
    "patch_size": 64,
    "localizer": "heatmap",
    "classifier": "context",
    "n_glimpses": 3,
    "class_maps": False,
    "classifier_lr": 0.01,
    "localizer_lr": 0.02,
    "joint_lr": 0.03,
    "kappa": 0.5,
    "rotate": "copy",
    "flip": False,
    "scale_jitter": 0.2,
    "color_jitter": 0.3,
    "center_jitter": 0.4,
    "schedule": "constant",
    "weight_decay": 0.1,
    "n_iter_no_change": 7,
}
CURRENT = {
    "patch_size": 64,
    "localizer": "heatmap",
    "classifier": "context",
    "n_glimpses": 3,
    "kappa": 0.5,
    "augment__rotate": "copy",
    "augment__flip": False,
    "augment__scale": 0.2,
    "augment__color": 0.3,
    "augment__center": 0.4,
    "optimizer__lr": (0.01, 0.02, 0.03),
    "optimizer__schedule": "constant",
    "optimizer__weight_decay": 0.1,
    "n_iter_no_change": 7,
}


def translated(whole=False, **changes):
    return current_parameters("STNCellClassifier", {**STORED, **changes}, whole=whole)


def test_every_parameter_has_its_place():
    before = dict(STORED)
    assert translated() == CURRENT
    assert before == STORED


def test_the_baseline_has_one_rate_and_only_turned():
    found = current_parameters("CiresanBaseline", {"lr": 0.01, "rotate": "copy"}, whole=False)
    changes = {"rotate": "copy", "flip": False, "scale": 0.0, "color": 0.0, "center": 0.0}
    assert found == {
        **{f"augment__{name}": value for name, value in changes.items()},
        "optimizer__lr": (0.01,),
        "optimizer__schedule": "constant",
        "optimizer__weight_decay": 0.0,
        "n_iter_no_change": 10,
    }


@pytest.mark.parametrize("classifier", ["shared", "zoom", "context", "inception"])
@pytest.mark.parametrize(("whole", "localizer"), [(True, "heatmap"), (False, "dense")])
def test_what_stood_in_for_another_is_auto(classifier, whole, localizer):
    found = translated(whole, classifier=classifier, localizer=localizer)
    kept = classifier in ("context", "inception")
    assert found["classifier"] == (classifier if kept else "auto")
    assert found["n_glimpses"] == 1


def test_networks_that_are_no_more_are_refused():
    with pytest.raises(ValueError, match="class_maps=True, maps for each class, which this ver"):
        translated(class_maps=True)
    with pytest.raises(ValueError, match="classifier='window', which this version does not have"):
        translated(classifier="window")
    # These had no effect.
    assert "class_maps" not in translated(class_maps=True, localizer="dense")
    assert "class_maps" not in translated(class_maps=True, whole=True)
