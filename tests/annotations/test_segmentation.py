"""Run lengths of COCO: means and boxes as of the mask that they stand for."""

import numpy as np
import pytest

from stnclf.annotations._segmentation import mask_box


def runs(mask):
    """Run lengths by a plain loop down the columns."""
    counts, last = [0], False
    for value in mask.T.ravel().tolist():
        if value != last:
            counts.append(0)
            last = value
        counts[-1] += 1
    return counts


def pack(counts):
    """Text of run lengths, digit by digit."""
    text = ""
    for i, count in enumerate(counts):
        value = count - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            digit, value = value & 31, value >> 5
            more = value != (-1 if digit & 16 else 0)
            text += chr(48 + digit + 32 * more)
    return text


@pytest.mark.parametrize("seed", range(30))
def test_masks(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 9, 2) + (0, 3)) < rng.choice([0.1, 0.5, 0.95])
    counts = runs(mask)
    for form in (counts, pack(counts)):
        found = mask_box({"counts": form, "size": list(mask.shape)}, "it")
        if not mask.any():
            assert found is None
            continue
        ys, xs = np.nonzero(mask)
        size = (np.ptp(xs) + 1, np.ptp(ys) + 1)
        assert found == pytest.approx((xs.mean(), ys.mean(), *size), rel=1e-12, abs=1e-12)


def test_packed_text_of_known_length():
    # Worked out by hand: 100, 20 and 65416 in digits of five bits, the last one first.
    assert pack([100, 20, 65416]) == "T3d0Xlo1"
    assert mask_box({"counts": "T3d0Xlo1", "size": [256, 256]}, "it") == (0, 109.5, 1, 20)


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ([3, 4], [2, 4], r"annotation 3 has runs that do not fill a mask of 2 x 4 px"),
        ([3, -1, 6], [2, 4], "has no mask of run lengths"),
        ([3, 1.5, 6], [2, 4], "has no mask of run lengths"),
        ([8], [8], "has no mask of run lengths"),
        (None, [2, 4], "has no mask of run lengths"),
        ("T3d0Xlo", [256, 256], "that is damaged"),
        ("T3\x05", [256, 256], "that is damaged"),
        ("o" * 99, [256, 256], "that is damaged"),
        ([10**30], [10**15, 10**15], "do not fill"),
    ],
)
def test_broken_masks_are_refused(counts, size, message):
    with pytest.raises(ValueError, match=message):
        mask_box({"counts": counts, "size": size}, "annotation 3")
