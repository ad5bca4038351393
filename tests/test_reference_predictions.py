"""Networks predict what they did when ``tests/make_references.py`` last ran."""

import json

import numpy as np
import pytest

from tests.make_references import EPOCHS, FILE, estimators, predictions

# Ten times the largest differences found between instruction sets (SSE 4.1, AVX2, AVX-512), which
# is how processors and builds of torch differ. Training moves what is compared by 0.09 and 1 px at
# least; rounding grows in it, since Adam divides gradients by their size.
TOLERANCE = {
    "untrained": {"probabilities": 1e-5, "centers": 1e-3, "losses": 0},
    "trained": {"probabilities": 2e-3, "centers": 0.05, "losses": 1.5e-3},
}
STORED = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_network_is_stored():
    assert {kind: list(found) for kind, found in STORED.items()} == {
        kind: list(estimators(epochs)) for kind, epochs in EPOCHS.items()
    }


@pytest.mark.parametrize("name", estimators(0))
@pytest.mark.parametrize("kind", EPOCHS)
def test_predictions_are_those_stored(kind, name):
    found = predictions(estimators(EPOCHS[kind])[name])
    for what, wanted in STORED[kind][name].items():
        np.testing.assert_allclose(found[what], wanted, rtol=0, atol=TOLERANCE[kind][what])
