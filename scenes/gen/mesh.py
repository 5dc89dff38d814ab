"""Geometry made of numbers alone: a builder that collects pieces and the primitives they are made of.

Nothing here needs Blender, so measures, silhouettes and truth can be computed and tested without it.
Local frame of every model: metres, x right, y forward, z up, the road at z = 0.
"""
import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Mesh:
    vertices: np.ndarray
    faces: list[tuple[int, ...]]
    materials: list[str]
    """One name a face."""
    uv: dict[int, list[tuple[float, float]]]
    """Texture coordinates of the faces that have them."""


class Builder:
    """Collects pieces into one mesh."""

    def __init__(self):
        self._v, self._f, self._m, self._uv, self._n = [], [], [], {}, 0

    def add(self, vertices, faces, material, uv=None):
        """`material`: one name, or one for each face."""
        vertices = np.asarray(vertices, float).reshape(-1, 3)
        if uv:
            self._uv.update({len(self._f) + i: c for i, c in uv.items()})
        self._f += [tuple(int(i) + self._n for i in f) for f in faces]
        self._m += list(material) if isinstance(material, (list, tuple)) else [material] * len(faces)
        self._v.append(vertices)
        self._n += len(vertices)

    def mesh(self) -> Mesh:
        return Mesh(np.concatenate(self._v), self._f, self._m, self._uv)


def place(v, at=(0, 0, 0), turn=(0, 0, 0)):
    """Turns by the angles about x, then y, then z, and moves."""
    return np.asarray(v, float) @ rotation(*turn).T + np.array(at, float)


def rotation(rx=0.0, ry=0.0, rz=0.0):
    (a, b), (c, d), (e, f) = [(math.cos(t), math.sin(t)) for t in (rx, ry, rz)]
    x = np.array([[1, 0, 0], [0, a, -b], [0, b, a]])
    y = np.array([[c, 0, d], [0, 1, 0], [-d, 0, c]])
    z = np.array([[e, -f, 0], [f, e, 0], [0, 0, 1]])
    return z @ y @ x


def grid_faces(rows, columns, close_columns=False, base=0):
    """Quads over a grid of vertices written row by row."""
    last = columns if close_columns else columns - 1
    return [(base + i * columns + j, base + i * columns + (j + 1) % columns,
             base + (i + 1) * columns + (j + 1) % columns, base + (i + 1) * columns + j)
            for i in range(rows - 1) for j in range(last)]


def box(b, material, size, at, turn=(0, 0, 0), edge=0.02, k=2, shape=None):
    """A box with rounded edges of radius `edge`. `shape(v)` may bend the vertices, given with the box's middle at 0."""
    half = np.array(size, float) / 2
    edge = min(edge, *(half * 0.98))
    inner = half - edge
    angles = np.r_[np.linspace(-math.pi / 4, 0, k + 1), np.linspace(0, math.pi / 4, k + 1)]
    sign = np.r_[-np.ones(k + 1), np.ones(k + 1)]
    n = len(angles)
    s, t = np.meshgrid(np.tan(angles), np.tan(angles), indexing="ij")
    gs, gt = np.meshgrid(sign, sign, indexing="ij")
    for axis in range(3):
        u, w = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            d = np.zeros((n, n, 3))
            d[..., axis], d[..., u], d[..., w] = side, s, t
            d /= np.linalg.norm(d, axis=-1, keepdims=True)
            corner = np.zeros((n, n, 3))
            corner[..., axis], corner[..., u], corner[..., w] = side, gs, gt
            v = (corner * inner + d * edge).reshape(-1, 3)
            if shape:
                v = shape(v)
            faces = grid_faces(n, n)
            b.add(place(v, at, turn), faces if side > 0 else [f[::-1] for f in faces], material)


def taper(half_z, top=(1.0, 1.0), lean=0.0):
    """For `box(shape=...)`: the upper face scaled by `top` in x and y and moved forward by `lean`."""
    def bend(v):
        f = np.clip((v[:, 2] + half_z) / (2 * half_z), 0, 1)[:, None]
        k = 1 + (np.array(top) - 1) * f
        out = v.copy()
        out[:, :2] *= k
        out[:, 1] += lean * f[:, 0]
        return out
    return bend


def ball(b, material, radii, at, turn=(0, 0, 0), n=10, low=-1.0):
    """An ellipsoid; what lies below `low` (in unit radii) is left out."""
    el = np.linspace(math.asin(max(low, -1.0)), math.pi / 2, n)
    az = np.linspace(0, 2 * math.pi, 2 * n, endpoint=False)
    e, a = np.meshgrid(el, az, indexing="ij")
    v = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], -1).reshape(-1, 3) * np.array(radii)
    b.add(place(v, at, turn), grid_faces(n, 2 * n, True), material)


def rod(b, material, p, q, r1, r2=None, n=12, caps=True, round_ends=False):
    """A cylinder or cone from p to q; with round ends a capsule."""
    p, q = np.array(p, float), np.array(q, float)
    r2 = r1 if r2 is None else r2
    d = q - p
    length = np.linalg.norm(d)
    w = d / length
    u = np.cross(w, (0, 0, 1.0) if abs(w[2]) < 0.9 else (1.0, 0, 0))
    u /= np.linalg.norm(u)
    x = np.cross(w, u)
    ring = lambda c, r: c + r * (np.cos(t)[:, None] * u + np.sin(t)[:, None] * x)
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    rings = []
    if round_ends:
        arc = np.linspace(math.radians(80), 0, 4)
        rings += [ring(p - w * r1 * math.sin(a), r1 * math.cos(a)) for a in arc]
        rings += [ring(q + w * r2 * math.sin(a), r2 * math.cos(a)) for a in arc[::-1]]
    else:
        rings = [ring(p, r1), ring(q, r2)]
    faces = grid_faces(len(rings), n, True)
    if caps:
        faces += [tuple(range(n))[::-1], tuple(range(n * (len(rings) - 1), n * len(rings)))]
    b.add(np.concatenate(rings), faces, material)


def ring(b, material, radius, thick, at, arc=(0.0, 2 * math.pi), n=28, m=9, wide=1.0):
    """A torus about the x axis, or a piece of one: tyre, mudguard. Angles from +y towards +z."""
    t, u = np.linspace(*arc, n), np.linspace(0, 2 * math.pi, m, endpoint=False)
    a, c = np.meshgrid(t, u, indexing="ij")
    r = radius + thick * np.cos(c)
    v = np.stack([thick * wide * np.sin(c), r * np.cos(a), r * np.sin(a)], -1).reshape(-1, 3)
    b.add(v + np.array(at), grid_faces(n, m, True), material)


def quad(b, material, corners, uv=None):
    """One flat face; `uv` per corner."""
    b.add(corners, [tuple(range(len(corners)))], material, {0: uv} if uv else None)
