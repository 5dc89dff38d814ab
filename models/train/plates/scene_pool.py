"""Draws shards of locator inputs: `python -m plates.scene_pool FOLDER BACKGROUNDS SEED FIRST LAST`."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np

from .scenes import Backgrounds, draw_scene

PER_SHARD = 512


def main() -> None:
    folder, grounds = Path(sys.argv[1]), Backgrounds(Path(sys.argv[2]))
    seed, first, last = (int(v) for v in sys.argv[3:6])
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(first, last):
        out = folder / f"{n:05d}.npz"
        if out.exists():
            continue
        rng = np.random.default_rng([seed, n])
        scenes = [draw_scene(rng, grounds) for _ in range(PER_SHARD)]
        part = folder / f".{n:05d}.{os.getpid()}.npz"
        np.savez(part, x=np.stack([s[0] for s in scenes]), corners=np.stack([s[1] for s in scenes]))
        part.rename(out)
        print(n, flush=True)


if __name__ == "__main__":
    main()
