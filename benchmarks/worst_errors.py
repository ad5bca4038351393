"""A picture of the errors that a method is surest of.

    python benchmarks/accuracy.py --data ROOT --protocols bccd --methods stn --predictions DIR
    python benchmarks/worst_errors.py --data ROOT --predictions DIR --protocol bccd
        [--method stn] [--seed 0] [--n 32] --out FILE.png

Each patch has the chosen window in green, a blue ring at the annotated centre, and below it the
annotated class, the predicted one and its probability.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import protocols
from _accuracy_store import answers_name
from PIL import Image, ImageDraw

COLUMNS, TILE, LINE = 8, 188, 14


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="folder of accuracy.py")
    parser.add_argument("--protocol", required=True, choices=list(protocols.PROTOCOLS))
    parser.add_argument("--method", default="stn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=32, help="how many errors to show")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    cells, protocol = protocols.load(options.data, options.protocol)
    files = answers_name(options.protocol, options.method, options.seed)
    errors = find_errors(cells, sorted(options.predictions.glob(files)))
    kinds = Counter((true, said) for _, _, true, said, _ in errors)
    for (true, said), count in kinds.most_common():
        print(f"{count:4d} {true} called {said}")
    draw(cells, protocol, errors[: options.n]).save(options.out)


def find_errors(cells, paths):
    """List (probability, index, class, predicted class, centre), the surest first."""
    found = []
    for path in paths:
        with np.load(path) as answers:
            labels, index = answers["labels"], answers["index"]
            said, surest = labels[answers["predicted"]], answers["proba"].max(axis=1)
            centers = answers["centers"]
        for i in np.flatnonzero(said != cells.y[index]):
            true = str(cells.y[index[i]])
            found.append((float(surest[i]), int(index[i]), true, str(said[i]), centers[i]))
    return sorted(found, key=lambda error: (-error[0], error[1]))


def draw(cells, protocol, errors):
    """Lay the patches of some errors out in rows."""
    rows = -(-len(errors) // COLUMNS)
    size = (COLUMNS * (TILE + 4), max(1, rows) * (TILE + LINE + 4))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    first = (cells.X.shape[1] - protocol.patch_size) // 2
    zoom, half = TILE / protocol.patch_size, protocol.cell_size / 2
    for i, (surest, index, true, said, center) in enumerate(errors):
        corner = np.array([i % COLUMNS * (TILE + 4), i // COLUMNS * (TILE + LINE + 4)])
        seen = slice(first, first + protocol.patch_size)
        patch = Image.fromarray(cells.X[index, seen, seen])
        sheet.paste(patch.resize((TILE, TILE), Image.BICUBIC), tuple(corner.tolist()))
        low, high = (corner + (center + side - first) * zoom for side in (-half, half))
        low = np.maximum(low, corner)
        high = np.minimum(high, corner + TILE - 1)
        pen.rectangle([*low, *high], outline=(0, 200, 0), width=2)
        x, y = corner + (cells.centers[index] - first) * zoom
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], outline=(0, 0, 255), width=2)
        words = f"{true[:9]} > {said[:9]} {surest:.2f}"
        pen.text((corner[0], corner[1] + TILE + 1), words, fill="black")
    return sheet


if __name__ == "__main__":
    main()
