"""The report as text: complete, valid, self-contained, and closed to what labels may hold."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from PIL import Image

from stnclf.geometry import cell_theta, window_corners
from stnclf.report import write_report

NASTY = "</script><b>\"x' &amp;\u2028"


LABELS = np.array(["a", NASTY, "c"])


VOID = {"meta", "link", "input", "br", "img", "hr"}


SVG_EMPTY = {"line", "path", "circle", "rect", "polyline"}


def cells(n=40):
    """Images whose colour says which class they are, true centres, and two methods."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    X = np.full((n, 20, 30, 3), 40, np.uint8)
    X[np.arange(n), :, :, y] = 220
    centers = rng.uniform(8, 12, (n, 2))
    proba = rng.dirichlet([1, 1, 1], n)
    first = {"proba": proba, "theta": cell_theta(centers - (5, 2), (16, 20), (8, 10))}
    second = {"y_pred": LABELS[y], "centers": centers + (3, 4)}
    return X, LABELS[y], centers, {NASTY: first, "SVC": second}


def written(path, **changes):
    X, y, centers, predictions = cells()
    arguments = {"y_true": y, "X": X, "centers": centers, "predictions": predictions}
    arguments |= {"patch_size": (16, 20), "labels": LABELS} | changes
    write_report(path, **arguments)
    return path.read_text(encoding="utf-8")


class Checker(HTMLParser):
    """Elements are closed in order, identifiers are unique, references lead somewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.tags = [], [], [], []
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("for", "aria-labelledby", "aria-describedby"):
                self.references += value.split()
            elif name == "href" and value.startswith("#"):
                self.references.append(value[1:])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in SVG_EMPTY, tag
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"{tag} was not open"
        assert self.open.pop() == tag


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.references) <= set(checker.ids)
    return checker


def embedded(page):
    """Data as the scripts of the page read them."""
    (text,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page)
    return json.loads(text)


def picture(uri):
    kind, _, data = uri.partition(";base64,")
    assert kind in ("data:image/webp", "data:image/jpeg", "data:image/png")
    return Image.open(io.BytesIO(base64.b64decode(data)))


SLIDE = {
    "slide": np.full((60, 90, 3), 200, np.uint8),
    "detections": pd.DataFrame(
        {"x": [1.0, 80.0], "y": [2.0, 50.0], "label": [NASTY, "c"], "probability": [0.5, 0.9]}
    ),
    "fields": pd.DataFrame(
        {"x": [40.0], "y": [30.0], "width": [20.0], "height": [10.0], "count": [2]}
    ),
}


HISTORY = [{"stage": NASTY, "epoch": i, "train_loss": 1 / i} for i in (1, 2, 3)]


def test_the_page_is_valid_and_nothing_breaks_out(tmp_path):
    page = written(
        tmp_path / "r.html",
        title=NASTY,
        notes={NASTY: NASTY},
        histories={NASTY: HISTORY},
        slides={NASTY: SLIDE},
    )
    checker = checked(page)
    # Text and attributes were escaped: no element came out of a label.
    assert "b" in checker.tags  # the page's own
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>\"x'" not in page
    assert "\u2028" not in page.split('id="report-data">')[1].split("</script>")[0]
    assert checker.tags.count("h1") == 1
    shown = NASTY.replace("\u2028", "\\u2028")
    assert embedded(page)["patches"]["labels"] == [
        label.replace("\u2028", "\\u2028") for label in LABELS.tolist()
    ]
    assert embedded(page)["slides"][0]["labels"] == sorted([shown, "c"])
    ids = set(checker.ids)
    assert ids >= {"summary", "classes", "confusion", "probabilities", "localisation"}
    assert ids >= {"training", "patches", "slides"}


def test_control_characters_are_written_out_everywhere(tmp_path):
    name = "a\x1b\u202e\udc80\x00"
    page = written(
        tmp_path / "r.html",
        title=name,
        notes={name: name},
        histories={name: [{"stage": name, "epoch": 1, "train_loss": 1.0}]},
        slides={name: SLIDE},
    )
    # The page has lines, and no other control character, mark of direction or half a surrogate.
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page) is None
    shown = "a\\x1b\\u202e\\udc80\\x00"
    assert page.count(shown) >= 6
    assert embedded(page)["slides"][0]["name"] == shown


def test_the_training_curves_show_every_loss_that_there_is(tmp_path):
    history = [
        {"stage": "joint", "epoch": e, "valid_loss": 2 / e, "localization_loss": e} for e in (1, 2)
    ]
    page = written(tmp_path / "r.html", histories={"STN": history})
    assert page.count(">validation<") == 1
    assert "training, classes" not in page
    assert "training, position" in page


def test_the_page_forbids_network_and_other_scripts(tmp_path):
    page = written(tmp_path / "r.html")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    policy = policy.replace("&#x27;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for kind, tag in (("script", r"<script>"), ("style", r"<style>")):
        (text,) = re.findall(rf"{tag}(.*?)</{kind}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    # Neither style attributes nor handlers, which the policy would forbid, nor addresses.
    attributes = checked(page).attributes
    assert not [a for a in attributes if a[1] == "style" or a[1].startswith("on")]
    assert not [a for a in attributes if a[1] in ("src", "action", "srcset")]
    assert all(a[2].startswith(("#", "data:")) for a in attributes if a[1] == "href")


def test_the_gallery_gets_the_central_patches_and_points_in_them(tmp_path):
    _, y, centers, predictions = cells()
    patches = embedded(written(tmp_path / "r.html"))["patches"]
    assert (patches["size"], patches["tile"]) == ([16, 20], [16, 20])
    assert [LABELS[k] for k in patches["annotated"]] == y.tolist()
    first, second = patches["methods"]
    assert first["name"] == NASTY.replace("\u2028", "\\u2028")
    np.testing.assert_allclose(
        np.divide(first["proba"], 1000), predictions[NASTY]["proba"], atol=6e-4
    )
    assert first["predicted"] == predictions[NASTY]["proba"].argmax(axis=1).tolist()
    corners = window_corners(predictions[NASTY]["theta"], (16, 20))
    np.testing.assert_allclose(first["corners"], corners, atol=0.051)
    assert second["proba"] is None
    assert second["corners"] is None
    # Images of 30 x 20 px: the patch of 20 x 16 px starts at (5, 2).
    np.testing.assert_allclose(second["centers"], centers + (3, 4) - (5, 2), atol=0.051)
    np.testing.assert_allclose(patches["centers"], centers - (5, 2), atol=0.051)
    for number in (0, 7, 26):
        sheet = np.asarray(picture(patches["sheets"][number // 25]).convert("RGB"))
        row, column = divmod(number % 25, 5)
        middle = sheet[16 * row + 8, 20 * column + 10]
        assert middle.argmax() == patches["annotated"][number]
        assert abs(int(middle.max()) - 220) < 25


def test_more_samples_than_places_favour_those_that_are_wrong(tmp_path):
    _, y, _, predictions = cells()
    wrong = LABELS[predictions[NASTY]["proba"].argmax(axis=1)] != y
    page = written(tmp_path / "r.html", max_patches=10)
    patches = embedded(page)["patches"]
    shown = wrong[patches["number"]]
    assert len(shown) == 10
    assert shown.sum() == 5
    assert f"10 of the 40 cells of the evaluation: 5 of the {wrong.sum()}" in patches["note"]
    again = embedded(written(tmp_path / "r.html", max_patches=10))["patches"]
    assert again["number"] == patches["number"]
    other = embedded(written(tmp_path / "r.html", max_patches=10, random_state=1))["patches"]
    assert other["number"] != patches["number"]
