"""``evaluate --domain``: what a table says of the slides, and the scores in each domain."""

from __future__ import annotations

import json
import re
import unicodedata

import numpy as np
import pytest
from sklearn.metrics import f1_score

import stnclf
from stnclf.cli.domains import domains_of
from stnclf.cli.patch_set import PatchSet, load_patches

PATCHES = PatchSet(np.zeros((4, 2, 2)), np.array(list("aabb")), groups=np.array(list("xyzx")))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_says_the_domain_of_a_slide(tmp_path):
    text = "\ufeffscanner,image,lab\nLeica,x,1\nRoche,z,2\nLeica,y,2\nHamamatsu,other,3\n"
    table = write(tmp_path / "slides.csv", text)
    assert domains_of(PATCHES, "scanner", table).tolist() == ["Leica", "Leica", "Roche", "Leica"]
    assert domains_of(PATCHES, "lab", table).tolist() == ["1", "2", "2", "1"]
    assert domains_of(PATCHES, "image").tolist() == list("xyzx")


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("lab", None, "domain: got 'lab', which is a column of a table of the slides: pass it"),
        (
            "lab",
            "image,scanner\nx,1\n",
            r"domain: .* has the columns .*scanner'\], and no",
        ),
        ("lab", "slide,lab\nx,1\n", "slide_table: .*and no 'image'"),
        ("lab", "image,lab\nx,1\ny,2\n", "slide_table: .* has no 'lab' of the slide 'z'"),
        ("lab", "image,lab\nx,1\ny,2\nz,\n", "slide_table: .* has no 'lab' of the slide 'z'"),
        ("lab", "image,lab\nx,1\nx,2\n", "the slide 'x' with '1' and '2'"),
        ("lab", "", "has the columns"),
    ],
)
def test_what_does_not_say_it_is_refused(column, text, words, tmp_path):
    table = None if text is None else write(tmp_path / "slides.csv", text)
    with pytest.raises(ValueError, match=words):
        domains_of(PATCHES, column, table)


def test_patches_without_slides_have_no_domains():
    with pytest.raises(ValueError, match="do not say their slides"):
        domains_of(PatchSet(PATCHES.X, PATCHES.y), "image")


def test_evaluate_prints_and_writes_them(road, tmp_path, invoke):
    table = write(tmp_path / "slides.csv", "image,scanner\na b.tif,Leica\nü.png,Roche\n")
    out, report = tmp_path / "s.json", tmp_path / "r.html"
    model = road / "model.safetensors"
    line = ("evaluate", road / "patches", "--model", model, "--domain", "scanner")
    line += ("--slide-table", table, "-o", out, "--report", report)
    code, text, lines = invoke(*line)
    assert code == 0, lines
    scores = json.loads(out.read_text())["results"]["model"]["domains"]
    assert list(scores) == ["Leica", "Roche"]
    found, clf = load_patches(road / "patches"), stnclf.load(model)
    here = found.groups == "ü.png"
    f1 = f1_score(found.y[here], clf.predict(found.X[here]), average="macro")
    assert scores["Roche"]["n"] == here.sum()
    assert scores["Roche"]["macro_f1"] == pytest.approx(f1)
    assert scores["Roche"]["n_groups"] == 1
    assert re.search(rf"Roche +1 +{here.sum()} ", text)
    assert list(json.loads(out.read_text())["results"]["model"]["groups"]) == ["a b.tif", "ü.png"]
    page = report.read_text("utf-8")
    assert "Scores by domain" in page
    assert "Scores by slide" in page
    assert "If the least certain go to a person" in page
    code, _, lines = invoke("evaluate", road / "patches", "--slide-table", table)
    assert (code, "--slide-table needs --domain" in lines[0]) == (2, True)
    code, _, lines = invoke("evaluate", road / "patches", "--domain", "lab")
    assert (code, "--domain: got 'lab'" in lines[0]) == (1, True)


def test_slides_are_named_in_either_form_of_unicode(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "\u00e4.tif") for form in ("NFC", "NFD"))
    patches = PatchSet(np.zeros((2, 2, 2)), np.array(["a", "b"]), groups=np.array([nfc, nfc]))
    table = write(tmp_path / "slides.csv", f"image,lab\n{nfd},1\n")
    assert domains_of(patches, "lab", table).tolist() == ["1", "1"]
