"""What the detector should give, worked out a second time with numpy and the Python side of ONNX Runtime.

detect.py MANIFEST MODEL_NAME MODEL_FILE FRAMES.bgr24 WIDTH HEIGHT SOURCE_WIDTH SOURCE_HEIGHT

FRAMES holds pictures that fit the model's input; prints, per picture, a list of [class, score, left, top, right, bottom]
in pixels of the source.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime


def tensor(picture, spec):
    """Colour order, place, padding, normalisation."""
    width, height = spec["size"]
    canvas = np.full((height, width, 3), spec["pad"], np.float32)
    rows, columns, _ = picture.shape
    top, left = ((height - rows) // 2, (width - columns) // 2) if spec["place"] == "centre" else (0, 0)
    canvas[top : top + rows, left : left + columns] = picture if spec["colour"] == "bgr" else picture[..., ::-1]
    canvas = (canvas - np.array(spec["mean"], np.float32)) / np.array(spec["std"], np.float32)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None]), left, top


def grid(size, strides):
    """Cell number (x, y) and stride of every anchor."""
    levels = []
    for stride in strides:
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride]
        levels.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    return np.concatenate(levels).astype(np.float32)


def decode(rows, spec, head):
    """Scores per class and edges."""
    cells = grid(spec["size"], head["strides"])
    x, y, stride = cells.T
    if head["kind"] == "yolox":
        scores = rows[:, 4:5] * rows[:, 5:]
        cx, cy = (rows[:, 0] + x) * stride, (rows[:, 1] + y) * stride
        w, h = np.exp(rows[:, 2]) * stride, np.exp(rows[:, 3]) * stride
        return scores, np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    scores, logits = rows[:, : head["classes"]], rows[:, head["classes"] :].reshape(-1, 4, head["bins"])
    weights = np.exp(logits - logits.max(2, keepdims=True))
    distance = (weights * np.arange(head["bins"])).sum(2) / weights.sum(2) * stride[:, None]
    cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
    left, top, right, bottom = distance.T
    return scores, np.stack([cx - left, cy - top, cx + right, cy + bottom], 1)


def shared(a, b):
    """Area of the intersection."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0)


def area(a):
    """Area of a box."""
    return (a[2] - a[0]) * (a[3] - a[1])


def suppress(found, nms):
    """Greedy, strongest first."""
    kept = []
    for one in sorted(found, key=lambda d: -d[1]):
        group = next((g for g in nms.get("together", []) if one[0] in g), [one[0]])
        rivals = [k for k in kept if k[0] in group]
        if all(shared(one[2:], k[2:]) <= nms["iou"] * (area(one[2:]) + area(k[2:]) - shared(one[2:], k[2:])) for k in rivals):
            kept.append(one)
    return kept


def main():
    """Prints the detections."""
    manifest, name, model, frames = sys.argv[1:5]
    width, height, source_width, source_height = map(int, sys.argv[5:9])
    entry = next(m for m in tomllib.loads(Path(manifest).read_text())["model"] if m["name"] == name)
    if step := entry["input"].get("step"):
        # The smallest input that holds the picture.
        most = entry["input"]["size"]
        entry["input"]["size"] = [min(-(-side // step) * step, whole) for side, whole in zip((width, height), most)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    pictures = np.frombuffer(Path(frames).read_bytes(), np.uint8).reshape(-1, height, width, 3)
    result = []
    for picture in pictures:
        given, left, top = tensor(picture, entry["input"])
        scores, edges = decode(session.run(None, {"images": given})[0][0], entry["input"], entry["head"])
        edges = (edges - [left, top, left, top]).clip(0, [width, height, width, height])
        edges *= [source_width / width, source_height / height] * 2
        # Each anchor is the strongest of our classes.
        mapped = [(index, cls) for cls, indices in entry["classes"].items() for index in indices]
        ours = scores[:, [index for index, _ in mapped]]
        best = ours.argmax(1)
        found = []
        for anchor in np.flatnonzero(ours.max(1) >= entry["confidence"]):
            box = edges[anchor].tolist()
            if box[2] > box[0] and box[3] > box[1]:
                found.append([mapped[best[anchor]][1], float(ours[anchor, best[anchor]]), *box])
        result.append(suppress(found, entry["nms"]))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
