"""Name of the image, and numbers of its slide: which source goes before which."""

from PIL import Image

from stnclf.annotations._context import Context


def test_the_name_of_an_image(tmp_path):
    path = tmp_path / "slide 7.geojson.gz"
    assert Context(path).image_name() == "slide 7"
    assert Context(path).image_name("stated.svs") == "stated.svs"
    assert Context(path, image="given.svs").image_name("stated.svs") == "given.svs"
    Image.new("RGB", (30, 20)).save(tmp_path / "slide 7.png")
    assert Context(path).image_name() == "slide 7.png"
    assert Context(path).facts("slide 7.png").size == (30, 20)
    assert Context(path).facts("other.png") is None
    slides = tmp_path / "slides"
    slides.mkdir()
    assert Context(path, slides=slides).image_name() == "slide 7"
    Image.new("RGB", (50, 40)).save(slides / "slide 7.jpg")
    assert Context(path, slides=slides).image_name() == "slide 7.jpg"
    assert Context(path, slides=slides).facts("slide 7").size == (50, 40)
