"""The road's surface painted into pictures: asphalt, wear, cracks, markings. One look-up a pixel is all the renderer
then pays. Without Blender."""
import math

import cv2
import numpy as np

WHITE, YELLOW = (0.50, 0.505, 0.50), (0.05, 0.33, 0.50)
"""Paint, linear BGR."""


class Sheet:
    """A picture of the rectangle [x0, x1] x [y0, y1] of the road, linear BGR, first row at y1."""

    def __init__(self, x, y, px_per_m, seed):
        self.x0, self.x1, self.y0, self.y1, self.k = *x, *y, px_per_m
        self.w, self.h = int((self.x1 - self.x0) * self.k), int((self.y1 - self.y0) * self.k)
        self.rnd = np.random.default_rng(seed)
        broad = self.noise([(0.2, 1), (0.6, 0.9), (2, 0.6), (6, 0.5), (16, 0.4)])
        grain = cv2.GaussianBlur(self.rnd.normal(0, 1, (self.h, self.w)).astype(np.float32), (0, 0), 1.0)
        grey = 0.150 + 0.017 * broad + 0.018 * grain / grain.std()
        spots = self.noise([(0.8, 1), (3, 0.7)])
        grey *= 1 - 0.30 * np.clip(spots - 1.3, 0, 1)
        self.wear = self.noise([(1.5, 1), (5, 0.9), (14, 0.8), (26, 0.5)])
        self.grey, self.image = grey, None

    def noise(self, octaves):
        out = np.zeros((self.h, self.w), np.float32)
        for per_m, weight in octaves:
            n = max(4, int(per_m * (self.y1 - self.y0))), max(4, int(per_m * (self.x1 - self.x0)))
            out += weight * cv2.resize(self.rnd.normal(0, 1, n).astype(np.float32), (self.w, self.h),
                                       interpolation=cv2.INTER_CUBIC)
        return out / out.std()

    def px(self, points):
        p = np.asarray(points, float)
        return np.c_[(p[:, 0] - self.x0) * self.k, (self.y1 - p[:, 1]) * self.k]

    def mask(self, points):
        m = np.zeros((self.h, self.w), np.uint8)
        cv2.fillPoly(m, [np.round(self.px(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return m.astype(np.float32) / 255

    def track(self, x, y0, y1, depth, width=0.22):
        """A darker strip where wheels or dripping oil passed."""
        xs = np.arange(self.w) / self.k + self.x0
        ys = self.y1 - np.arange(self.h) / self.k
        along = np.clip(np.minimum(ys - y0, y1 - ys) / 3.0, 0, 1)[:, None]
        self.grey *= (1 - depth * np.exp(-((xs - x) / width) ** 2)[None] * along).astype(np.float32)

    def damage(self, cracks, patches):
        lines = np.zeros((self.h, self.w), np.uint8)
        for _ in range(cracks):
            p = np.array([self.rnd.uniform(0, self.w), self.rnd.uniform(0, self.h)])
            d = self.rnd.uniform(0, 2 * math.pi)
            walk = [p]
            for _ in range(int(self.rnd.integers(20, 80))):
                d += self.rnd.normal(0, 0.45)
                walk.append(walk[-1] + self.k * 0.08 * np.array([math.cos(d), math.sin(d)]))
            cv2.polylines(lines, [np.array(walk, np.int32)], False, int(self.rnd.uniform(50, 110)), max(1, self.k // 70),
                          cv2.LINE_AA)
        self.grey *= 1 - lines.astype(np.float32) / 255
        for _ in range(patches):
            x, y = self.rnd.uniform(self.x0, self.x1), self.rnd.uniform(self.y0, self.y1)
            w, l = self.rnd.uniform(0.6, 2.5), self.rnd.uniform(0.8, 5)
            self.grey *= 1 - 0.17 * self.mask([(x, y), (x + w, y), (x + w, y + l), (x, y + l)])

    def manhole(self, x, y):
        (u, v), = self.px([(x, y)])
        c = int(u), int(v)
        cv2.circle(self.grey, c, int(0.36 * self.k), 0.085, -1, cv2.LINE_AA)
        cv2.circle(self.grey, c, int(0.31 * self.k), 0.12, max(1, self.k // 40), cv2.LINE_AA)

    def begin_paint(self):
        self.image = np.repeat(self.grey[..., None], 3, 2) * np.array([1.02, 1.0, 0.985], np.float32)

    def paint(self, points, colour=WHITE):
        p = self.px(points)
        a = np.floor(p.min(0)).astype(int) - 2
        b = np.ceil(p.max(0)).astype(int) + 3
        a, b = np.maximum(a, 0), np.minimum(b, (self.w, self.h))
        if (b <= a).any():
            return
        m = np.zeros((b[1] - a[1], b[0] - a[0]), np.uint8)
        cv2.fillPoly(m, [np.round((p - a) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        wear = self.wear[a[1]:b[1], a[0]:b[0], None]
        cover = m[..., None] / 255.0 * np.clip(0.95 - 0.55 * np.clip(wear - 0.6, 0, 1.3), 0, 1)
        part = self.image[a[1]:b[1], a[0]:b[0]]
        part[:] = part * (1 - cover) + np.array(colour, np.float32) * (1 + 0.04 * wear) * cover

    def save(self, path):
        v = np.clip(self.image, 0, 1)
        srgb = np.where(v < 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)
        cv2.imwrite(str(path), (srgb * 255).round().astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _rect(x0, x1, y0, y1):
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _strip(p, q, off, width):
    """A strip along p-q, its middle `off` to the right."""
    p, q = np.array(p, float), np.array(q, float)
    d = (q - p) / np.linalg.norm(q - p)
    n = np.array([d[1], -d[0]])
    a, b = off - width / 2, off + width / 2
    return [p + n * a, q + n * a, q + n * b, p + n * b]


def marking_polygons(road: dict):
    """Everything painted, as (polygon in metres, colour)."""
    out = []
    for line in road.get("line", []):
        colour = YELLOW if line["colour"] == "yellow" else WHITE
        for p, q in zip(line["points"], line["points"][1:]):
            if line["style"] == "double":
                out += [(_strip(p, q, off, 0.12), colour) for off in (-0.13, 0.13)]
            elif line["style"] == "solid":
                out.append((_strip(p, q, 0.0, 0.14), colour))
            else:
                p, q = np.array(p, float), np.array(q, float)
                length = np.linalg.norm(q - p)
                d = (q - p) / length
                for s in np.arange(0, length, line.get("period", 6.0)):
                    e = min(s + line.get("dash", 2.0), length)
                    out.append((_strip(p + d * s, p + d * e, 0.0, 0.14), colour))
    for stop in road.get("stop_line", []):
        (x0, y), (x1, _) = stop["points"]
        out.append((_rect(x0, x1, y - stop["depth"], y), WHITE))
    for zebra in road.get("zebra", []):
        x = zebra["x"][0] + 0.2
        while x + 0.45 < zebra["x"][1]:
            out.append((_rect(x, x + 0.45, *zebra["y"]), WHITE))
            x += 0.95
    for arrow in road.get("arrow", []):
        for y in arrow["y"]:
            x = arrow["x"]
            out.append((_rect(x - 0.08, x + 0.08, y, y + 1.7), WHITE))
            out.append(([(x - 0.28, y + 1.7), (x + 0.28, y + 1.7), (x, y + 2.8)], WHITE))
            if arrow["kind"] == "ahead_right":
                out.append((_rect(x, x + 0.45, y + 0.75, y + 0.95), WHITE))
                out.append(([(x + 0.40, y + 0.45), (x + 0.40, y + 1.25), (x + 0.85, y + 0.85)], WHITE))
    return out


def paint_sheet(sheet: Sheet, road: dict):
    for lane in road.get("lane", []):
        if lane["x"][1] - lane["x"][0] < 4:
            middle = sum(lane["x"]) / 2
            span = (lane["y"][0] - 30, lane["y"][1] + 150)
            sheet.track(middle, *span, 0.10, 0.30)
            for off in (-0.75, 0.75):
                sheet.track(middle + off, *span, 0.06)
    area = (sheet.x1 - sheet.x0) * (sheet.y1 - sheet.y0)
    sheet.damage(int(area / 70), int(area / 220))
    for x, y in road["surface"].get("manholes", [(-4.6, 19.3), (1.9, 31.0), (3.0, 50.0), (-7.5, 34.0)] if "cross_y" in road["surface"] else []):
        if sheet.x0 < x < sheet.x1 and sheet.y0 < y < sheet.y1:
            sheet.manhole(x, y)
    sheet.begin_paint()
    for polygon, colour in marking_polygons(road):
        sheet.paint(polygon, colour)


def sheets(road: dict, camera_y: float = 0.0):
    """Fine near the camera, coarser far away. `[surface] sheets` of the road file may say otherwise; its y are counted
    from the camera."""
    near, far = road["surface"].get("sheets", [[[-17, 17], [8, 47], 110], [[-22, 22], [47, 150], 36]])
    out = []
    for i, (x, y, k) in enumerate((near, far)):
        sheet = Sheet(x, [v + camera_y for v in y], k, 11 + i)
        paint_sheet(sheet, road)
        out.append(sheet)
    return out
