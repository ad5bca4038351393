"""Lists of points in MATLAB's files, as CRCHistoPhenotypes has them."""

from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from stnclf.annotations import read_annotations


def test_lists_of_points_count_from_one(tmp_path):
    for number, label, points in (
        (10, "epithelial", [[3.5, 7.0]]),
        (2, "epithelial", np.array([[1, 255], [200, 3]], dtype=np.uint8)),
        (2, "others", np.zeros((0, 2), dtype=np.uint8)),
        (2, "inflammatory", np.array([[0.25, 300.5]])),
    ):
        folder = tmp_path / f"img{number}"
        folder.mkdir(exist_ok=True)
        savemat(folder / f"img{number}_{label}.mat", {"detection": points})
    table = read_annotations(tmp_path)
    # img2 comes before img10. Bytes less one do not wrap around, and 255 is not the last.
    assert table.image.tolist() == ["img2/img2.bmp"] * 3 + ["img10/img10.bmp"]
    assert table.label.tolist() == ["epithelial"] * 2 + ["inflammatory", "epithelial"]
    assert table[["x", "y"]].to_numpy().tolist() == [[0, 254], [199, 2], [-0.75, 299.5], [2.5, 6]]
    one = read_annotations(tmp_path / "img2")
    assert one.image.tolist() == ["img2.bmp"] * 3
    assert read_annotations(tmp_path / "img10/img10_epithelial.mat").image.tolist() == ["img10.bmp"]


def test_a_nucleus_of_two_lists_is_one_row(tmp_path):
    for folder, label, points in (
        ("Classification/img1", "others", [[11.0, 21.0]]),
        ("Detection/img1", "detection", [[11.0, 21.0], [12.0, 23.0], [15.0, 21.0], [99.0, 9.0]]),
        ("Detection/img2", "detection", [[5.0, 6.0]]),
    ):
        (tmp_path / folder).mkdir(parents=True)
        savemat(tmp_path / folder / f"{folder[-4:]}_{label}.mat", {"detection": points})
    table = read_annotations(tmp_path)
    # The second is a second click on the first.
    image = "Classification/img1/img1.bmp"
    assert table.image.tolist() == [image] * 3 + ["Detection/img2/img2.bmp"]
    assert table.x.tolist() == [10, 14, 98, 4]
    assert table.label.tolist()[0] == "others"
    assert table.label.isna().tolist() == [False, True, True, True]
    # A list of all nuclei by itself has no classes; one may be given.
    assert read_annotations(tmp_path / "Detection").label.isna().all()
    assert set(read_annotations(tmp_path / "Detection", label="nucleus").label) == {"nucleus"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("detection", [[1.0, 2.0, 3.0]], r"must be a list of \(x, y\), has shape \(1, 3\)"),
        ("points", [[1.0, 2.0]], "holds no matrix 'detection'"),
        ("detection", "text", "is no matrix of real numbers"),
        ("detection", [[1.0, np.nan]], "annotation 0 of 1 is at x=0.0, y=nan"),
    ],
)
def test_other_matrices_are_refused(name, content, message, tmp_path):
    savemat(tmp_path / "img1_m.mat", {name: content})
    with pytest.raises(ValueError, match=message):
        read_annotations(tmp_path)


def test_a_broken_list_is_refused_by_name(tmp_path):
    (tmp_path / "img1").mkdir()
    (tmp_path / "img1/img1_m.mat").write_bytes(b"MATLAB 5.0" + b" " * 500)
    with pytest.raises(ValueError, match=r"img1_m\.mat: is no MATLAB file"):
        read_annotations(tmp_path)


def test_the_real_nuclei(shared_data):
    folder = shared_data("crchisto")
    table = read_annotations(folder)
    counts = {"epithelial": 3533, "inflammatory": 2400, "fibroblast": 1691, "others": 1059}
    assert table.label.value_counts().to_dict() == counts
    assert table.image.nunique() == 50
    found = Counter()
    for file in folder.glob("*/*.mat"):
        points = loadmat(file)["detection"].astype(float).reshape(-1, 2)
        found[file.stem.split("_")[1]] += len(points)
        here = (table.image == f"{file.parent.name}/{file.parent.name}.bmp") & (
            table.label == file.stem.split("_")[1]
        )
        np.testing.assert_array_equal(table.loc[here, ["x", "y"]], points - 1)
    assert found == counts
    # Every image has 500 x 500 pixels, some of whose points lie on the very rim.
    assert table.x.between(-1, 499).all()
    assert table.y.between(-1, 499).all()
