"""What training writes and shows."""

import pytest
from skorch.callbacks import Checkpoint

from stnclf import Optimizer, STNCellClassifier
from tests.conftest import QUICK


def test_loss_that_is_no_number_stops_with_stage_and_epoch(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(
        classifier_epochs=3, optimizer=Optimizer(lr=1e30, schedule="constant"), random_state=0
    )
    with pytest.raises(FloatingPointError, match=r"epoch [123] of stage 'classifier'.*lr=1e\+30"):
        clf.fit(X, y, centers=centers)


def test_lines_have_a_header_for_each_stage(blobs, capsys):
    X, y, centers = blobs
    clf = STNCellClassifier(verbose=2, classifier="context", **QUICK)
    clf.fit(X, y, centers=centers)
    shown = capsys.readouterr().out
    for stage in ("classifier", "localizer", "joint"):
        assert f"stage '{stage}'" in shown
    assert shown.count("train_loss") == 3
    localizer = shown[shown.index("stage 'localizer'") : shown.index("stage 'joint'")]
    assert "localization_loss" in localizer
    assert "classification_loss" not in localizer


def test_a_checkpoint_does_not_bring_back_another_stage(blobs, tmp_path):
    # The joint loss is a sum and rarely falls below the best of the first stage.
    X, y, centers = blobs
    keep = Checkpoint(
        monitor="train_loss_best", load_best=True, f_history=None, dirname=str(tmp_path)
    )
    clf = STNCellClassifier(
        classifier_epochs=3, localizer_epochs=3, joint_epochs=2, callbacks=[keep], random_state=0
    ).fit(X, y, centers=centers)
    free = STNCellClassifier(
        classifier_epochs=3, localizer_epochs=0, joint_epochs=0, random_state=0
    )
    untrained = free.fit(X, y, centers=centers).net_.module_.localizer.position.weight
    assert (clf.net_.module_.localizer.position.weight - untrained).abs().max() > 1e-3
