"""Writes what truly happens in a clip as JSON (`scenes/truth.schema.json`). Without Blender."""
import json
from pathlib import Path

import cv2
import numpy as np

from . import rules, street, view
from .camera import Camera
from .visibility import Visibility
from .world import SCENES, World

FORMAT = "stopline-truth/1"


def head_box(camera: Camera, head: dict):
    """Left, top, right, bottom of a signal head's housing."""
    x, y, z = head["position"]
    w, _, h = street.HOUSING
    p = camera.project([[x - w / 2, y - 0.11, z - h / 2], [x + w / 2, y - 0.11, z + h / 2]])
    return [round(float(v), 1) for v in (*p.min(0), *p.max(0))]


def vehicle_row(actor) -> dict:
    row = {"id": actor.id, "cls": actor.cls, "model": actor.model, "length_m": actor.length, "width_m": actor.width,
           "colours": actor.colours}
    if actor.look.taxi:
        row["taxi"] = True
    if actor.plate:
        row |= {"plate": actor.plate, "plate_kind": actor.plate_kind}
    if actor.cls in ("motorcycle", "bicycle"):
        row |= {"riders": len(actor.look.covers), "helmets": [c.startswith("helmet") for c in actor.look.covers]}
    return row


def object_row(camera, sight, box, total, shown, edge) -> dict:
    w, h = camera.size
    cut = [max(0.0, box[0]), max(0.0, box[1]), min(float(w), box[2]), min(float(h), box[3])]
    area = lambda b: max(b[2] - b[0], 0) * max(b[3] - b[1], 0)
    s = sight.state
    row = {"id": sight.actor.id, "x": round(s.x, 3), "y": round(s.y, 3), "heading_deg": round(float(np.degrees(s.heading)), 2),
           "speed_kmh": round(s.speed * 3.6, 2), "box": [round(float(v), 1) for v in cut],
           "inside": round(area(cut) / max(area(box), 1e-6), 3), "visible": round(shown / max(total, 1), 3)}
    plates = {}
    for side, corners in view.plates_seen(camera, sight).items():
        if (corners.min() >= 0) and corners[:, 0].max() < w and corners[:, 1].max() < h:
            plates[side] = corners
    if plates:
        side, corners = next(iter(plates.items()))
        shown_px = edge(sight, corners)
        row["plate"] = {"side": side, "corners": [[round(float(v), 1) for v in c] for c in corners], "visible": shown_px}
    return row


def section(world: World) -> list[dict]:
    """Mean speeds between the lines of a section of road watched by two cameras."""
    lines = world.config.get("section")
    out = []
    for actor in world.actors if lines else []:
        t = np.arange(-60, world.config["duration_s"] + 60, 0.01)
        s = np.interp(t, actor.motion.t, actor.motion.s)
        s += np.where(t < 0, t, np.maximum(t - actor.motion.t[-1], 0)) * np.where(t < 0, actor.motion.v[0], actor.motion.v[-1])
        y = actor.route.at(s)[1]
        t_in, t_out = (float(np.interp(lines[k], y, t)) for k in ("from_y", "to_y"))
        if t_in < -0.0 or t_out > world.config["duration_s"]:
            continue   # not wholly within the clip
        kmh = (lines["to_y"] - lines["from_y"]) / (t_out - t_in) * 3.6
        limit = rules.limit_of(world, actor.cls)
        out.append({"vehicle": actor.id, "t_in": round(t_in, 3), "t_out": round(t_out, 3), "mean_kmh": round(kmh, 2),
                    "limit_kmh": limit, "violation": bool(limit and kmh >= limit + world.road["rules"]["over_kmh"])})
    return out


def build(world: World, camera: Camera, numbers=None, progress=None) -> dict:
    """The whole truth of one camera's clip. `numbers`: only these frames, for tests and stills."""
    eyes = Visibility(world, camera)
    bad, near = rules.judge(world, camera)
    frames = []
    groups = sorted({h["group"] for h in world.road.get("head", [])})
    for n in range(world.frames) if numbers is None else numbers:
        t = n / world.fps
        seen, ids = eyes.frame(t)
        number = {k: i for i, (k, _) in enumerate(sorted(((k, s[0].depth) for k, s in seen.items()), key=lambda p: -p[1]), 1)}

        def plate_visible(sight, corners):
            (x0, y0), (x1, y1) = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
            m = np.zeros((y1 - y0, x1 - x0), np.uint8)
            cv2.fillConvexPoly(m, np.round(corners - (x0, y0)).astype(np.int32), 1)
            part = ids[y0:y1, x0:x1]
            inside = m[:part.shape[0], :part.shape[1]] > 0
            return round(float((part[inside] == number[sight.actor.id]).mean()), 2) if inside.any() else 0.0

        objects = [object_row(camera, s, box, total, shown, plate_visible)
                   for s, box, total, shown in seen.values() if total >= 12]
        frames.append({"i": n, "t": round(t, 4), "signals": {g: world.phase(g, t) for g in groups}, "objects": objects})
        if progress and n % 100 == 0:
            progress(n)
    met = {o["id"] for f in frames for o in f["objects"]}
    return {
        "format": FORMAT, "scene": world.name, "start": world.config["start"], "image": list(camera.size), "fps": world.fps,
        "duration_s": world.config["duration_s"],
        "camera": {
            "name": camera.name, "position_m": list(camera.position_m), "pitch_deg": camera.pitch_deg, "yaw_deg": camera.yaw_deg,
            "intrinsics": camera.intrinsics.tolist(), "rotation": camera.rotation.tolist(), "projection": camera.matrix.tolist(),
            "ground_to_px": camera.ground_to_px.tolist()},
        "heads": [{"name": h["name"], "group": h["group"], "box": head_box(camera, h)} for h in world.road.get("head", [])],
        "phases": {g: p for g, p in world.phases.items()},
        "section": section(world),
        "road": {k: world.road.get(k, []) for k in ("stop_line", "lane", "zone", "line", "rules")},
        "vehicles": [vehicle_row(a) for a in world.actors if a.id in met],
        "violations": [a.row() for a in bad if a.vehicle in met],
        "near_misses": [a.row() for a in near if a.vehicle in met],
        "frames": frames,
    }


def check(truth: dict):
    """Raises jsonschema.ValidationError where the file does not keep to the schema."""
    import jsonschema
    jsonschema.validate(truth, json.loads((SCENES / "truth.schema.json").read_text()))


def write(truth: dict, path: Path):
    check(truth)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = truth.pop("frames")
    head = json.dumps(truth, ensure_ascii=False, indent=1)
    rows = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in frames)
    path.write_text(head[:-2] + ',\n "frames": [\n' + rows + "\n]}\n")
    truth["frames"] = frames
