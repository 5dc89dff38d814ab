"""Judges the two models on real pictures that are never trained on: `python -m plates.evaluate [--shared FOLDER] [--ppocr]`.

Exact match means every character of the plate. "Sure" is what passes the reader's threshold of the manifest. Where the folder
with the pictures is missing, this says so and does nothing. `--ppocr` reads the same pictures with PP-OCR
(`pip install rapidocr-onnxruntime==1.4.4`, in an environment of its own if need be).
"""

import argparse
import csv
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from .boxes import box_iou
from .infer import Locator, Reader

ROOT = Path(__file__).resolve().parents[3]


def read_rows(path: Path) -> list[dict]:
    """A CSV file's rows."""
    with path.open() as f:
        return list(csv.DictReader(f))


def report(name: str, truth: list[str], answers: list[tuple[str, float]], sure_above: float) -> None:
    """Exact match, matches with at most one wrong character, unsure share, errors among the sure."""
    right = np.array([t == a for t, (a, _) in zip(truth, answers)])
    near = np.array([distance(t, a) <= 1 for t, (a, _) in zip(truth, answers)])
    sure = np.array([c >= sure_above for _, c in answers])
    wrong = (sure & ~right).sum()
    print(
        f"{name}: exact {right.sum()} of {len(right)} = {right.mean():.1%}; at most one wrong {near.mean():.1%}; "
        f"unsure {1 - sure.mean():.1%}; wrong among the {sure.sum()} sure: {wrong} = {wrong / max(1, sure.sum()):.1%}"
    )


def distance(a: str, b: str) -> int:
    """Edits between two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def gate(folder: Path, reader: Reader, locator: Locator) -> None:
    """Whole pictures of one motorcycle at a gate: locate, then read; and read the labelled box."""
    truth, boxed, chain, ious = [], [], [], []
    for row in read_rows(folder / "labels.csv"):
        picture = cv2.imread(str(folder / row["file"]))
        box = np.array([[float(row["x0"]), float(row["y0"])], [float(row["x1"]), float(row["y1"])]])
        truth.append(row["plate"])
        boxed.append(reader.read_box(picture, box))
        score, quad = locator.find(picture)
        ious.append(box_iou(box, quad) if score >= locator.threshold else 0.0)
        chain.append(reader.read_quad(picture, quad) if score >= locator.threshold else ("", 0.0))
    ious = np.array(ious)
    print(f"gate, locator: {np.sum(ious >= 0.5)} of {len(ious)} at IoU 0.5, median IoU {np.median(ious):.2f}")
    report("gate, reader on the labelled box", truth, boxed, reader.sure_above)
    report("gate, located and read", truth, chain, reader.sure_above)
    found, sure, count = 0, 0, 0
    for path in sorted((folder / "unlabelled").glob("*.jpg")):
        picture = cv2.imread(str(path))
        score, quad = locator.find(picture)
        count += 1
        if score >= locator.threshold:
            found += 1
            sure += reader.read_quad(picture, quad)[1] >= reader.sure_above
    if count:
        print(f"gate, unlabelled: located {found} of {count}, sure {sure / count:.1%}")


def street(folder: Path, reader: Reader, locator: Locator) -> None:
    """Crops around plates from street cameras, read as they are and through the locator."""
    truth, plain, many, chain = [], [], [], []
    for row in read_rows(folder / "labels.csv"):
        picture = cv2.imread(str(folder / row["file"]))
        truth.append(row["plate"])
        plain.append(reader.read_whole(picture, 1))
        many.append(reader.read_whole(picture, 8))
        score, quad = locator.find(picture)
        chain.append(reader.read_quad(picture, quad) if score >= locator.threshold else plain[-1])
    report("street, whole crop", truth, plain, reader.sure_above)
    report("street, whole crop, 8 shifted copies averaged", truth, many, reader.sure_above)
    report("street, located inside the crop", truth, chain, reader.sure_above)


def speed(reader: Reader, locator: Locator) -> None:
    """Median processor time of one call on one thread."""
    picture = np.random.default_rng(1).integers(0, 255, (192, 192, 3), np.uint8)
    plate = np.zeros((1, 1, 48, 96), np.float32)
    for name, call in (("reader", lambda: reader.run(plate)), ("locator with letterbox", lambda: locator.find(picture))):
        times = []
        for _ in range(200):
            begin = time.process_time()
            call()
            times.append(time.process_time() - begin)
        print(f"{name}: median {np.median(times) * 1e3:.2f} ms of processor time")


def drawn(shards: list[Path], reader: Reader) -> None:
    """Drawn plates that were not trained on, by day and by night."""
    z = [np.load(p) for p in shards]
    x, y = np.concatenate([s["x"] for s in z]), np.concatenate([s["y"] for s in z])
    night = np.concatenate([s["night"] for s in z]) if "night" in z[0] else np.zeros(len(x), bool)
    probabilities = np.concatenate([reader.run(x[i : i + 64, None].astype(np.float32) / 255) for i in range(0, len(x), 64)])
    right = (probabilities.argmax(-1) == y).all(1)
    sure = probabilities.max(-1).prod(-1) >= reader.sure_above
    for name, pick in (("day", ~night), ("night", night)):
        if pick.any():
            wrong = (sure & ~right & pick).sum()
            print(f"drawn, {name}: exact {right[pick].mean():.1%}; unsure {1 - sure[pick].mean():.1%}; wrong among the sure {wrong / max(1, (sure & pick).sum()):.2%}")


def ppocr(shared: Path) -> None:
    """PP-OCR on the same pictures: as it comes, and its recognition alone on the two halves of two-line plates."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR()
    for name in ("gate", "street"):
        folder = shared / f"data/plates_{name}"
        whole, halves, rows, took = 0, 0, read_rows(folder / "labels.csv"), 0.0
        for row in rows:
            picture = cv2.imread(str(folder / row["file"]))
            if name == "gate":
                x0, y0, x1, y1 = (int(float(row[k])) for k in ("x0", "y0", "x1", "y1"))
                picture = picture[y0:y1, x0:x1]
            large = cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
            began = time.process_time()
            found = engine(large)[0] or []
            took += time.process_time() - began
            found.sort(key=lambda line: min(p[1] for p in line[0]))
            whole += plain_text("".join(line[1] for line in found)) == row["plate"]
            h, w = large.shape[:2]
            parts = [large] if w > 2.6 * h else [large[: h // 2], large[h // 2 :]]
            texts = [(engine(p, use_det=False, use_cls=False)[0] or [["", 0]])[0][0] for p in parts]
            halves += plain_text("".join(texts)) == row["plate"]
        n = len(rows)
        print(f"{name}, PP-OCR: {1e3 * took / n:.0f} ms of processor a picture, detection and recognition")
        print(f"{name}, PP-OCR: exact {whole} of {n} = {whole / n:.1%} as it comes; {halves} = {halves / n:.1%} recognition on halves")


def plain_text(text: str) -> str:
    """Letters and digits only, upper case."""
    return "".join(c for c in text.upper().replace("Đ", "D") if c.isascii() and c.isalnum())


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--shared", type=Path, default=ROOT.parent / "shared"), p.add_argument("--ppocr", action="store_true")
    p.add_argument("--reader", type=Path), p.add_argument("--locator", type=Path), p.add_argument("--drawn", type=Path, nargs="*")
    a = p.parse_args()
    manifest = tomllib.loads((ROOT / "models/manifest.toml").read_text())
    entry = {m["name"]: m for m in manifest["model"]}
    plates = {k: entry[manifest["plates"][k]] for k in ("reader", "locator")}
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    reader = Reader(a.reader or ROOT / "models/plates/reader.onnx", plates["reader"]["head"], options)
    locator = Locator(a.locator or ROOT / "models/plates/locator.onnx", plates["locator"], options)
    speed(reader, locator)
    if a.drawn:
        drawn(a.drawn, reader)
    data = a.shared / "data"
    if not data.is_dir():
        print(f"skipped: no real pictures in {data}")
        return
    gate(data / "plates_gate", reader, locator)
    street(data / "plates_street", reader, locator)
    if a.ppocr:
        ppocr(a.shared)


if __name__ == "__main__":
    main()
