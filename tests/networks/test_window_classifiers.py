"""The classifiers of a window: their layers, shapes and gradients."""

import pytest
import torch

from stnclf.networks import (
    CLASSIFIERS,
    InceptionClassifier,
    initialize,
)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_classifier_shapes_and_every_weight_learns(name, channels):
    net = initialize(CLASSIFIERS[name](channels, 5), torch.Generator().manual_seed(0))
    shape = (2, len(net.scales) * channels, *net.view)
    logits = net(torch.rand(shape, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_inception_classifier_has_the_papers_layers():
    net = InceptionClassifier(3, 3)
    assert net.view == (32, 32)
    assert (net.dense.out_features, net.output.out_features) == (256, 3)
