"""Draws shards of reader inputs: `python -m plates.pool FOLDER SEED FIRST LAST`.

Shard `n` depends on the seed and `n` only. The first shards are easy, so that the network first learns what characters are.
"""

import os
import sys
from pathlib import Path

import cv2
import numpy as np

from .crops import draw_crops

PER_SHARD = 4096
SHOTS = 5


def draw_shard(seed: int, n: int):
    """One shard's arrays by name."""
    rng = np.random.default_rng([seed, n])
    crops = []
    while len(crops) < PER_SHARD:
        # From nearly clean to the street over the first twelve shards, and some easy ones always.
        hard = min(1.0, 0.15 + n / 12) if n < 12 else float(rng.choice([1.0, 0.5], p=[0.8, 0.2]))
        crops += draw_crops(rng, hard, SHOTS)
    x, y, lines, widths, night = zip(*crops[:PER_SHARD])
    return {
        "x": np.stack(x),
        "y": np.array(y, np.uint8),
        "lines": np.array(lines, np.uint8),
        "widths": np.array(widths, np.float32),
        "night": np.array(night, bool),
    }


def main() -> None:
    folder, seed, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    step = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(first, last, step):
        out = folder / f"{n:05d}.npz"
        if out.exists():
            continue
        part = folder / f".{n:05d}.{os.getpid()}.npz"
        np.savez(part, **draw_shard(seed, n))
        part.rename(out)
        print(n, flush=True)


if __name__ == "__main__":
    main()
