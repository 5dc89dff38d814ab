"""Collects the locator's backgrounds: `python -m plates.backgrounds CLIP TRUTH OUT_FOLDER`.

Vehicles with their plates' corners come from a rendered clip of ours (`fixtures/junction` at commit e3f64f1), photographs from
scikit-image's package (the README has each one's licence). `fixtures/junction_day` is left alone: the engine is tested on it.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import skimage

PHOTOS = ["astronaut.png", "camera.png", "chelsea.png", "coffee.png", "brick.png", "grass.png", "gravel.png", "rocket.jpg"]
EVERY = 5  # frames


def photos() -> list[np.ndarray]:
    """The photographs, RGB."""
    folder = Path(skimage.__file__).parent / "data"
    return [cv2.imread(str(folder / name), cv2.IMREAD_COLOR)[..., ::-1].copy() for name in PHOTOS]


def vehicles(clip: Path, truth: dict, rng) -> tuple[list, list, list]:
    """Crops of vehicles whose plate is seen, the plate's corners in each, and empty road of the same clip."""
    frames = {f["i"]: f["objects"] for f in truth["frames"]}
    video = cv2.VideoCapture(str(clip))
    crops, corners, whole = [], [], []
    number = -1
    while True:
        ok, frame = video.read()
        number += 1
        if not ok:
            break
        if number % EVERY or number not in frames:
            continue
        frame = frame[..., ::-1]
        h, w = frame.shape[:2]
        if number % (EVERY * 8) == 0:
            whole.append(frame.copy())
        for o in frames[number]:
            if "plate" not in o or o.get("visible", 1) < 0.8:
                continue
            c = np.array(o["plate"]["corners"])
            if np.ptp(c[:, 0]) < 14:
                continue
            x0, y0, x1, y1 = o["box"]
            m = rng.uniform(0.02, 0.12, 4) * np.array([x1 - x0, y1 - y0] * 2)
            x0, y0, x1, y1 = (int(v) for v in (max(0, x0 - m[0]), max(0, y0 - m[1]), min(w, x1 + m[2]), min(h, y1 + m[3])))
            inside = (c > (x0 + 1, y0 + 1)).all() and (c < (x1 - 1, y1 - 1)).all()
            if inside and x1 - x0 > 30:
                crops.append(frame[y0:y1, x0:x1].copy()), corners.append(c - (x0, y0))
    return crops, corners, whole


def main() -> None:
    clip, truth, out = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
    crops, corners, whole = vehicles(clip, truth, np.random.default_rng(1))
    # The rendered street is no photograph, and its plates would be unlabelled there: only its upper third is used.
    pictures = photos() + [f[: f.shape[0] // 3] for f in whole]
    out.mkdir(parents=True, exist_ok=True)

    def objects(items):
        a = np.empty(len(items), object)
        a[:] = items
        return a

    np.savez(out / "backgrounds.npz", vehicles=objects(crops), corners=objects(corners), photos=objects(pictures))
    print(len(crops), "vehicles,", len(pictures), "pictures")


if __name__ == "__main__":
    main()
