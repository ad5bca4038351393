"""The report in a browser: no errors, filters, keyboard, zoom, small screens, dark scheme."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stnclf.datasets import make_slide
from stnclf.geometry import cell_theta
from stnclf.report import write_report
from stnclf.slides import Slide
from tests.report.test_html import embedded

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
LABELS = np.array(["granulocyte", "</script><b>", "tumour"])
SVC = "features under a support vector machine, tuned by an inner search"
N = 120


def find(*names):
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Start one headless Chromium for all tests, with a folder of its own."""
    binary = find("chromium", "chromium-browser", "google-chrome", "chrome")
    driver = find("chromedriver")
    if binary is None or driver is None:
        pytest.skip("there is no Chromium with its driver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver, env={**os.environ, "NO_PROXY": "*"})
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write a report with two methods and a slide; give its address and what is in it."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3
    X = np.full((N, 24, 32, 3), 60, np.uint8)
    X[np.arange(N), :, :, y] = 200
    centers = rng.uniform(10, 14, (N, 2))
    proba = np.full((N, 3), 0.1)
    predicted = np.where(np.arange(N) % 5 == 0, (y + 1) % 3, y)
    proba[np.arange(N), predicted] = 0.8
    proba[:30] = proba[:30] / 2 + 1 / 6
    image, _, mpp = make_slide((300, 400), n_mitoses=4, random_state=0)
    cells = pd.DataFrame(
        {
            "x": [50.0, 300.0, 310.0],
            "y": [60.0, 200.0, 210.0],
            "label": [LABELS[1], LABELS[1], LABELS[2]],
            "probability": [0.6, 0.9, 0.7],
        }
    )
    field = {"x": [300.0], "y": [200.0], "width": [80.0], "height": [60.0], "count": [2]}
    field["per_mm2"] = [12.5]
    truth = {"x": [303.0, 100.0], "y": [200.0, 50.0], "label": [LABELS[1], LABELS[2]]}
    parts = {"slide": Slide(image, mpp=mpp), "truth": truth, "thresholds": {LABELS[2]: 0.5}}
    history = [{"stage": s, "epoch": e, "train_loss": 1 / e} for s in "ab" for e in (1, 2, 3)]
    path = tmp_path_factory.mktemp("report") / "a report.html"
    write_report(
        path,
        predictions={
            "STN": {"proba": proba, "theta": cell_theta(centers, (24, 32), (12, 16))},
            SVC: {"y_pred": LABELS[y], "centers": centers},
        },
        y_true=LABELS[y],
        X=X,
        centers=centers,
        labels=LABELS,
        names=[f"{'ab'[i % 2]}.svs (x {40 * i}, y {30 * i})" for i in range(N)],
        mpp=0.5,
        groups=[f"{'ab'[i % 2]}.svs" for i in range(N)],
        histories={"STN": history},
        slides={"one": {**parts, "detections": cells, "fields": field}},
    )
    return path.as_uri(), y, predicted


def size(browser, width, height, scheme="light"):
    """Set the size of the page and the colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture
def opened(browser, page):
    """Open the page anew; nothing may have been logged when the test is over."""
    size(browser, 1280, 900)
    browser.get(page[0])
    choose(browser, "filter-order", "as in the data")
    yield browser
    assert browser.get_log("browser") == []


def get(browser, name):
    return browser.find_element(By.ID, name)


def choose(browser, name, text):
    """Choose an option by what it says."""
    for option in get(browser, name).find_elements(By.TAG_NAME, "option"):
        if option.text == text:
            option.click()
            return
    raise AssertionError(f"{name} has no option {text!r}")


def type_in(browser, name, value):
    field = get(browser, name)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value))


def tiles(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#gallery button")


def names(browser):
    return [tile.get_attribute("aria-label") for tile in tiles(browser)]


def wait(browser, condition):
    # What was found may be drawn anew before it is asked.
    waiting = WebDriverWait(browser, 10, 0.05, [StaleElementReferenceException])
    return waiting.until(lambda _: condition())


def says(browser, name, start):
    """Wait until a text begins so; events reach the page a little later than they are sent."""
    wait(browser, lambda: get(browser, name).text.startswith(start))


def focused(browser, start):
    """Wait until what has the focus is labelled so; a dialog gives it back after it is closed."""

    def label():
        return browser.switch_to.active_element.get_attribute("aria-label") or ""

    wait(browser, lambda: label().startswith(start))
    return browser.switch_to.active_element


def view(browser):
    """Where the slide's viewer looks: x, y, zoom."""
    picture = get(browser, "slide-picture")
    return np.array([float(picture.get_attribute(f"data-{key}")) for key in ("x", "y", "zoom")])


def scroll_to(browser, name):
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", get(browser, name))


def test_it_loads_and_draws_patches(opened, page):
    _, y, predicted = page
    wrong = int((y != predicted).sum())
    assert get(opened, "gallery-count").text == f"{N} of {N} patches, {wrong} of them wrong."
    assert len(tiles(opened)) == 48
    # The third patch is of the third class: blue in these images.
    canvas = "document.querySelectorAll('#gallery canvas')[2]"
    wait(opened, lambda: opened.execute_script(f"return {canvas}.dataset.drawn") == "2")
    red, _, blue = opened.execute_script(
        f"return [...{canvas}.getContext('2d').getImageData(3, 3, 1, 1).data].slice(0, 3)"
    )
    assert blue > red + 60
    assert not opened.execute_script("return performance.getEntriesByType('resource').length")


def test_filters_change_what_is_shown(opened, page):
    _, y, predicted = page
    choose(opened, "filter-answer", "wrong")
    says(opened, "gallery-count", f"{(y != predicted).sum()} of {N}")
    assert all(name.endswith("wrong") for name in names(opened))
    choose(opened, "filter-true", LABELS[1])
    want = np.flatnonzero((y != predicted) & (y == 1))
    says(opened, "gallery-count", f"{len(want)} of {N}")
    assert [name.split(":")[0] for name in names(opened)] == [f"Cell {i}" for i in want]
    choose(opened, "filter-predicted", LABELS[0])
    wait(opened, lambda: tiles(opened) == [])
    get(opened, "filter-reset").click()
    wait(opened, lambda: len(tiles(opened)) == 48)
    type_in(opened, "filter-high", 70)
    says(opened, "gallery-count", f"30 of {N}")
    type_in(opened, "filter-low", 60)
    says(opened, "gallery-count", f"0 of {N}")
    choose(opened, "filter-method", SVC)  # has no probabilities, and is always right
    says(opened, "gallery-count", f"{N} of {N} patches, 0 of them wrong.")
    assert not get(opened, "filter-confidence").is_displayed()


def test_slides_filter_the_patches(opened):
    choose(opened, "filter-group", "b.svs")
    says(opened, "gallery-count", f"{N // 2} of {N}")
    assert names(opened)[0].startswith("Cell 1:")


def test_the_threshold_moves_a_point_on_both_curves(opened, page):
    _, y, _ = page
    slider = get(opened, "curve-threshold")
    scroll_to(opened, "curve-threshold")
    choose(opened, "curve-class", "tumour")
    curves = embedded(Path(page[0].removeprefix("file://").replace("%20", " ")).read_text())[
        "curves"
    ]
    (one,) = [one for one in curves["classes"] if one["label"] == "tumour"]
    slider.send_keys(Keys.HOME)
    says(opened, "curve-value", "0.00")
    assert get(opened, "curve-table").find_element(By.TAG_NAME, "caption").text.startswith("tumour")

    def row():
        cells = get(opened, "curve-table").find_elements(By.CSS_SELECTOR, "tbody td")
        return [cell.text for cell in cells]

    def dots():
        shown = opened.find_elements(By.CSS_SELECTOR, "#curve-roc .dot, #curve-precision .dot")
        return [(dot.get_attribute("cx"), dot.get_attribute("cy")) for dot in shown]

    everything = row()
    assert everything[:2] == ["1.000", "0.000"]
    assert everything[4:8] == ["40", "80", "0", "0"]
    first = dots()
    assert len(first) == 2
    slider.send_keys(Keys.END)
    wait(opened, lambda: dots() != first)
    slider.send_keys(Keys.HOME)
    slider.send_keys(*[Keys.ARROW_RIGHT] * 30)
    k = 30
    wait(opened, lambda: int(slider.get_property("value")) == k)
    found, false = (one["methods"][0][key][k] for key in ("found", "false"))
    says(opened, "curve-value", f"{one['thresholds'][k] / 1e5:.2f}")
    precision = found / (found + false)
    want = [found / 40, 1 - false / 80, precision, 2 * found / (40 + found + false)]
    assert row()[:4] == [f"{value:.3f}" for value in want]
    assert row()[4:8] == [str(n) for n in (found, false, 40 - found, 80 - false)]
    said = slider.get_attribute("aria-valuetext")
    assert f"sensitivity {want[0]:.3f}, specificity {want[1]:.3f}" in said
    # The point of the ROC curve, in the box of its axes.
    left, top, width, height = map(
        float, get(opened, "curve-roc").get_attribute("data-box").split()
    )
    x, y = map(float, dots()[0])
    assert (x - left) / width == pytest.approx(1 - want[1], abs=1e-6)
    assert 1 - (y - top) / height == pytest.approx(want[0], abs=1e-6)


def test_order_and_pages(opened):
    choose(opened, "filter-order", "most confident first")
    # The first thirty are 0.567 sure, the others 0.8.
    wait(opened, lambda: names(opened)[0].startswith("Cell 30:"))
    get(opened, "page-on").click()
    get(opened, "page-on").click()
    says(opened, "page-place", "page 3 of 3")
    assert len(tiles(opened)) == N - 96
    assert "57 %" in names(opened)[-1]
    assert not get(opened, "page-on").is_enabled()


def test_errors_come_first(opened, page):
    _, y, predicted = page
    opened.refresh()
    wrong = np.flatnonzero(y != predicted)
    # Of these the first thirty patches are the less certain ones.
    want = [*wrong[wrong >= 30], *wrong[wrong < 30], *np.flatnonzero(y == predicted)][:48]
    assert [name.split(":")[0] for name in names(opened)] == [f"Cell {i}" for i in want]
    choose(opened, "filter-method", SVC)  # without errors and probabilities
    wait(opened, lambda: names(opened)[0].startswith("Cell 0:"))


def test_the_large_picture_says_where_it_is_from_and_how_large(opened):
    opened.execute_script("arguments[0].click()", tiles(opened)[3])
    says(opened, "large-title", "Cell 3:")
    assert "b.svs (x 120, y 90)" in get(opened, "large-facts").text
    # Patches are 32 px = 16 um wide, a third of it is 5.3 um.
    assert get(opened, "large-scale").text == "5 \u00b5m"
    bar = get(opened, "large-scale").find_element(By.TAG_NAME, "i").rect["width"]
    assert bar == pytest.approx(get(opened, "large-picture").rect["width"] * 5 / 16, abs=1)
    size(opened, 400, 800)
    narrow = get(opened, "large-picture").rect["width"]
    assert narrow < 400
    bar = get(opened, "large-scale").find_element(By.TAG_NAME, "i")
    wait(opened, lambda: abs(bar.rect["width"] - narrow * 5 / 16) < 1)
    get(opened, "large-close").click()


def test_patches_by_keyboard(opened):
    first = tiles(opened)[0]
    opened.execute_script("arguments[0].focus()", first)
    first.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    active = focused(opened, "Cell 2:")
    assert active.value_of_css_property("outline-style") == "solid"
    active.send_keys(Keys.ENTER)
    says(opened, "large-title", "Cell 2: annotated tumour, predicted tumour")
    facts = get(opened, "large-facts").text
    assert "STN: tumour \u2713 right, 0.0 px" in facts
    assert f"{SVC}: tumour" in facts
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    opened.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    says(opened, "large-place", f"4 of {N}")
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(opened, lambda: get(opened, "large").get_attribute("open") is None)
    focused(opened, "Cell 3:")


def test_the_window_can_be_hidden_in_the_large_picture(opened):
    opened.execute_script("arguments[0].click()", tiles(opened)[0])
    bright = """
        const c = document.getElementById("large-picture");
        const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        copy.canvas.width = c.width;
        copy.canvas.height = c.height;
        copy.drawImage(c, 0, 0);
        const d = copy.getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4) n += d[i] > 240 && d[i + 1] > 240 && d[i + 2] > 240;
        return n;
    """
    wait(opened, lambda: opened.execute_script(bright) > 500)
    get(opened, "large-marks").click()
    wait(opened, lambda: opened.execute_script(bright) == 0)
    get(opened, "large-close").click()


def test_the_slide_zooms_and_moves(opened):
    scroll_to(opened, "slide-picture")
    picture = get(opened, "slide-picture")
    x, y, whole = view(opened)
    assert (x, y) == (200, 150)
    picture.send_keys("+", "+")
    wait(opened, lambda: view(opened)[2] == pytest.approx(whole * 1.96))
    picture.send_keys(Keys.ARROW_RIGHT)
    wait(opened, lambda: view(opened)[0] == pytest.approx(200 + 80 / (whole * 1.96)))
    picture.send_keys("0")
    wait(opened, lambda: view(opened).tolist() == [x, y, whole])
    ActionChains(opened).scroll_from_origin(
        webdriver.common.actions.wheel_input.ScrollOrigin.from_element(picture, 100, 50), 0, -150
    ).perform()
    wait(opened, lambda: view(opened)[2] == pytest.approx(whole * np.exp(0.5)))
    # What was under the pointer is there still.
    zoomed = view(opened)
    np.testing.assert_allclose(
        zoomed[:2] + np.array([100, 50]) / zoomed[2], (x + 100 / whole, y + 50 / whole), atol=1.5
    )
    ActionChains(opened).drag_and_drop_by_offset(picture, -60, 30).perform()
    wait(
        opened,
        lambda: np.allclose(view(opened)[:2] - zoomed[:2], np.array([60, -30]) / zoomed[2]),
    )
    get(opened, "slide-whole").click()
    wait(opened, lambda: view(opened)[2] == pytest.approx(whole))
    opened.find_element(By.CSS_SELECTOR, "#slide-list button").click()
    wait(opened, lambda: view(opened)[:2].tolist() == [300.5, 200.5] and view(opened)[2] > whole)


def test_two_fingers_zoom_the_slide(opened):
    scroll_to(opened, "slide-picture")
    whole = view(opened)[2]
    box = get(opened, "slide-picture").rect
    top = box["y"] - opened.execute_script("return window.scrollY")
    x, y = box["x"] + box["width"] / 2, top + box["height"] / 2

    def touch(kind, *apart):
        points = [{"x": x + d, "y": y, "id": i} for i, d in enumerate(apart)]
        event = {"type": kind, "touchPoints": points}
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", event)

    touch("touchStart", -40, 40)
    touch("touchMove", -60, 60)
    touch("touchMove", -80, 80)
    touch("touchEnd")
    wait(opened, lambda: view(opened)[2] == pytest.approx(2 * whole, rel=0.05))


def test_cells_of_the_slide_are_filtered(opened):
    scroll_to(opened, "slide-picture")
    # One of two annotated cells is found, the other is missed.
    assert get(opened, "slide-status").text == "3 cells shown. 1 missed. 1 hotspot."
    rows = get(opened, "slide-classes").find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == ["</script><b>", "tumour"]

    def numbers(row):
        return [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]

    # Found, annotated, right, false, missed, precision, recall, F1.
    assert numbers(rows[0]) == ["0 %", "2", "1", "1", "1", "0", "0.500", "1.000", "0.667"]
    assert numbers(rows[1]) == ["50 %", "1", "1", "0", "1", "1", "0.000", "0.000", "0.000"]
    slider = rows[0].find_element(By.CSS_SELECTOR, "input[type=range]")
    assert slider.get_attribute("aria-label") == "Threshold of </script><b>"
    slider.send_keys(*[Keys.PAGE_UP] * 6, *[Keys.ARROW_RIGHT] * 5)
    says(opened, "slide-status", "2 cells shown")
    assert numbers(rows[0]) == ["65 %", "1", "1", "1", "0", "0", "1.000", "1.000", "1.000"]
    assert slider.get_attribute("aria-valuetext").startswith("65 %: 1 found, 1 right, 0 missed")
    rows[1].find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    says(opened, "slide-status", "1 cell shown. 0 missed.")


def test_cells_of_no_known_class_are_neither(browser, tmp_path):
    """Of four detections one lies on a cell without a class, and counts in none of the scores."""
    found = {"x": [50, 150, 250, 350], "y": [50] * 4, "label": ["a"] * 4}
    found["probability"] = [0.9, 0.8, 0.7, 0.6]
    truth = {"x": [50, 150, 252], "y": [50] * 3, "label": ["a", None, "a"]}
    slide = Slide(np.full((100, 400, 3), 200, np.uint8), mpp=5.0)  # so that cells are dots
    parts = {"slide": slide, "detections": found}
    path = tmp_path / "r.html"
    write_report(path, slides={"one": {**parts, "truth": truth, "radius_px": 9}})
    size(browser, 1280, 900)
    browser.get(path.as_uri())
    words = "4 cells shown. 0 missed. 1 on annotated cells of no known class, counted neither way."
    assert get(browser, "slide-status").text == words
    row = get(browser, "slide-classes").find_element(By.CSS_SELECTOR, "tbody tr")
    cells = [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
    # Found, annotated, right, false, missed, precision, recall, F1, neither.
    assert cells == ["0 %", "3", "2", "2", "1", "0", "0.667", "1.000", "0.800", "1"]
    assert "no known class, counts neither way" in get(browser, "slide-key").text
    choose(browser, "cell-which", "neither")
    says(browser, "cell-place", "1 to 1 of 1")
    get(browser, "cell-list").find_element(By.TAG_NAME, "button").click()
    says(browser, "cell-title", "Cell 1: a, 80.0 %")
    assert "neither: on a cell of no known class" in get(browser, "cell-facts").text
    # Its dot is grey: neither the colour of its class nor the white of a false one.
    get(browser, "cell-close").click()
    x, y, zoom = view(browser)
    picture = get(browser, "slide-picture").rect
    row = browser.execute_script(
        "const picture = document.getElementById('slide-picture').getContext('2d');"
        "return [...picture.getImageData(0, arguments[0], arguments[1], 1).data]",
        round((50.5 - y) * zoom + picture["height"] / 2),
        round(picture["width"]),
    )
    row = np.array(row).reshape(-1, 4)[:, :3]
    dots = [round((at + 0.5 - x) * zoom + picture["width"] / 2) for at in (50, 150, 350)]
    shown = [np.ptp(row[dot]) for dot in dots]
    assert shown[0] > 50 > shown[1]
    assert shown[2] == 0
    # A report without such cells does not speak of them.
    write_report(
        path, slides={"one": {**parts, "truth": {**truth, "label": "aaa"}, "radius_px": 9}}
    )
    browser.refresh()
    assert "neither" not in get(browser, "slide-key").text
    assert get(browser, "cell-neither").get_property("hidden")
    assert browser.get_log("browser") == []


def test_cells_of_the_slide_open_with_their_position(opened):
    scroll_to(opened, "cell-list")
    choose(opened, "cell-which", "missed")
    says(opened, "cell-place", "1 to 1 of 1")
    choose(opened, "cell-which", "all, most probable first")
    says(opened, "cell-place", "1 to 4 of 4")
    buttons = get(opened, "cell-list").find_elements(By.TAG_NAME, "button")
    buttons[0].send_keys(Keys.ENTER)
    says(opened, "cell-title", "Cell 1: </script><b>, 90.0 %")
    facts = get(opened, "cell-facts").text
    assert "x 300.0, y 200.0 px of level 0" in facts
    assert "right" in facts
    # Pictures are 32 um wide.
    assert get(opened, "cell-scale").text == "10 \u00b5m"
    bar = get(opened, "cell-scale").find_element(By.TAG_NAME, "i").rect["width"]
    wide = get(opened, "cell-picture").rect["width"]
    assert bar == pytest.approx(wide * 10 / 32, abs=1)
    wait(opened, lambda: get(opened, "cell-picture").get_attribute("data-drawn") is not None)
    opened.switch_to.active_element.send_keys(*[Keys.ARROW_RIGHT] * 3)
    says(opened, "cell-title", "Cell 4: tumour, missed")
    get(opened, "cell-show").click()
    wait(opened, lambda: view(opened)[:2].tolist() == [100.5, 50.5])
    wait(opened, lambda: get(opened, "cell").get_attribute("open") is None)
    # A click on a cell of the slide opens it.
    get(opened, "slide-whole").click()
    x, y, zoom = view(opened)
    picture = get(opened, "slide-picture")
    ActionChains(opened).move_to_element_with_offset(
        picture, int((50.5 - x) * zoom), int((60.5 - y) * zoom)
    ).click().perform()
    says(opened, "cell-title", "Cell 3: </script><b>, 60.0 %")
    get(opened, "cell-close").click()


# Text and what it stands on, of everything that is seen and opaque.
COLOURS = """
    const numbers = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
    const clear = "rgba(0, 0, 0, 0)";
    const pairs = [];
    for (const e of document.querySelectorAll("h1, p, td, th, caption, a, button, .mark")) {
        if (!e.offsetParent || e.disabled) continue;
        let under = e;
        while (getComputedStyle(under).backgroundColor === clear) under = under.parentElement;
        const back = getComputedStyle(under).backgroundColor;
        const ink = getComputedStyle(e).color;
        if (!back.startsWith("rgba")) pairs.push([numbers(ink), numbers(back)]);
    }
    return { paper: numbers(getComputedStyle(document.body).backgroundColor), pairs };
"""


@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_width_and_scheme(opened, page, width, scheme):
    size(opened, width, 800, scheme)
    opened.get(page[0])
    root = opened.find_element(By.TAG_NAME, "html")
    assert int(root.get_property("scrollWidth")) <= int(root.get_property("clientWidth")) <= width
    found = opened.execute_script(COLOURS)
    assert (np.mean(found["paper"]) > 128) == (scheme == "light")
    assert len(found["pairs"]) > 50
    assert min(contrast(*pair) for pair in found["pairs"]) >= 4.5
    # Tables that are too wide scroll for themselves.
    for table in opened.find_elements(By.CSS_SELECTOR, ".scroll"):
        assert table.rect["width"] <= width


AXE = Path(__file__).parents[2] / ".browser/node_modules/axe-core/axe.min.js"
RUN_AXE = """
    const done = arguments[0];
    axe.run(document, { iframes: false, preload: false, resultTypes: ["violations"] }).then(
        (found) => done(found.violations.map((v) => [
            v.impact, v.id, v.nodes.map((n) => `${n.target}: ${n.failureSummary}`).join("; ")])),
        (error) => done([["critical", "error", String(error)]]),
    );
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, page, scheme):
    if not AXE.exists():
        pytest.skip("axe-core is not here; tools/install_browser.sh gets it with npm")
    size(opened, 1280, 900, scheme)
    opened.get(page[0])
    opened.set_script_timeout(240)
    opened.execute_script(AXE.read_text(encoding="utf-8"))
    buttons = "#gallery button", "#cell-list button"
    for button in (None, *buttons):
        if button:
            opened.execute_script(f"document.querySelector('{button}').click()")
        found = opened.execute_async_script(RUN_AXE)
        assert [one for one in found if one[0] in ("serious", "critical")] == []
        opened.execute_script("document.querySelectorAll('dialog').forEach((d) => d.close())")


def contrast(first, second):
    """Ratio of luminances as WCAG 2 defines it."""
    light = []
    for colour in (first, second):
        share = np.array(colour) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        light.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(light) + 0.05) / (min(light) + 0.05)
