"""Which pixels of the picture belong to whom: exact silhouettes, nearer ones over farther ones, and the street's things
(poles, trees, houses) in front. Without Blender; `verify` compares it with rendered masks."""
import math

import cv2
import numpy as np

from . import street, view
from .camera import Camera
from .mesh import Builder, rotation
from .world import World


def static_depth(world: World, camera: Camera) -> np.ndarray:
    """Depth in metres of the nearest thing of the street at each pixel, infinite where only ground or sky is."""
    w, h = camera.size
    depth = np.full((h, w), np.inf, np.float32)
    faces = []

    def take(mesh, turn=0.0, at=(0, 0, 0), size=1.0):
        v = mesh.vertices * size @ rotation(0, 0, turn).T + np.array(at)
        d = camera.depth(v)
        px = camera.project(np.where((d > 1.5)[:, None], v, np.array([0, camera.position_m[1] + 30.0, 0])))
        near = d.min() > 1.5
        for f in mesh.faces:
            f = list(f)
            if near or d[f].min() > 1.5:
                q = px[f]
                if q[:, 0].max() > 0 and q[:, 0].min() < w and q[:, 1].max() > 0 and q[:, 1].min() < h:
                    faces.append((float(d[f].mean()), np.round(q * 16 - 8).astype(np.int32)))

    road = world.road
    b = Builder()
    for head in road.get("head", []):
        street.signal_head(b, head)
    for s in road.get("sign", []):
        street.sign(b, s)
    if road.get("head") or road.get("sign"):
        take(b.mesh())
    take(street.furniture(road).mesh())
    shapes = [street.tree(40 + i).mesh() for i in range(street.TREES)]
    for which, at, size, turn in street.tree_places(road):
        take(shapes[which], turn, (*at, 0.1), size)
    if "houses" in road:
        for k, x, y, turn in street.house_places(road["houses"], road["surface"]):
            take(street.house(k, street.HOUSE_W)[0].mesh(), turn, (x, y, 0.15))
    for d, q in sorted(faces, key=lambda f: -f[0]):
        cv2.fillConvexPoly(depth, q, d, cv2.LINE_8, 4)
    return depth


class Visibility:
    """Masks of the actors of a scene for one camera."""

    def __init__(self, world: World, camera: Camera):
        self.world, self.camera = world, camera
        self.static = static_depth(world, camera)
        self._kept = {}

    def sights(self, t: float) -> dict[str, view.Sight]:
        """Actors whose outline reaches into the picture."""
        out = {}
        for actor in self.world.actors:
            sight = view.look_at(self.camera, actor, t)
            if sight is not None and view.inside(sight.box, self.camera.size):
                out[actor.id] = sight
        return out

    def mask(self, sight):
        """((x0, y0, x1, y1), mask of the silhouette inside the picture, exact box not cut at the picture's edge)."""
        key = (sight.actor.id, sight.key())
        if key not in self._kept:
            v = sight.world(view.solid(sight.actor.look, sight.pose)[0])
            px = self.camera.project(v)
            box = (*px.min(0), *px.max(0))
            w, h = self.camera.size
            x0, y0 = max(0, math.floor(box[0]) - 1), max(0, math.floor(box[1]) - 1)
            x1, y1 = min(w, math.ceil(box[2]) + 2), min(h, math.ceil(box[3]) + 2)
            m = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.uint8)
            if m.size:
                px = np.round((px - (x0, y0)) * 16 - 8).astype(np.int32)
                for face in view.solid(sight.actor.look, sight.pose)[1]:
                    cv2.fillConvexPoly(m, px[face], 1, cv2.LINE_8, 4)
            self._kept = {k: x for k, x in self._kept.items() if k[0] != sight.actor.id}
            self._kept[key] = ((x0, y0, x1, y1), m, box)
        return self._kept[key]

    def frame(self, t: float):
        """{id: (sight, exact box, pixels of the silhouette in the picture, visible pixels)} and the id mask."""
        sights = self.sights(t)
        order = sorted(sights.values(), key=lambda s: -s.depth)
        ids = np.zeros(self.camera.size[::-1], np.int32)
        masks = {}
        for n, sight in enumerate(order, 1):
            (x0, y0, x1, y1), m, box = self.mask(sight)
            if not m.size:
                continue
            near = sight.depth - sight.actor.length / 2 - 0.2
            part = ids[y0:y1, x0:x1]
            part[(m > 0) & (self.static[y0:y1, x0:x1] > near)] = n
            masks[sight.actor.id] = (sight, box, int(m.sum()), n)
        counts = np.bincount(ids.ravel(), minlength=len(order) + 1)
        return {k: (s, box, total, int(counts[n])) for k, (s, box, total, n) in masks.items()}, ids
