"""MIDOG and COCO: corners and sizes told apart, votes, images, broken files."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.test_io import cells


def document(boxes, width=None, height=None, **more):
    image = {"id": 5, "file_name": "a.tiff"}
    if width:
        image |= {"width": width, "height": height}
    annotations = [
        {"id": i, "image_id": 5, "category_id": 2, "bbox": b} for i, b in enumerate(boxes)
    ]
    return {
        "images": [image],
        "categories": [{"id": 2, "name": "mitotic figure"}],
        "annotations": annotations,
        **more,
    }


def read(tmp_path, content, format="auto", **more):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return read_annotations(path, format, **more)


def test_midog_boxes_are_corners_and_coco_boxes_are_not(tmp_path):
    content = document([[10, 20, 60, 70]])
    table = read(tmp_path, content, "midog")
    assert table[["x", "y", "width", "height"]].to_numpy().tolist() == [[35, 45, 50, 50]]
    table = read(tmp_path, content, "coco")
    # From 10 to 70 along the edges of pixels: the middle of the first pixel is 10.5 there.
    assert table[["x", "y", "width", "height"]].to_numpy().tolist() == [[39.5, 54.5, 60, 70]]
    whole = read(tmp_path, document([[0, 0, 9, 5]]), "coco")
    assert whole[["x", "y"]].to_numpy().tolist() == [[4, 2]]  # the middle of 9 x 5 pixels


@pytest.mark.parametrize(
    ("boxes", "size", "format"),
    [
        # A box of width 9 that begins at 10 cannot end at 9.
        ([[10, 20, 9, 9], [3, 4, 50, 50]], None, "coco"),
        ([[10, 20, 60, 9]], None, "coco"),
        # As sizes, these would reach beyond the image.
        ([[10, 20, 60, 70], [30, 40, 90, 99]], (95, 105), "midog"),
        ([[10, 20, 60, 70], [30, 40, 90, 99]], (130, 105), "midog"),
        ([[10, 20, 60, 70], [-5, -5, 90, 99]], (65, 200), "midog"),
        # Equally large in one way only.
        ([[10, 20, 60, 70], [30, 40, 80, 90]], None, "midog"),
        ([[10, 20, 60, 70], [30, 40, 60, 70]], (500, 500), "coco"),
        ([[10.5, 20, 60.5, 70], [30.25, 40, 80.25, 90]], (500, 500), "midog"),
        ([[0.1, 20, 50.1, 70], [0.7, 40, 50.7, 90]], (500, 500), "midog"),
    ],
)
def test_boxes_tell_what_they_are(boxes, size, format, tmp_path):
    content = document(boxes, *(size or ()))
    told = read(tmp_path, content)
    pd.testing.assert_frame_equal(told, read(tmp_path, content, format))
    widths = [box[2] if format == "coco" else round(box[2] - box[0], 9) for box in boxes]
    assert told.width.tolist() == widths


@pytest.mark.parametrize(
    ("boxes", "size"),
    [
        ([[10, 20, 60, 70]], None),  # one box is as large as itself
        ([[10, 20, 60, 70], [30, 40, 70, 60]], (500, 500)),
        ([[60, 20, 10, 70], [30, 40, 70, 60]], (60, 60)),  # neither can be
    ],
)
def test_boxes_that_do_not_tell_need_a_word(boxes, size, tmp_path):
    content = document(boxes, *(size or ()))
    with pytest.raises(ValueError, match=r"boxes\.json: does not show .* pass format='midog' for"):
        read(tmp_path, content)
    content["info"] = {"bbox_format": "xywh"}
    pd.testing.assert_frame_equal(read(tmp_path, content), read(tmp_path, content, "coco"))


def test_a_single_box_that_was_written_is_read(tmp_path):
    path = write_annotations(cells()[:1], tmp_path / "a.json", "midog")
    assert read_annotations(path)[["x", "y"]].to_numpy().tolist() == [[10, 30]]


def test_votes_keys_and_images(tmp_path):
    content = document([[10, 20, 60, 70], [30, 40, 80, 90]], 7215, 5412)
    content["images"][0]["tumor_type"] = "canine lung cancer"
    content["categories"].append({"id": 1, "name": "hard negative"})
    content["annotations"][0] |= {"labels": [2, 1, 2], "score": 0.5, "segmentation": [[1, 2]]}
    content["annotations"][1] |= {"labels": [1, 9], "category_id": None}
    table = read(tmp_path, content)
    assert list(table.columns) == [
        *("image", "x", "y", "label", "width", "height", "votes"),
        *("image_width", "image_height", "tumor_type", "id", "score"),
    ]
    assert table.votes[0] == ("mitotic figure", "hard negative", "mitotic figure")
    assert table.votes[1] == ("hard negative", None)
    assert table.label.isna().tolist() == [False, True]
    assert set(table.tumor_type) == {"canine lung cancer"}
    assert set(table.image_width) == {7215}


def test_no_annotations_are_an_empty_table(tmp_path):
    table = read(tmp_path, document([]))
    assert list(table.columns) == ["image", "x", "y", "label"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": {}}, "'annotations' is no list"),
        ({"annotations": [3]}, "annotation 0 has no 'bbox' of four numbers"),
        ({"annotations": [{"bbox": [1, 2, 3]}]}, "annotation 0 has no 'bbox' of four numbers"),
        ({"images": [3]}, "'images' must be a list of entries with an id of their own and 'file_n"),
        ({"images": [{"id": 5}]}, "'images' must be a list of entries"),
        ({"images": [{"id": 5, "file_name": "a"}] * 2}, "'images' must be a list of entries"),
        ({"images": []}, "annotation 0 is on an image that 'images' lacks"),
        ({"categories": []}, "annotation 0 is of a class that 'categories' lacks: 2"),
        ({"categories": None}, "'categories' must be a list of entries"),
    ],
)
def test_broken_files_are_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, document([[10, 20, 60, 70]]) | change, "midog")


@pytest.mark.parametrize(
    "box",
    [
        [1, 2, 3, "4"],
        [1, 2, 3, None],
        [1, 2, 3, float("nan")],
        [1, 2, float("inf"), 4],
        [1, 2, 3, True],
    ],
)
def test_boxes_that_are_no_numbers_are_refused(box, tmp_path):
    with pytest.raises(ValueError, match="annotation 1 has a 'bbox' that is not four numbers"):
        read(tmp_path, document([[1, 2, 3, 4], box]), "coco")


def test_boxes_without_an_inside_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"box of -1\.0 x 50\.0 px as format='midog': \[10, 20, 9"):
        read(tmp_path, document([[10, 20, 9, 70]]), "midog")
    with pytest.raises(ValueError, match=r"box of -9\.0 x 70\.0 px as format='coco'"):
        read(tmp_path, document([[10, 20, -9, 70]]), "coco")


def test_the_real_file_has_the_counts_of_plain_json(shared_data):
    path = shared_data("annotations/MIDOG.json")
    content = json.loads(path.read_text())
    table = read_annotations(path)
    counts = {"mitotic figure": 1721, "not mitotic figure": 2714}
    assert table.label.value_counts().to_dict() == counts
    assert Counter(a["category_id"] for a in content["annotations"]) == {1: 1721, 2: 2714}
    assert table.image.nunique() == 150
    files = {image["id"]: image["file_name"] for image in content["images"]}
    for row, annotation in zip(table.itertuples(), content["annotations"]):
        x1, y1, x2, y2 = annotation["bbox"]
        assert row.image == files[annotation["image_id"]]
        assert (row.x, row.y) == ((x1 + x2) / 2, (y1 + y2) / 2)
        assert (row.width, row.height) == (50, 50)


def test_the_real_file_and_the_real_database_agree(shared_data):
    folder = shared_data("annotations")
    columns = ["image", "x", "y", "label", "id"]
    boxes, spots = (
        read_annotations(folder / "MIDOG.json"),
        read_annotations(folder / "MIDOG.sqlite"),
    )
    pd.testing.assert_frame_equal(boxes[columns], spots[columns], check_exact=True)


def test_midog_as_it_is_written(tmp_path):
    table = cells(
        image=["b.tif", "a.tif"],
        width=[4.0, np.nan],
        height=[6.0, np.nan],
        votes=[("m", "k"), ("n",)],
        image_width=[900, 800],
        score=[0.5, np.nan],
    )
    content = json.loads(
        write_annotations(table, tmp_path / "a.json", "midog", size=10).read_text()
    )
    assert content["images"] == [
        {"file_name": "b.tif", "id": 1, "width": 900},
        {"file_name": "a.tif", "id": 2, "width": 800},
    ]
    assert content["categories"] == [
        {"id": 1, "name": "k"},
        {"id": 2, "name": "m"},
        {"id": 3, "name": "n"},
    ]
    first = {"bbox": [8, 27, 12, 33], "category_id": 2, "image_id": 1, "labels": [2, 1], "id": 1}
    second = {"bbox": [15.5, -1, 25.5, 9], "category_id": 3, "image_id": 2, "labels": [3], "id": 2}
    assert content["annotations"] == [first | {"score": 0.5}, second]


def test_midog_needs_labels_and_one_size_an_image(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(
        ValueError, match=r"table\['label'\] must name a class in MIDOG JSON, row 1"
    ):
        write_annotations(cells(label=["m", None]), path, "midog")
    with pytest.raises(ValueError, match=r"says different things about image 'a\.svs'"):
        write_annotations(cells(image_width=[900, 800]), path, "midog")
    with pytest.raises(
        ValueError, match=r"table\['score'\] must not be infinite in MIDOG .* row 1"
    ):
        write_annotations(cells(score=[1.0, np.inf]), path, "midog")
    assert not path.exists()


@pytest.mark.parametrize(
    ("ids", "written"),
    [
        ([9, 0], [9, 0]),
        ([7, 7], [1, 2]),  # of two files
        ([7, None], [1, 2]),
        ([1.5, 2.5], [1, 2]),
        (["0b3c", "0b3d"], [1, 2]),  # of QuPath
        ([True, False], [1, 2]),
    ],
)
def test_midog_ids_are_whole_and_differ(ids, written, tmp_path):
    path = write_annotations(cells(id=ids), tmp_path / "a.json", "midog")
    annotations = json.loads(path.read_text())["annotations"]
    assert [annotation["id"] for annotation in annotations] == written
    assert all(type(annotation["id"]) is int for annotation in annotations)


def segments(*segmentations, **more):
    content = document([[0, 0, 0, 0]] * len(segmentations), 256, 200)
    for annotation, segmentation in zip(content["annotations"], segmentations):
        del annotation["bbox"]
        annotation |= {"segmentation": segmentation, **more}
    return content


@pytest.mark.parametrize("format", ["auto", "coco"])
def test_segmentations_without_boxes(format, tmp_path):
    table = read(
        tmp_path,
        segments(
            [[0, 0, 6, 0, 0, 12]],
            [[0, 0, 4, 0, 4, 4, 0, 4], [10, 1, 12, 1, 12, 3, 10, 3]],
            {"counts": [100, 20, 51080], "size": [200, 256]},
            {"counts": [405, 10, 190, 10, 50585], "size": [200, 256]},
            iscrowd=0,
        ),
        format,
    )
    # Polygons run along edges, masks count pixels: column 2, rows 5 to 14, and column 3, the same.
    expected = [[1.5, 3.5], [(16 * 2 + 4 * 11) / 20 - 0.5, 1.5], [0, 109.5], [2.5, 9.5]]
    assert table[["x", "y"]].to_numpy().tolist() == pytest.approx(np.array(expected))
    assert table[["width", "height"]].to_numpy().tolist() == [[6, 12], [12, 4], [1, 20], [2, 10]]
    assert set(table.label) == {"mitotic figure"}


def test_a_box_goes_before_a_segmentation(tmp_path):
    content = segments([[0, 0, 6, 0, 0, 12]])
    content["annotations"][0]["bbox"] = [100, 120, 30, 31]
    assert read(tmp_path, content, "coco")[["x", "y"]].to_numpy().tolist() == [[114.5, 135]]
    content["annotations"][0]["bbox"] = []
    assert read(tmp_path, content, "coco")[["x", "y"]].to_numpy().tolist() == [[1.5, 3.5]]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3]], "annotation 0 has a polygon that is no list of x, y"),
        ([3], "annotation 0 has a polygon"),
        ([[1, 2, 3, "4"]], "annotation 0 has a point that is not two numbers"),
        (
            {"counts": [51200], "size": [200, 256]},
            "annotation 0 has a segmentation without any pix",
        ),
        ({"counts": [3], "size": [200, 256]}, "annotation 0 has runs that do not fill a mask"),
    ],
)
def test_broken_segmentations_are_refused(segmentation, message, tmp_path):
    with pytest.raises(ValueError, match=rf"boxes\.json: {message}"):
        read(tmp_path, segments(segmentation))


def test_annotations_without_a_shape_are_left_out_and_counted(tmp_path):
    content = segments([], [[0, 0, 6, 0, 0, 12]], [], [[1, 2, 3]])
    content["annotations"][2]["bbox"] = None
    content["annotations"][3]["segmentation"] = [[1, 1, 7, 1, 1, 13]]
    with pytest.warns(UserWarning, match=r"2 objects left out, of 4: 2 without a shape"):
        table = read(tmp_path, content)
    assert table[["x", "y"]].to_numpy().tolist() == pytest.approx(
        np.array([[1.5, 3.5], [2.5, 4.5]])
    )
    # Messages count as the file does.
    content["annotations"][3]["category_id"] = 9
    with pytest.raises(ValueError, match="annotation 3 is of a class that 'categories' lacks: 9"):
        read(tmp_path, content)


def test_ids_may_be_text_in_one_place_and_numbers_in_another(tmp_path):
    content = document([[10, 20, 60, 70], [1, 2, 3, 4]])
    content["annotations"][0] |= {"image_id": "5", "category_id": "2"}
    content["annotations"][1] |= {"image_id": 5.0}
    table = read(tmp_path, content, "coco")
    assert table.image.tolist() == ["a.tiff"] * 2
    assert table.label.tolist() == ["mitotic figure"] * 2
    content["images"][0]["id"], content["categories"][0]["id"] = "5", "2"
    assert read(tmp_path, content, "coco").label.tolist() == ["mitotic figure"] * 2
    content["images"][0]["id"] = 1234567890123456789
    for annotation, number in zip(content["annotations"], ("1234567890123456789",) * 2):
        annotation["image_id"] = number
    assert read(tmp_path, content, "coco").image.tolist() == ["a.tiff"] * 2
    content["annotations"][0]["image_id"] = "05"
    with pytest.raises(ValueError, match="annotation 0 is on an image that 'images' lacks"):
        read(tmp_path, content, "coco")


def test_results_have_numbers_for_names(tmp_path):
    content = [
        {"image_id": 7, "category_id": 1, "bbox": [100, 120, 30, 31], "score": 0.5},
        {"image_id": 7, "category_id": 2, "bbox": [10, 20, 5, 5], "score": 0.25},
    ]
    with pytest.warns(UserWarning, match=r"boxes\.json: names images and classes by their numbers"):
        table = read(tmp_path, content)
    assert table[["x", "y"]].to_numpy().tolist() == [[114.5, 135], [12, 22]]
    assert table.image.tolist() == ["7", "7"]
    assert table.label.tolist() == ["1", "2"]
    assert table.probability.tolist() == [0.5, 0.25]
    with pytest.warns(UserWarning, match="names images"):
        assert set(read(tmp_path, content, image="a.png").image) == {"a.png"}
    content[1]["image_id"] = 8
    with pytest.raises(ValueError, match="several images, so that image= does not apply"):
        read(tmp_path, content, image="a.png")
    content[1] = {"image_id": 8}
    with pytest.raises(ValueError, match="result 1 has no 'category_id'"):
        read(tmp_path, content)


def test_groups_of_cells_are_doubted(tmp_path):
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 1}
    crowd["segmentation"] = {"counts": [3, 2, 5], "size": [5, 2]}
    document = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "m"}]}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**document, "annotations": [crowd]}))
    with pytest.warns(UserWarning, match=r"c\.json: 1 object with iscrowd=1, "):
        assert read_annotations(path).iscrowd.tolist() == [1]
    path.write_text(json.dumps({**document, "annotations": None}))
    with pytest.raises(ValueError, match="'annotations' is no list"):
        read_annotations(path)
