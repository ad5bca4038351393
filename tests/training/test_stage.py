"""Stages: their losses, which weights move in which, and the learning rate."""

import numpy as np
import pytest
import torch
from torch import nn

from stnclf import STNCellClassifier
from stnclf.losses import heatmap_loss, localization_loss
from stnclf.sampling import Augmentation, Batch, Draws, TrainingBatches, draw_batch
from stnclf.training import CellNet, Stage, guided_stages, learning_rate, stage_loss
from tests.networks.test_shared import make_shared
from tests.networks.test_stn import make_stn
from tests.sampling.samples import make_data

CLASSIFIER = Stage("classifier", ("classifier",), "cell", False, 1.0, 1, 1e-3)


LOCALIZER = Stage("localizer", ("localizer",), None, True, 1.0, 1, 1e-3)


JOINT = Stage("joint", ("localizer", "classifier"), "window", True, 0.5, 1, 1e-3)


def make_batch(n=6):
    data = make_data(n=n, image=(80, 120), patch=(64, 96), cell=(32, 48))
    rng = np.random.default_rng(0)
    return draw_batch(
        data, Draws.plain(data, np.arange(n), rng.uniform(0, 6, n), rng.uniform(-8, 8, (n, 2)))
    )


def make_net(system, **changes):
    return CellNet(system, batch_size=16, seed=3, device="cpu", verbose=0, **changes).initialize()


def test_classifier_stage_sees_the_true_window():
    system, batch = make_stn(), make_batch()
    loss, parts = stage_loss(system, batch, CLASSIFIER)
    wrong = Batch(**{**vars(batch), "shown": batch.shown.roll(1, 0)})
    assert list(parts) == ["classification_loss"]
    assert (stage_loss(system, wrong, CLASSIFIER)[0] - loss).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["dense", "heatmap"])
def test_joint_loss_is_equation_9_on_the_chosen_window(name):
    system = make_stn(name)
    batch = make_batch()
    loss, parts = stage_loss(system, batch, JOINT)
    theta, heatmap, _ = system.locate(batch.images(), batch.patch_theta)
    located = (
        localization_loss(theta, batch.theta)
        if name == "dense"
        else heatmap_loss(heatmap, batch.theta)
    )
    torch.testing.assert_close(parts["localization_loss"], located)
    torch.testing.assert_close(loss, located + 0.5 * parts["classification_loss"])
    # The class loss does not depend on the true theta: the window is the localizer's.
    moved = Batch(**{**vars(batch), "theta": batch.theta.roll(1, 0)})
    again = stage_loss(system, moved, JOINT)[1]["classification_loss"]
    torch.testing.assert_close(again, parts["classification_loss"])


@pytest.mark.parametrize("name", ["dense", "heatmap"])
def test_class_loss_reaches_the_localizer_in_the_joint_stage(name):
    system, batch = make_stn(name), make_batch()
    if name == "dense":  # its output layer starts deaf
        nn.init.normal_(system.localizer.theta.weight, std=1e-3)
    parts = stage_loss(system, batch, JOINT)[1]
    parts["classification_loss"].sum().backward()
    assert sum(p.grad.abs().sum() for p in system.localizer.parameters() if p.grad is not None) > 0


def weights(module):
    return {n: p.detach().clone() for n, p in module.named_parameters()}


@pytest.mark.parametrize(
    ("stage", "moving"),
    [
        (CLASSIFIER, {"classifier"}),
        (LOCALIZER, {"localizer"}),
        (JOINT, {"localizer", "classifier"}),
    ],
)
@pytest.mark.parametrize("name", ["dense", "heatmap"])
def test_which_weights_move_in_which_stage(stage, moving, name):
    system = make_stn(name)
    data = make_data(n=24, image=(80, 120), patch=(64, 96), cell=(32, 48))
    before = weights(system)
    statistics = {n: b.clone() for n, b in system.named_buffers()}
    # Weight decay too must leave alone what does not learn.
    make_net(system, weight_decay=0.1).run_stage(stage, data)
    moved = {n.split(".")[0] for n, p in weights(system).items() if not torch.equal(p, before[n])}
    assert moved == moving
    still = [n for n, p in weights(system).items() if torch.equal(p, before[n])]
    assert {n.split(".")[0] for n in still}.isdisjoint(moving)  # every weight of it
    for n, buffer in system.named_buffers():
        changes = n.startswith("localizer") and "localizer" in moving
        assert torch.equal(buffer, statistics[n]) != changes


def test_one_cycle_rises_and_falls():
    rates = [learning_rate("one-cycle", 0.1, p) for p in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1)
    assert np.argmax(rates) == 20
    assert rates[-1] == pytest.approx(0.0)
    assert np.all(np.diff(rates[:21]) > 0)
    assert np.all(np.diff(rates[20:]) < 0)
    assert learning_rate("constant", 0.1, 0.7) == 0.1


def stages():
    params = STNCellClassifier(classifier_epochs=1, localizer_epochs=1, joint_epochs=1)
    return guided_stages(params, (3e-3, 2e-3, 1e-3), shared=True)


def moved(name):
    """Names of the parts whose weights a stage changes, first and second level."""
    system, data = make_shared((32, 32), (16, 16)), make_data(24, (48, 48), (32, 32), (16, 16))
    before = {n: p.clone() for n, p in system.named_parameters()}
    CellNet.around(system).run_stage(stages()[name], data)
    changed = {n for n, p in system.named_parameters() if not torch.equal(p, before[n])}
    return {".".join(n.split(".")[: 3 if "features" in n else 2]) for n in changed}


READERS = {"classifier.window", "classifier.patch", "classifier.output"}


OWN = {"localizer.features.own", "localizer.position"}


def test_stages_begin_with_the_class_and_then_guide_the_localizer():
    assert moved("classifier") == {"localizer.features.shared", *READERS}
    assert moved("localizer") == moved("joint") == {"localizer.features.shared", *READERS, *OWN}


def test_only_the_joint_stage_shows_the_window_that_was_found():
    system, data = make_shared((32, 32), (16, 16)), make_data(8, (48, 48), (32, 32), (16, 16))
    (batch,) = TrainingBatches(data, [0], 8, None, False, Augmentation.only(True))
    losses = {}
    for name, stage in stages().items():
        parts = stage_loss(system, batch, stage)[1]
        assert ("localization_loss" in parts) == (name != "classifier")
        losses[name] = parts["classification_loss"]
    torch.testing.assert_close(losses["classifier"], losses["localizer"])
    assert (losses["joint"] - losses["classifier"]).abs().max() > 1e-3
