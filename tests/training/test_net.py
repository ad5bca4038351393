"""Stages, the training step, the learning rate, threads."""

import numpy as np
import pytest
import torch
from torch import nn

from stnclf.classifier import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.losses import class_map_loss, heatmap_loss, localization_loss
from stnclf.networks import STNNet
from stnclf.sampling import Batch, Draws, draw_batch
from stnclf.training import CellNet, Stage, learning_rate, stage_loss
from tests.networks.test_stn import make_stn
from tests.sampling.test_batches import make_data

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


@pytest.mark.parametrize("name", ["dense", "heatmap", "maps"])
def test_joint_loss_is_equation_9_on_the_chosen_window(name):
    system = make_stn("heatmap", maps=True) if name == "maps" else make_stn(name)
    batch = make_batch()
    loss, parts = stage_loss(system, batch, JOINT)
    theta, heatmap, maps, _ = system.locate(batch.images(), batch.place)
    located = (
        localization_loss(theta, batch.theta)
        if name == "dense"
        else heatmap_loss(heatmap, batch.theta)
    )
    torch.testing.assert_close(parts["localization_loss"], located)
    assert ("map_loss" in parts) == (name == "maps")
    if name == "maps":
        torch.testing.assert_close(parts["map_loss"], class_map_loss(maps, batch.theta, batch.y))
        located = located + parts["map_loss"]
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


def test_micro_batches_add_up_to_the_whole_gradient():
    # The dense system has no batch statistics, so that parts must sum to the whole.
    system, batch = make_stn("dense"), make_batch(10)
    batch.weight = torch.linspace(0.2, 1.8, 10)
    loss, _ = stage_loss(system, batch, JOINT)
    parameters = list(system.parameters())
    whole = torch.autograd.grad((loss * batch.weight).mean(), parameters)
    parts = [torch.zeros_like(p) for p in parameters]
    net = make_net(system)
    net.stage, net.parameters = JOINT, parameters
    for part in batch.split(3):
        for total, grad in zip(parts, net._micro_step(system, part, 10)[0]):
            total += grad
    for ours, expected in zip(parts, whole):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


def test_the_number_of_threads_changes_nothing():
    before, digests = torch.get_num_threads(), []
    data = make_data(n=40, image=(80, 120), patch=(64, 96), cell=(32, 48))
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            system = make_stn()
            net = CellNet(system, batch_size=33, seed=3, device="cpu", verbose=0).initialize()
            net.run_stage(JOINT, data)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        digests.append(torch.cat([p.flatten().double() for p in system.state_dict().values()]))
    assert torch.equal(digests[0], digests[1])
    assert torch.equal(digests[0], digests[2])


def test_batch_statistics_are_the_means_of_the_micro_batches():
    system = make_stn()
    net = make_net(system)
    data = make_data(n=32, image=(80, 120), patch=(64, 96), cell=(32, 48))
    norm = system.localizer.features[1]
    seen = []
    handle = norm.register_forward_hook(lambda module, args, out: seen.append(args[0].detach()))
    one_step = Stage("localizer", ("localizer",), None, True, 1.0, 1, 1e-3)
    net.balance, net.batch_size = False, 32
    net.run_stage(one_step, data)
    handle.remove()
    # Hooks are copied with the replicas: two micro-batches of 16, momentum 0.1 from zero.
    assert [len(x) for x in seen] == [16, 16]
    expected = 0.1 * torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-5, rtol=1e-4)


def test_one_cycle_rises_and_falls():
    rates = [learning_rate("one-cycle", 0.1, p) for p in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1)
    assert np.argmax(rates) == 20
    assert rates[-1] == pytest.approx(0.0)
    assert np.all(np.diff(rates[:21]) > 0)
    assert np.all(np.diff(rates[20:]) < 0)
    assert learning_rate("constant", 0.1, 0.7) == 0.1


def test_schedule_spans_the_stage(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(
        classifier_epochs=5, localizer_epochs=0, joint_epochs=2, batch_size=8, random_state=0
    ).fit(X, y, centers=centers)
    rates = [row["lr"] for row in clf.history_ if row["stage"] == "classifier"]
    assert rates[0] > rates[-1]
    assert rates[-1] < 0.02 * clf.classifier_lr
    joint = [row["lr"] for row in clf.history_ if row["stage"] == "joint"]
    assert joint[0] <= clf.joint_lr


def test_a_compiler_that_fails_costs_a_warning_only(monkeypatch):
    def fail(self):
        for network in (self.localizer, self.classifier):
            network._compiled_call_impl = broken

    def broken(*args):
        raise OSError("no compiler\nat all")

    X, y, centers = make_cells(12, patch_size=64, offset=4, random_state=0)
    epochs = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1}
    clf = STNCellClassifier(compile=True, random_state=0, **epochs)
    monkeypatch.setattr(STNNet, "compile_networks", fail)
    with pytest.warns(RuntimeWarning, match=r"compile: .*OSError: no compiler\); .*without it"):
        clf.fit(X, y, centers=centers)
    plain = STNCellClassifier(random_state=0, **epochs).fit(X, y, centers=centers)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
