"""Ctrl-C at any point of a training leaves what was learned, and gets through."""

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import Callback

from stnclf import STNCellClassifier
from tests.conftest import make_blobs

STAGES = ["classifier", "localizer", "joint"]
STN = STNCellClassifier(
    classifier_epochs=2, localizer_epochs=2, joint_epochs=2, batch_size=6, random_state=0
)


class Interrupt(Callback):
    """Ctrl-C in a stage, when it has done some epochs."""

    def __init__(self, stage, hook, epochs):
        self.stage, self.hook, self.epochs = stage, hook, epochs

    def notify(self, method_name, net, **kwargs):
        done = net.epochs_done.get(net.stage.name, 0)
        if (net.stage.name, method_name, done) == (self.stage, self.hook, self.epochs):
            raise KeyboardInterrupt

    def on_train_begin(self, net, **kwargs):
        self.notify("on_train_begin", net)

    def on_batch_end(self, net, **kwargs):
        self.notify("on_batch_end", net)

    def on_epoch_end(self, net, **kwargs):
        self.notify("on_epoch_end", net)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("hook", "done"),
    [("on_train_begin", 0), ("on_batch_end", 1), ("on_epoch_end", 1), ("on_epoch_end", 2)],
)
def test_an_interrupted_fit_can_be_used_and_continued(stage, hook, done):
    X, y, centers = make_blobs(16, 20, 28)
    clf = clone(STN).set_params(callbacks=[Interrupt(stage, hook, done)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, centers=centers)
    before = STAGES[: STAGES.index(stage)]
    expected = [(name, epoch) for name in before for epoch in (1, 2)]
    expected += [(stage, epoch) for epoch in range(1, done + 1)]
    assert [(row["stage"], row["epoch"]) for row in clf.history_] == expected
    assert clf.classes_.tolist() == ["cross", "disc"]
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.transform(X).shape == (16, 2)
    assert {p.device.type for p in clf.net_.module_.parameters()} == {"cpu"}
    if hook == "on_batch_end":
        left = STAGES[STAGES.index(stage) :]
        clf.set_params(warm_start=True, callbacks=None).fit(X, y, centers=centers, stages=left)
        epochs = [row["epoch"] for row in clf.history_]
        assert epochs == [epoch for _, epoch in expected] + [2, 3] + [1, 2] * (len(left) - 1)
