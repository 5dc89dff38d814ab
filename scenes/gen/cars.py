"""Passenger cars: a skin swept through stations (`bodies.toml`), with lamps, glass and trim laid onto it."""
import math
import tomllib
from pathlib import Path

import numpy as np

from .mesh import Builder, ball, box, grid_faces, rod

HERE = Path(__file__).parent
BODIES = tomllib.loads((HERE / "bodies.toml").read_text())
SIDE, WINDOW, ROOF = 9, 5, 7
"""Points of a half section: sill to belt, belt to roof edge, roof edge to the middle."""


def _smooth(x, xs, ys):
    """Monotone cubic interpolation (Fritsch and Carlson 1980): passes the stations, never overshoots."""
    h, d = np.diff(xs), np.diff(ys) / np.diff(xs)
    m = np.r_[d[0], [0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in zip(d, d[1:])], d[-1]]
    i = np.clip(np.searchsorted(xs, x, "right") - 1, 0, len(h) - 1)
    t = (x - xs[i]) / h[i]
    return (ys[i] * (1 + 2 * t) * (1 - t) ** 2 + m[i] * h[i] * t * (1 - t) ** 2
            + ys[i + 1] * t * t * (3 - 2 * t) + m[i + 1] * h[i] * t * t * (t - 1))


class Skin:
    """The swept surface; also answers where the skin is, so that things can be laid onto it."""

    def __init__(self, kind: str):
        self.data = BODIES[kind]
        table = np.array(self.data["stations"])
        y0, y1 = table[0, 0], table[-1, 0]
        marks = [v for r in self.data["side_glass"] + self.data["top_glass"] for v in r]
        self.y = np.unique(np.round(np.r_[np.linspace(y0, y1, 90), table[:, 0], marks], 3))
        self.params = np.stack([_smooth(self.y, table[:, 0], table[:, c]) for c in range(1, 6)], 1)
        self.half = np.array([self._section(*p) for p in self.params])

    @staticmethod
    def _section(hw, z0, zb, rw, zr):
        """Half section from the underside to the middle of the roof, N x 2 (x, z)."""
        t = np.linspace(0, 1, SIDE)
        zs = z0 + (zb - z0) * t
        bulge = np.interp(t, [0, 0.12, 0.30, 0.62, 0.72, 1.0], [0.90, 0.965, 1.0, 0.992, 0.985, 0.945])
        side = np.c_[hw * bulge, zs]
        top = zr - min(0.06, 0.5 * max(zr - zb, 0.01))
        u = np.linspace(0, 1, WINDOW + 1)[1:]
        x0 = side[-1, 0]
        window = np.c_[x0 + (rw - x0) * u ** 1.15, zb + (top - zb) * u]
        a = np.linspace(0, math.pi / 2, ROOF + 1)[1:]
        roof = np.c_[rw * np.cos(a) ** 0.55, top + (zr - top) * np.sin(a)]
        return np.r_[side, window, roof]

    def side_x(self, y, z):
        """Half width of the skin at (y, z)."""
        i = np.clip(np.searchsorted(self.y, y), 1, len(self.y) - 1)
        f = (y - self.y[i - 1]) / (self.y[i] - self.y[i - 1])
        s = self.half[i - 1] * (1 - f) + self.half[i] * f
        return float(np.interp(z, s[:, 1], s[:, 0]))

    def end_y(self, x, z, rear: bool):
        """Where a ray along y meets the tail or the nose at (x, z)."""
        before = None
        for i in range(len(self.y)) if rear else range(len(self.y) - 1, -1, -1):
            s = self.half[i]
            room = min(z - s[0, 1], s[-1, 1] - z, np.interp(z, s[:, 1], s[:, 0]) - abs(x))
            if room >= 0:
                if before is None or before[0] == room:
                    return float(self.y[i])
                f = room / (room - before[0])
                return float(self.y[i] + (before[1] - self.y[i]) * f)
            before = (room, self.y[i])
        return None

    def add_to(self, b: Builder):
        rows = len(self.y)
        full = np.concatenate([self.half, self.half[:, -2::-1] * [-1, 1]], 1)
        columns = full.shape[1]
        v = np.concatenate([full[..., :1], np.repeat(self.y[:, None, None], columns, 1), full[..., 1:]], -1)
        band = ["skirt"] * 1 + ["paint"] * (SIDE - 2) + ["window"] * WINDOW + ["roof"] * ROOF
        band = band + band[::-1]
        inside = lambda ranges, a, c: any(lo - 1e-6 <= a and c <= hi + 1e-6 for lo, hi in ranges)
        materials = []
        for i in range(rows - 1):
            a, c = self.y[i], self.y[i + 1]
            side, top = inside(self.data["side_glass"], a, c), inside(self.data["top_glass"], a, c)
            cabin = self.data["side_glass"][0][0] <= a and c <= self.data["side_glass"][-1][1]
            for name in band:
                if name == "window":
                    materials.append("glass" if side else "black" if cabin else "paint")
                elif name == "roof":
                    materials.append("glass" if top else "paint")
                else:
                    materials.append("black" if name == "skirt" else "paint")
        b.add(v.reshape(-1, 3), grid_faces(rows, columns), materials)
        for i, flip in ((0, False), (rows - 1, True)):
            face = tuple(range(columns))
            b.add(v[i], [face[::-1] if flip else face], "paint")
        under = np.array([[s * self.half[i, 0, 0], self.y[i], self.half[i, 0, 1]] for i in range(rows) for s in (1, -1)])
        b.add(under, grid_faces(rows, 2), "black")

    def patch(self, b, material, where, u, z, off=0.006, n=7, mirror=False):
        """A piece of skin in another material. `where`: rear or front with `u` = range of x; side with `u` = range of
        y. `z`: range of height."""
        for s in ((1, -1) if mirror else (1,)):
            v, ok = [], []
            for p in np.linspace(*u, n):
                for q in np.linspace(*z, n):
                    if where == "side":
                        v.append((s * (self.side_x(p, q) + off), p, q))
                        ok.append(True)
                    else:
                        y = self.end_y(p, q, where == "rear")
                        ok.append(y is not None)
                        v.append((s * p, (y or 0.0) + (-off if where == "rear" else off), q))
            faces = [f for f in grid_faces(n, n) if all(ok[i] for i in f)]
            b.add(v, faces, material)

    def arch(self, b, y, r):
        """The dark opening around a wheel."""
        for s in (1, -1):
            t = np.linspace(-0.35, math.pi + 0.35, 22)
            rim = [(s * (self.side_x(y + r * math.cos(a), max(r + r * math.sin(a) * 0.98, 0.24)) + 0.005),
                    y + r * math.cos(a), r + r * math.sin(a) * 0.98) for a in t]
            b.add(rim + [(s * (self.side_x(y, 0.4) + 0.004), y, 0.32)], [(i, i + 1, len(rim)) for i in range(len(rim) - 1)],
                  "black")


def car(kind: str, measures: dict, taxi: bool = False):
    """Returns the builder with the body and the places of its plates {side: (middle, tilt about x, kind)}."""
    b, skin = Builder(), Skin(kind)
    data, tall = skin.data, kind in ("suv", "van")
    skin.add_to(b)
    for y in measures["axles"]:
        skin.arch(b, y, measures["wheel_r"] * 1.17)
    x0, x1, z0, z1 = data["tail_lamp"]
    skin.patch(b, "tail", "rear", (x0, x1), (z0, z1), mirror=True)
    skin.patch(b, "tail", "side", (skin.y[0] + 0.05, skin.y[0] + 0.28), (z0, z1), mirror=True)
    skin.patch(b, "reverse", "rear", (x0 + 0.03, x1 - 0.05), (z0 + 0.02, z0 + 0.05), 0.010, mirror=True)
    rear_z, front_z = data["plate_z"]
    skin.patch(b, "dark", "rear", (-0.33, 0.33), (rear_z - 0.08, rear_z + 0.09), 0.004)
    skin.patch(b, "chrome", "rear", (-0.34, 0.34), (rear_z + 0.10, rear_z + 0.125), 0.012)
    skin.patch(b, "black", "rear", (-0.62, 0.62), (0.27, 0.40))
    skin.patch(b, "tail_dim", "rear", (0.52, 0.66), (0.42, 0.455), 0.008, mirror=True)
    skin.patch(b, "black", "rear", (-0.66, 0.66), (rear_z - 0.125, rear_z - 0.112), 0.004)
    half, g0, g1 = data["grille"]
    skin.patch(b, "black", "front", (-half, half), (g0, g1))
    skin.patch(b, "chrome", "front", (-0.09, 0.09), (g0 + 0.07, g0 + 0.11), 0.016)
    skin.patch(b, "black", "front", (-0.55, 0.55), (0.30, 0.41))
    x0, x1, z0, z1 = data["head_lamp"]
    skin.patch(b, "head", "front", (x0, x1), (z0, z1), 0.008, mirror=True)
    belt = lambda y: float(np.interp(y, skin.y, skin.params[:, 2]))
    doors = [r[1] + 0.02 for r in data["side_glass"]] + [data["side_glass"][0][0] + 0.25]
    for y in doors:
        skin.patch(b, "seam", "side", (y, y + 0.012), (0.36, belt(y) - 0.02), 0.003, 6, mirror=True)
    for y in doors[:-1]:
        skin.patch(b, "chrome" if tall else "paint", "side", (y - 0.24, y - 0.06), (belt(y) - 0.16, belt(y) - 0.13),
                   0.018, 3, mirror=True)
    axles, r = measures["axles"], measures["wheel_r"]
    skin.patch(b, "black", "side", (axles[0] + r * 1.35, axles[1] - r * 1.35), (0.26, 0.34), 0.005, mirror=True)
    y = data["side_glass"][-1][1] - 0.12
    hw = measures["width"] / 2
    for s in (1, -1):
        ball(b, "paint", (0.10, 0.06, 0.075), (s * (hw + 0.09), y, belt(y) + 0.08), n=7)
        box(b, "glass", (0.15, 0.012, 0.10), (s * (hw + 0.09), y - 0.06, belt(y) + 0.08), edge=0.004, k=1)
        rod(b, "black", (s * (hw - 0.10), y + 0.02, belt(y)), (s * (hw + 0.05), y + 0.01, belt(y) + 0.05), 0.024, n=8)
        if kind == "suv":
            rod(b, "chrome", (s * 0.66, -1.7, 1.78), (s * 0.66, 0.2, 1.81), 0.018, n=8)
    top = data["top_glass"][0]
    roof_y = top[1] + 0.10
    roof_z = float(np.interp(roof_y, skin.y, skin.params[:, 4]))
    box(b, "tail", (0.28, 0.05, 0.025), (0, roof_y - 0.04, roof_z - (0.0 if kind != "sedan" else 0.005)), edge=0.006, k=1)
    rod(b, "black", (0, roof_y + 0.18, roof_z + 0.02), (0, roof_y + 0.04, roof_z + 0.13), 0.012, 0.004, n=6)
    if taxi:
        z = float(skin.params[:, 4].max())
        box(b, "taxi_sign", (0.60, 0.20, 0.16), (0, -0.1, z + 0.09), edge=0.03)
    plates = {"rear": ((0, skin.end_y(0, rear_z, True) - 0.020, rear_z), -0.10, "long"),
              "front": ((0, skin.end_y(0, front_z, False) + 0.022, front_z), -0.05, "long")}
    return b, plates
