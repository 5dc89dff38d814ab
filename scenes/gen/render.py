"""Renders a clip: the empty scene once for each state of the signals, then in every frame only where something moved.

A frame is made of the frame before it. Where a moving actor was, the empty scene comes back; where it is now (with its
shadow), that rectangle of the whole scene is rendered and laid in through the outline of what can have changed, so
that the fine asphalt of the empty scene stays. Where a gone actor covered a standing one, that piece is rendered too.
Nothing is assumed about light between actors beyond shadows and the contact margin of `view.touched`.
"""
import json
import os
import time
from pathlib import Path

import bpy
import cv2
import numpy as np

from . import view
from .camera import Camera
from .stage import Stage
from .world import World, cache_folder

PAD = 5
"""Pixels around an outline: its blend, and the denoiser's edge."""

PLATE_SPP = 10
"""Samples of plates, which are drawn again on top."""
MIN_PLATE_PX = 15
"""Narrower plates cannot be read anyway."""


class Renderer:
    def __init__(self, world: World, camera: Camera, threads: int = 2):
        self.world, self.camera, self.cache = world, camera, cache_folder(world)
        self.width, self.height = camera.size
        self.stage = Stage(world, self.cache / "parts", camera.position_m[1])
        self.scratch = Path("/dev/shm" if Path("/dev/shm").is_dir() else self.cache) / f"stopline-{os.getpid()}.png"
        self._empty = {}
        self._camera()
        self._settings(threads)
        light = world.config["light"]
        self.sun_shift = light["sun_shift"] if light.get("sun_strength", 0) > 0 else None
        self.street_lamps = light.get("lamps", [])
        self.lamps_on = light["kind"] != "day"
        self.beam_m = light.get("beam_m", 7.0) if light.get("head_light_w") else 0.0

    def _camera(self):
        c = self.camera
        data = bpy.data.cameras.new("camera")
        o = bpy.data.objects.new("camera", data)
        bpy.context.scene.collection.objects.link(o)
        bpy.context.scene.camera = o
        o.location = c.position_m
        o.rotation_euler = (np.pi / 2 - np.radians(c.pitch_deg), 0, np.radians(c.yaw_deg))
        data.sensor_fit, data.angle = "HORIZONTAL", 2 * np.arctan(c.size[0] / 2 / c.focal_px)
        data.clip_end = 600
        r = bpy.context.scene.render
        r.resolution_x, r.resolution_y, r.resolution_percentage = *c.size, 100

    def _settings(self, threads):
        scene = bpy.context.scene
        r, c = scene.render, scene.cycles
        r.engine = "CYCLES"
        many_lights = self.world.config["light"]["kind"] != "day"
        c.device, c.use_adaptive_sampling, c.use_light_tree = "CPU", False, many_lights
        c.use_denoising, c.denoiser = True, "OPENIMAGEDENOISE"
        c.denoising_quality, c.denoising_prefilter = "FAST", "NONE"
        c.max_bounces, c.diffuse_bounces, c.glossy_bounces, c.transmission_bounces = 2, 1, 2, 0
        c.transparent_max_bounces, c.caustics_reflective, c.caustics_refractive = 2, False, False
        c.sample_clamp_indirect, c.blur_glossy = 3.0, 0.5
        r.use_persistent_data, r.threads_mode, r.threads = True, "FIXED", threads
        r.use_border, r.use_crop_to_border = True, True
        scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "Medium High Contrast"
        scene.view_settings.exposure = self.world.config["light"]["exposure"]
        r.image_settings.file_format, r.image_settings.compression = "PNG", 0
        r.filepath = str(self.scratch)

    def shoot(self, rect, spp, seed=0) -> np.ndarray:
        """Renders the rectangle (x0, y0, x1, y1) of the whole scene."""
        x0, y0, x1, y1 = rect
        scene = bpy.context.scene
        r = scene.render
        r.border_min_x, r.border_max_x = (x0 + 0.01) / self.width, (x1 + 0.01) / self.width
        r.border_min_y, r.border_max_y = 1 - (y1 - 0.01) / self.height, 1 - (y0 - 0.01) / self.height
        scene.cycles.samples, scene.cycles.seed = spp, seed
        bpy.ops.render.render(write_still=True)
        image = cv2.imread(str(self.scratch))
        if image is None or image.shape[:2] != (y1 - y0, x1 - x0):
            raise RuntimeError(f"rectangle {rect} came back as {None if image is None else image.shape}")
        return image

    def pose(self, t: float) -> dict[str, view.Sight]:
        """Moves all actors and lamps to t; returns those in sight, shadow included."""
        sights = {}
        for actor in self.world.actors:
            sight = view.look_at(self.camera, actor, t)
            if sight is not None:
                hull = view.touched(self.camera, sight, self.sun_shift, self.beam_m, self.street_lamps)
                box = (*hull.min(0), *hull.max(0))
                sight = sight if view.inside(box, self.camera.size) else None
            self.stage.move(actor, actor.state(t), sight is not None, self.lamps_on)
            if sight is not None:
                sight.hull = hull
                sights[actor.id] = sight
        for group in self.world.phases:
            self.stage.signal(group, self.world.phase(group, t))
        return sights

    def lamp_rects(self):
        for head in self.world.road.get("head", []):
            x, y, z = head["position"]
            c = self.camera.project([[x - 0.5, y, z + 0.8], [x + 0.5, y, z - 0.8]])
            yield head["group"], self.clip((*c.min(0), *c.max(0)))

    def clip(self, box):
        x0, y0, x1, y1 = box
        return (max(0, int(x0) - PAD), max(0, int(y0) - PAD), min(self.width, int(x1) + 1 + PAD),
                min(self.height, int(y1) + 1 + PAD))

    def background(self, phases: dict) -> np.ndarray:
        """The empty scene under these signal states. Kept in the cache."""
        spp = self.world.config["quality"]["background_spp"]
        tag = "-".join(f"{g}_{s}" for g, s in sorted(phases.items()))
        path = self.cache / "parts" / f"empty-{self.camera.name}-{self.width}-{tag}.png"
        if tag in self._empty:
            return self._empty[tag]
        if path.is_file():
            self._empty[tag] = cv2.imread(str(path))
            return self._empty[tag]
        self.stage.hide_all()
        for group, state in phases.items():
            self.stage.signal(group, state)
        base = getattr(self, "_any_background", None)
        if base is None:
            image = self.shoot((0, 0, self.width, self.height), spp)
        else:   # the lamps change only what is round them
            image = base.copy()
            for _, (x0, y0, x1, y1) in self.lamp_rects():
                image[y0:y1, x0:x1] = self.shoot((x0, y0, x1, y1), spp)
        self._any_background = self._empty[tag] = image
        cv2.imwrite(str(path), image)
        return image

    def soft(self, hull, rect) -> np.ndarray:
        """0..1 within the rectangle: 1 inside the outline, falling off over a few pixels outside."""
        x0, y0, x1, y1 = rect
        m = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillConvexPoly(m, np.round(hull - (x0, y0)).astype(np.int32), 255, cv2.LINE_AA)
        m = cv2.dilate(m, np.ones((7, 7), np.uint8))
        return cv2.GaussianBlur(m, (0, 0), 1.2).astype(np.float32) / 255

    def still(self, t: float, spp: int) -> np.ndarray:
        """One frame as a whole."""
        self.pose(t)
        return self.shoot((0, 0, self.width, self.height), spp)

    def frame(self, n: int, before, old: dict, old_phases: dict, spp: int):
        """Frame n from the frame before. Returns (image, sights, phases, pixels rendered)."""
        t = n / self.world.fps
        visible = {h["group"] for h in self.world.road.get("head", [])}
        phases = {g: self.world.phase(g, t) for g in self.world.phases if g in visible}
        empty = self.background(phases)
        new = self.pose(t)
        changed = {k for k, s in new.items() if before is None or k not in old or old[k].key() != s.key()}
        gone = {k for k, s in old.items() if k not in new or k in changed}
        image = empty.copy() if before is None else before.copy()
        jobs = []   # (rect, weight)
        stale = np.zeros((self.height, self.width), np.float32)
        for k in gone:
            rect = self.clip((*old[k].hull.min(0), *old[k].hull.max(0)))
            part = stale[rect[1]:rect[3], rect[0]:rect[2]]
            np.maximum(part, self.soft(old[k].hull, rect), out=part)
        if before is not None and gone:
            hit = stale > 0
            image[hit] = empty[hit]
        if phases != old_phases and before is not None:
            for _, rect in self.lamp_rects():
                image[rect[1]:rect[3], rect[0]:rect[2]] = empty[rect[1]:rect[3], rect[0]:rect[2]]
                stale[rect[1]:rect[3], rect[0]:rect[2]] = 1
        for k, s in new.items():
            rect = self.clip((*s.hull.min(0), *s.hull.max(0)))
            if rect[2] - rect[0] < 3 or rect[3] - rect[1] < 3:
                continue
            if k in changed:
                jobs += strips(rect, self.soft(s.hull, rect))
                continue
            part = stale[rect[1]:rect[3], rect[0]:rect[2]]
            cover = (part > 0) & (self.soft(s.hull, rect) > 0)
            if cover.any():   # somebody uncovered a standing one
                ys, xs = np.nonzero(cover)
                r = (max(rect[0], rect[0] + xs.min() - 4), max(rect[1], rect[1] + ys.min() - 4),
                     min(rect[2], rect[0] + xs.max() + 5), min(rect[3], rect[1] + ys.max() + 5))
                w = cover[r[1] - rect[1]:r[3] - rect[1], r[0] - rect[0]:r[2] - rect[0]].astype(np.float32)
                if r[2] - r[0] > 2 and r[3] - r[1] > 2:
                    jobs.append((r, w))
        pixels = 0
        for rect, parts in merge(jobs):
            x0, y0, x1, y1 = rect = self.clip(rect)   # with a margin for the denoiser
            tile = self.shoot(rect, spp, seed=n + 1)
            weight = np.zeros((y1 - y0, x1 - x0), np.float32)
            for (a, b, c, d), w in parts:
                np.maximum(weight[b - y0:d - y0, a - x0:c - x0], w, out=weight[b - y0:d - y0, a - x0:c - x0])
            area = image[y0:y1, x0:x1]
            area[:] = np.round(area + (tile.astype(np.float32) - area) * weight[..., None]).astype(np.uint8)
            pixels += weight.size
        for k in changed:
            pixels += self._plates(image, new[k], max(spp, PLATE_SPP), n)
        return image, new, phases, pixels

    def _plates(self, image, sight, spp, n) -> int:
        """Draws an actor's plates again with more samples, so that what a camera could read stays readable."""
        pixels = 0
        for corners in view.plates_seen(self.camera, sight).values():
            x0, y0, x1, y1 = rect = self.clip((*corners.min(0), *corners.max(0)))
            if x1 - x0 < MIN_PLATE_PX + 2 * PAD or y1 - y0 < 10 + PAD:
                continue
            weight = np.zeros((y1 - y0, x1 - x0), np.float32)
            weight[3:-3, 3:-3] = 1
            weight = cv2.GaussianBlur(weight, (0, 0), 1.0)[..., None]
            tile, area = self.shoot(rect, spp, seed=n + 7), image[y0:y1, x0:x1]
            area[:] = np.round(area + (tile.astype(np.float32) - area) * weight).astype(np.uint8)
            pixels += weight.size
        return pixels


def strips(rect, weight, height=96):
    """Cuts a slanting outline's rectangle into strips that hug it."""
    x0, y0, _, y1 = rect
    out = []
    for top in range(0, y1 - y0, height):
        w = weight[top:top + height]
        columns = np.nonzero(w.any(0))[0]
        if len(columns):
            a, b = columns[0], columns[-1] + 1
            out.append(((x0 + a, y0 + top, x0 + b, y0 + top + len(w)), w[:, a:b]))
    return out


def merge(jobs):
    """Joins rectangles where one render is cheaper than two: [(rect, [(rect, weight)])]."""
    groups = [[list(rect), [(rect, w)]] for rect, w in jobs]
    size = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    again = True
    while again:
        again = False
        for i in range(len(groups)):
            for j in range(i):
                a, b = groups[i][0], groups[j][0]
                u = [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]
                if size(u) <= size(a) + size(b) + 3000:
                    groups[j] = [u, groups[j][1] + groups[i][1]]
                    groups.pop(i)
                    again = True
                    break
            if again:
                break
    return [(tuple(r), parts) for r, parts in groups]


def render_clip(world: World, camera: Camera, spp: int, threads: int, first: int = 0, last: int | None = None):
    """Renders all missing frames; may be stopped and started at any time."""
    folder = cache_folder(world) / f"frames-{camera.name}"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "rendered-from.json"
    made = {"digest": world.digest(), "size": list(camera.size), "spp": spp}
    if stamp.is_file():
        found = json.loads(stamp.read_text())
        if found != made and not os.environ.get("STOPLINE_RENDER_KEEP"):
            raise SystemExit(f"{folder} holds frames of another state ({found}, now {made}): move it away, or set "
                             "STOPLINE_RENDER_KEEP=1 to go on with it")
    else:
        stamp.write_text(json.dumps(made))
    began = time.time()
    say = _quiet_blender()
    renderer = Renderer(world, camera, threads)
    say(f"built in {time.time() - began:.0f} s")
    last = world.frames if last is None else min(last, world.frames)
    path = lambda n: folder / f"{n:05d}.png"
    todo = [n for n in range(first, last) if not path(n).is_file()]
    costs = []
    before, old, old_phases, done = None, {}, {}, -2
    for i, n in enumerate(todo):
        start = time.time()
        if done != n - 1:
            if n > 0 and path(n - 1).is_file():
                before, old = cv2.imread(str(path(n - 1))), renderer.pose((n - 1) / world.fps)
                old_phases = {h["group"]: world.phase(h["group"], (n - 1) / world.fps) for h in world.road.get("head", [])}
            else:
                before, old, old_phases = None, {}, {}
        before, old, old_phases, pixels = renderer.frame(n, before, old, old_phases, spp)
        done = n
        part = path(n).with_suffix(".part.png")
        cv2.imwrite(str(part), before, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        part.rename(path(n))
        costs.append(time.time() - start)
        mean = float(np.mean(costs[-50:]))
        left = (len(todo) - i - 1) * mean
        say(f"{time.strftime('%H:%M:%S')} frame {n} of {last} {costs[-1]:.2f} s, {pixels / renderer.width / renderer.height:.1%} "
            f"drawn, mean {mean:.2f} s, about {left / 60:.0f} min left")


def _quiet_blender():
    """Blender reports every sample on the standard output; we keep that for ourselves. Returns a print of our own."""
    ours = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return lambda words: print(words, file=ours, flush=True)
