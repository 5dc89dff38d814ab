"""How many of the drawn road users the vehicle detector finds (NanoDet, COCO classes). Judges the drawing, not the engine:
plain per-frame detection without crops, tracks or votes.

A car counts as found by a car, truck or bus box; a motorcycle or bicycle with its rider by a motorcycle, bicycle or person
box, where a box that covers only the rider (upper part) counts as well.
"""
from collections import Counter, defaultdict

import cv2
import numpy as np

MEAN, STD = np.array([103.53, 116.28, 123.675], np.float32), np.array([57.375, 57.12, 58.395], np.float32)
COCO = {0: "pedestrian", 1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
FOUND_BY = {"car": {"car", "truck", "bus"}, "truck": {"car", "truck", "bus"}, "bus": {"car", "truck", "bus"},
            "motorcycle": {"motorcycle", "bicycle", "pedestrian"}, "bicycle": {"motorcycle", "bicycle", "pedestrian"},
            "pedestrian": {"pedestrian"}}


class Detector:
    def __init__(self, model: str, threads: int = 1):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        cells = []
        for stride in (8, 16, 32):
            ys, xs = np.mgrid[0:480 // stride, 0:640 // stride]
            cells.append(np.stack([xs.ravel() * stride, ys.ravel() * stride, np.full(xs.size, stride)], 1))
        self.cells = np.concatenate(cells).astype(np.float32)

    def __call__(self, image, least=0.35):
        """[(class, score, (left, top, right, bottom))] in pixels of the image."""
        h, w = image.shape[:2]
        k = min(640 / w, 480 / h)
        size = round(w * k), round(h * k)
        canvas = np.zeros((480, 640, 3), np.float32)
        canvas[:size[1], :size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
        out = self.session.run(None, {self.name: ((canvas - MEAN) / STD).transpose(2, 0, 1)[None]})[0][0]
        found = []
        for n, name in COCO.items():
            rows = np.flatnonzero(out[:, n] > least)
            if not len(rows):
                continue
            bins = out[rows, 80:].reshape(len(rows), 4, 11)
            e = np.exp(bins - bins.max(-1, keepdims=True))
            d = (e / e.sum(-1, keepdims=True) * np.arange(11)).sum(-1) * self.cells[rows, 2:]
            x, y = self.cells[rows, 0] + self.cells[rows, 2] / 2, self.cells[rows, 1] + self.cells[rows, 2] / 2
            boxes = np.stack([x - d[:, 0], y - d[:, 1], x + d[:, 2], y + d[:, 3]], 1) / k
            xywh = np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]
            for i in np.ravel(cv2.dnn.NMSBoxes(xywh.tolist(), out[rows, n].tolist(), least, 0.5)):
                found.append((name, float(out[rows[i], n]), tuple(float(v) for v in boxes[i])))
        return found


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return w * h / (area(a) + area(b) - w * h)


def covers(cls, truth, box) -> bool:
    if iou(truth, box) >= 0.4:
        return True
    if cls not in ("motorcycle", "bicycle"):
        return False
    t, h = truth, truth[3] - truth[1]
    return (iou((t[0], t[1], t[2], t[1] + 0.70 * h), box) >= 0.4
            or iou((t[0], t[1] + 0.40 * h, t[2], t[3]), box) >= 0.4)


def measure(truth: dict, video: str, model: str, every: int = 5, least_px: float = 30, visible: float = 0.5):
    """{class: Counter(found=, missed=)} and per vehicle, over the objects that can fairly be asked for."""
    capture = cv2.VideoCapture(video)
    k = None
    by_class, by_vehicle = defaultdict(Counter), defaultdict(Counter)
    classes = {v["id"]: v["cls"] for v in truth["vehicles"]}
    detector = Detector(model)
    for frame in truth["frames"]:
        ok, image = capture.read()
        if not ok:
            break
        if frame["i"] % every:
            continue
        k = image.shape[1] / truth["image"][0]
        found = detector(image)
        for o in frame["objects"]:
            box = [v * k for v in o["box"]]
            if (o["box"][3] - o["box"][1]) < least_px or o["visible"] < visible or o["inside"] < 0.6:
                continue
            cls = classes[o["id"]]
            hit = any(name in FOUND_BY[cls] and covers(cls, box, b) for name, _, b in found)
            for table in (by_class[cls], by_vehicle[o["id"]]):
                table["found" if hit else "missed"] += 1
    return by_class, by_vehicle
