"""Size of an evaluation report with many patches, and how long a browser takes to open it.

    python benchmarks/report_size.py [--patches 5000] [--size 128] [--out report.html]

Patches are synthetic cells, two methods answered at random, and a synthetic slide is in the page
too. The time is from the start of the navigation until the first patches are drawn, in headless
Chromium, the best and the median of some openings; without Chromium and its driver, or without
selenium, only the size is printed.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _evaluate import environment

from stnclf.datasets import make_cells, make_slide
from stnclf.geometry import cell_theta
from stnclf.report import write_report
from stnclf.slides import Slide

DRAWN = """
    const drawn = document.querySelectorAll("#gallery canvas[data-drawn]").length;
    const first = performance.getEntriesByType("navigation")[0];
    return [drawn, performance.now(), first.domContentLoadedEventEnd];
"""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=5000)
    parser.add_argument("--size", type=int, default=128, help="side of a patch in pixels")
    parser.add_argument("--openings", type=int, default=5, help="how often the page is opened")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to keep the page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.out or Path(folder) / "report.html"
        arguments = synthetic(options.patches, options.size, options.seed)
        start = time.perf_counter()
        write_report(path, **arguments)
        row = {
            "patches": options.patches,
            "patch_size": options.size,
            "megabytes": round(path.stat().st_size / 1e6, 2),
            "seconds_to_write": round(time.perf_counter() - start, 1),
            "seconds_to_open": open_times(path.resolve(), options.openings),
            "cpu": environment()["cpu"],
        }
    print(json.dumps(row, indent=2))


def synthetic(n, size, seed):
    """Draw cells, and make up what two methods say about them."""
    rng = np.random.default_rng(seed)
    X, y, centers = make_cells(n, patch_size=size, random_state=seed)
    labels = np.unique(y)
    predictions = {}
    for name, skill in (("STN", 3.0), ("CNN", 2.0)):
        score = rng.normal(0, 1, (n, len(labels)))
        score[np.arange(n), np.searchsorted(labels, y)] += skill
        proba = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        found = np.clip(centers + rng.normal(0, 4, centers.shape), 0, size - 1)
        theta = cell_theta(found, (size, size), (size // 2, size // 2))
        predictions[name] = {"proba": proba, "theta": theta}
    image, truth, mpp = make_slide((1500, 2000), random_state=seed)
    cells = pd.DataFrame({column: truth[column] for column in ("x", "y", "label")})
    slides = {"slide": {"slide": Slide(image, mpp=mpp), "detections": cells}}
    known = {"y_true": y, "X": X, "centers": centers, "patch_size": size}
    return {"predictions": predictions, "slides": slides, **known}


def open_times(path, n):
    """Open the page in headless Chromium; give seconds, or None where there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        return None
    if binary is None or driver is None:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS.split():
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            seconds = [open_once(browser, path) for _ in range(n)]
        finally:
            browser.quit()
    return {"best": round(min(seconds), 2), "median": round(statistics.median(seconds), 2)}


def open_once(browser, path):
    browser.get("about:blank")
    browser.get(path.as_uri())
    while True:
        drawn, now, _ = browser.execute_script(DRAWN)
        if drawn >= 48:
            return now / 1000
        time.sleep(0.01)


if __name__ == "__main__":
    main()
