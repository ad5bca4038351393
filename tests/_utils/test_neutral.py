"""What a caller has set for torch and NumPy changes no result, and is afterwards as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch

import stnclf
from stnclf import CellFeatures, CiresanBaseline, STNCellClassifier
from stnclf._utils.neutral import neutral
from tests.conftest import QUICK, make_blobs


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def matmul_precision(value):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(value)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


SURROUNDINGS = {
    "bfloat16 products": lambda: matmul_precision("medium"),
    "no_grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "default device": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "errstate": lambda: np.errstate(all="raise"),
    "inference_mode": torch.inference_mode,
    "float16": lambda: default_dtype(torch.float16),
    "with device": lambda: torch.device("meta"),
}
#: Several at once, and the number of threads: each fit takes its time.
TOGETHER = [
    (2, ["no_grad", "float64", "default device", "errstate", "bfloat16 products"]),
    (1, ["inference_mode", "float16", "with device", "autocast", "errstate"]),
]
KINDS = {
    "stn": STNCellClassifier(**QUICK),
    "dense": STNCellClassifier(localizer="dense", classifier="inception", **QUICK),
    "context": STNCellClassifier(classifier="context", n_glimpses=2, **QUICK),
    "glimpses": STNCellClassifier(n_glimpses=2, cell_size=8, **QUICK),
    "whole": STNCellClassifier(patch_size=20, cell_size=20, **QUICK),
    "baseline": CiresanBaseline(epochs=1, random_state=0),
}


def results(estimator, X, y, centers, path):
    """Everything that the methods return, and weights, of a fit and after saving and loading."""
    found = []
    estimator.fit(X, y, centers=centers)
    stnclf.save(estimator, path)
    for one in (estimator, stnclf.load(path)):
        found += [one.predict_log_proba(X), one.predict_proba(X), one.transform(X)]
        found += [one.localize(X), one.attend(X), one.score(X, y)]
        found += [t.numpy() for t in one.net_.module_.state_dict().values()]
    return found


@pytest.fixture(scope="module", params=KINDS)
def usual(request, tmp_path_factory):
    data = make_blobs(17, 20, 26)  # more than a micro-batch
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    return KINDS[request.param], data, path, results(KINDS[request.param], *data, path)


@pytest.mark.parametrize(("n_threads", "names"), TOGETHER, ids=["two threads", "one thread"])
def test_surroundings_change_no_result(n_threads, names, usual):
    estimator, data, path, expected = usual
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(SURROUNDINGS[name]())
            found = results(estimator, *data, path)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", float) == getattr(other, "dtype", float)


def test_features_do_not_depend_on_errstate():
    pytest.importorskip("skimage", reason="the features need the extra [classical]")
    X = np.concatenate([make_blobs(6)[0], np.zeros((1, 24, 36, 3), np.uint8)])
    expected = CellFeatures().fit(X).transform(X)
    with np.errstate(all="raise"):
        found = CellFeatures().fit(X).transform(X)
    np.testing.assert_array_equal(found, expected)


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_device(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        np.geterr(),
        product().tolist(),
    )


def product():
    """Return 1 + 2**-12 where products are those of float32, 1 where they are of bfloat16."""
    with torch.device("cpu"):
        one = torch.full((64, 64), 1 + 2.0**-12, dtype=torch.float32)
        eye = torch.zeros(64, 64, dtype=torch.float32)
        eye[range(64), range(64)] = 1.0
    return (one @ eye)[0, 0]


@neutral()
def inside():
    assert state()[:3] == (True, False, False)
    assert torch.zeros(1).device.type == "cpu"
    assert torch.get_num_threads() == 1
    assert np.geterr()["under"] == "ignore"
    assert product() == 1 + 2.0**-12
    raise ValueError("stop")


@pytest.mark.usefixtures("two_threads")
def test_what_was_set_is_set_again_even_after_an_error():
    with ExitStack() as stack:
        for name, surroundings in SURROUNDINGS.items():
            if name != "inference_mode":  # it cannot be entered beside the others
                stack.enter_context(surroundings())
        before = state()
        with pytest.raises(ValueError, match="stop"):
            inside()
        assert state() == before


def test_it_is_a_decorator_too():
    @neutral()
    def function(number):
        """Words."""
        return number + torch.is_grad_enabled()

    with torch.no_grad():
        assert [function(1), function(number=2)] == [2, 3]
    assert function.__doc__ == "Words."


def test_threads_share_the_precision_of_products():
    inner, outer = neutral(), neutral()
    with matmul_precision("medium"):
        lower = product()
        outer.__enter__()
        with ThreadPoolExecutor(1) as pool:  # another thread comes later and leaves later
            pool.submit(inner.__enter__).result()
            outer.__exit__(None, None, None)
            assert product() == 1 + 2.0**-12
            pool.submit(inner.__exit__, None, None, None).result()
        assert product() == lower
        assert torch.get_float32_matmul_precision() == "medium"
