"""Scores of float32 and bfloat16 training side by side, over seeds.

    python benchmarks/precision.py --data ROOT [--protocols NAME ...] [--seeds 0 1 2]
        [--threads N] [--out FILE]

Trains the STN with short schedules on four folds of five of each data set, with both precisions
from the same seeds, and scores it on the fifth. What is stored already is not computed again.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import protocols
import torch
from _evaluate import build, commit, environment, folds, run_fold

from stnclf.report import evaluate

RESULTS = Path(__file__).resolve().parent / "results" / "precision.json"
SHORT = {"classifier_epochs": 30, "localizer_epochs": 20, "joint_epochs": 3}
EPOCHS = {
    "bccd": SHORT,
    "amibr": SHORT,
    "crchisto": {"classifier_epochs": 12, "localizer_epochs": 5, "joint_epochs": 1},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds the data sets' folders")
    parser.add_argument("--protocols", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    record = {"rows": []}
    if options.out.exists():
        record = json.loads(options.out.read_text(encoding="utf-8"))
    record |= {"commit": commit(), "environment": environment()}
    known = {(row["protocol"], row["precision"], row["seed"]) for row in record["rows"]}
    for name in options.protocols:
        cells, protocol = protocols.load(options.data, name)
        train, test = folds(cells.y, cells.groups, 5, 0)[0]
        for seed in options.seeds:
            for precision in ("float32", "bfloat16"):
                if (name, precision, seed) in known:
                    continue
                settings = {**EPOCHS[name], "precision": precision}
                sizes = protocol.patch_size, protocol.cell_size
                result = run_fold(
                    build("stn", *sizes, seed=seed, settings=settings), cells, train, test
                )
                score = evaluate(cells.y[test], result.y_pred)[protocol.headline]
                row = {"protocol": name, "score": protocol.headline, "precision": precision}
                row |= {"seed": seed, "value": round(score, 4)}
                row["fit_cpu_seconds"] = round(result.fit_cpu_seconds, 1)
                record["rows"].append(row)
                print(row, flush=True)
                draft = options.out.with_suffix(".tmp")
                draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
                os.replace(draft, options.out)


if __name__ == "__main__":
    main()
