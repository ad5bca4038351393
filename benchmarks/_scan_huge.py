"""Memory of the scan of a huge slide, in processes of their own."""

import json
import resource
import subprocess
import sys
import time
import zlib

import numpy as np
import tifffile
import torch

from stnclf import load
from stnclf.scan import scan
from stnclf.slides import Slide

SIDE, TILE, MPP = 40_000, 256, 0.25
PIECE, N_LEVELS = 2048, 4
PIECES = (1, 4, 9)


def measure_huge(script, model, slide, work):
    """Scan slides with one piece of tissue, and with several; yield a row for each."""
    with Slide(slide) as opened:
        middle = [(side - PIECE) // 2 for side in opened.size]
        piece = opened.read_region(*middle, PIECE, PIECE)
    for n in PIECES:
        path = work / "huge.tif"
        write_mostly_empty(path, piece, n)
        command = [sys.executable, script, "--huge-slide", model, path]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        path.unlink()
        yield {
            "method": f"{n} pieces of tissue",
            "pieces": n,
            "tissue_mm2": n * (PIECE * MPP / 1000) ** 2,
            **json.loads(done.stdout),
        }


def write_mostly_empty(path, piece, n, side=SIDE):
    """Write a tiled pyramid of white, with one piece of tissue in n places, level by level."""
    places = [(PIECE * (2 * (i % 3) + 1), PIECE * (2 * (i // 3) + 1)) for i in range(n)]
    white = zlib.compress(np.full((TILE, TILE, 3), 255, np.uint8).tobytes())
    with tifffile.TiffWriter(path) as file:
        for level in range(N_LEVELS):
            tiles = {}
            for top, left in np.ndindex(*(length // TILE for length in piece.shape[:2])):
                pixels = piece[top * TILE : (top + 1) * TILE, left * TILE : (left + 1) * TILE]
                for x, y in places:
                    at = (y >> level) // TILE + top, (x >> level) // TILE + left
                    tiles[at] = zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)
            shape = (side >> level, side >> level, 3)
            grid = [-(-length // TILE) for length in shape[:2]]
            file.write(
                (tiles.get(at, white) for at in np.ndindex(*grid)),
                shape=shape,
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression=8,
                resolution=(1e4 / (MPP * 2**level),) * 2,
                resolutionunit="CENTIMETER",
                subfiletype=int(level > 0),
                metadata=None,
            )
            piece = piece.reshape(len(piece) // 2, 2, -1, 2, 3).mean(axis=(1, 3)).astype(np.uint8)


def scan_huge(model, path, **how):
    """Scan with two jobs; what it took, the process's peak of memory included."""
    torch.set_num_threads(1)
    model = load(model, device="cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    found = scan(model, path, n_jobs=2, **how)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with Slide(path) as slide:
        side = slide.size[0]
    return {
        "side": side,
        "seconds": round(seconds, 1),
        "cells": len(found),
        "mib_before": round(before),
        "peak_mib": round(peak),
    }
