"""Size of an evaluation report with many patches, and how long a browser takes to open it.

    python benchmarks/report_size.py [--patches 5000] [--size 128] [--out report.html]

Patches are synthetic cells, each in its eight symmetries, which compress as other cells would; two
methods answered at random, and a synthetic slide is in the page too. The time to open is from the
start of the navigation until the first 48 patches are drawn, in headless Chromium, the best and
the median of some openings, and what of it the page's main thread computed; without Chromium, its
driver or selenium, only the size is printed.
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
    return [document.querySelectorAll("#gallery canvas[data-drawn]").length, performance.now()];
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
    X, y, centers = turned(*make_cells(-(-n // 8), patch_size=size, random_state=seed), n)
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


def turned(X, y, centers, n):
    """Give `n` images: these ones, turned and mirrored."""
    images, places, last = [], [], X.shape[1] - 1
    for k in range(8):
        images.append(np.rot90(X, k % 4, axes=(1, 2))[:, :, :: 1 if k < 4 else -1])
        x, y_ = centers.T
        for _ in range(k % 4):
            x, y_ = y_, last - x
        places.append(np.stack([x if k < 4 else last - x, y_], axis=1))
    return np.concatenate(images)[:n], np.tile(y, 8)[:n], np.concatenate(places)[:n]


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
    walls, threads = zip(*seconds)
    return {
        "best": round(min(walls), 2),
        "median": round(statistics.median(walls), 2),
        "main_thread": round(statistics.median(threads), 2),
    }


def open_once(browser, path):
    browser.get("about:blank")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.get(path.as_uri())
    while True:
        drawn, now = browser.execute_script(DRAWN)
        if drawn >= 48:
            break
        time.sleep(0.01)
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    browser.execute_cdp_cmd("Performance.disable", {})
    return now / 1000, next(m["value"] for m in metrics if m["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
