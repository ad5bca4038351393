"""NDPA: from nanometres on the glass to pixels of the slide."""

import numpy as np
import pytest

from stnclf.annotations import read_annotations
from tests.annotations.slides import write_ndpi

CENTER = (1_000_000, -500_000)


def nanometres(x, y, mpp=0.25, size=(320, 200)):
    """Place on the glass of a position along the edges of pixels."""
    return [
        round(middle + (value - side / 2) * 1000 * mpp)
        for value, middle, side in zip((x, y), CENTER, size)
    ]


def view(number, title, kind, body, attributes=""):
    return (
        f'<ndpviewstate id="{number}"><title>{title}</title><details/>'
        f"<coordformat>nanometers</coordformat><lens>20</lens><x>0</x><y>0</y><z>0</z>"
        f'<annotation type="{kind}" displayname="Annotate" color="#000000" {attributes}>'
        f"<measuretype>0</measuretype>{body}</annotation></ndpviewstate>"
    )


def point(x, y, names=("x", "y")):
    return "".join(f"<{n}>{v}</{n}>" for n, v in zip(names, nanometres(x, y)))


def outline(*points):
    return "<pointlist>" + "".join(f"<point>{point(*p)}</point>" for p in points) + "</pointlist>"


def write(folder, *views):
    path = folder / "s.ndpi.ndpa"
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><annotations>{"".join(views)}</annotations>'
    )
    return path


@pytest.fixture
def slide(tmp_path):
    pytest.importorskip("openslide", reason="knows where the slide lies on the glass")
    return write_ndpi(tmp_path / "s.ndpi", center=CENTER)


def test_annotations(slide, tmp_path):
    rectangle = [(10, 20), (14, 20), (14, 26), (10, 26)]
    path = write(
        tmp_path,
        view(1, "mitosis", "pin", point(300.5, 50.5)),
        view(2, "mitosis", "circle", point(100.5, 80.5) + "<radius>2500</radius>"),
        view(3, "", "freehand", "<closed>1</closed>" + outline((0, 0), (6, 0), (0, 12))),
        view(4, "tumor", "freehand", outline(*rectangle), 'specialtype="rectangle"'),
        view(5, "tumor", "freehand", "<closed>0</closed>" + outline((0, 0), (4, 8))),
    )
    table = read_annotations(path)
    expected = [[300, 50], [100, 80], [1.5, 3.5], [11.5, 22.5], [1.5, 3.5]]
    np.testing.assert_allclose(table[["x", "y"]], expected, atol=0.002)  # 1 nm is 0.004 px
    assert set(table.image) == {"s.ndpi"}
    assert table.type.tolist() == ["spot", "circle", "polygon", "area", "line"]
    assert table.label.fillna("-").tolist() == ["mitosis", "mitosis", "-", "tumor", "tumor"]
    assert table.width.fillna(-1).tolist() == pytest.approx([-1, 20, 6, 4, 4])
    # Pixels twice as wide lie half as far from the middle, which is at (159.5, 99.5).
    coarse = read_annotations(path, mpp=0.5)
    assert coarse.x[0] == pytest.approx(159.5 + (300 - 159.5) / 2, abs=0.002)
    assert coarse.y[0] == pytest.approx(99.5 + (50 - 99.5) / 2, abs=0.002)


def test_the_slide_may_lie_elsewhere_and_is_needed(slide, tmp_path):
    folder = tmp_path / "away"
    folder.mkdir()
    path = write(folder, view(1, "m", "pin", point(300.5, 50.5)))
    with pytest.raises(ValueError, match=r"s\.ndpi\.ndpa: counts from the middle of its slide"):
        read_annotations(path)
    for where in (slide, tmp_path):
        table = read_annotations(path, slides=where)
        np.testing.assert_allclose(table[["x", "y"]], [[300, 50]], atol=0.002)
        assert table.image.tolist() == ["s.ndpi"]
    with pytest.raises(FileNotFoundError, match=r"slides: .*none does not exist"):
        read_annotations(path, slides=tmp_path / "none")


def test_what_is_no_cell_is_counted(slide, tmp_path):
    path = write(
        tmp_path,
        view(1, "m", "pin", point(1, 2)),
        view(2, "m", "pointer", point(1, 2, ("x1", "y1"))),
        view(3, "m", "linearmeasure", ""),
        view(4, "m", "freehand", "<pointlist/>"),
    )
    with pytest.warns(UserWarning, match=r"3 object.*: 1 arrows, 1 rulers, 1 without a shape"):
        assert len(read_annotations(path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (view(9, "m", "star", ""), "annotation 9 is of type 'star', which is not read"),
        (view(9, "m", "pin", "<x>1</x>"), "annotation 9 has None for a coordinate"),
        (view(9, "m", "pin", "<x>1</x><y>one</y>"), "annotation 9 has 'one' for a coordinate"),
        (view(9, "m", "pin", "").replace("nanometers", "pixels"), "counts in 'pixels', wants"),
    ],
)
def test_broken_files_are_refused(text, message, slide, tmp_path):
    with pytest.raises(ValueError, match=rf"s\.ndpi\.ndpa: .*{message}"):
        read_annotations(write(tmp_path, text))
