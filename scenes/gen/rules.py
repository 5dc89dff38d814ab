"""What was done against the rules, and what nearly was, from the motion alone. Without Blender.

Our definitions, in metres and seconds (the engine's defaults where it has the rule). Positions are those of the road
plane; "front" is the foremost point of the vehicle, "middle" the middle of its length.
  red_light      the front passes the stop line while red, and the vehicle goes on past the `beyond` line
                 (not: a class and turn that a board allows)
  stop_line      stands (< 0.1 m/s) at least 3 s on red with the front more than 0.3 m past the line
  wrong_way      the middle moves at least 2.5 m and 0.5 s in a lane against its direction (more than 120 degrees off)
  wrong_lane     the middle is at least 5 m and 1 s in a lane that the class may not use
  forbidden_turn the heading has changed by more than 45 degrees to a forbidden side after the stop line
  solid_line     a wheel passes a solid or double line that the class may not cross
  no_stopping    stands in the zone (middle) for at least its dwell time
  speed          more than limit + tolerance while in the camera's speed zone or, without one, in sight
  no_helmet      a rider of a motorcycle without a helmet
  over_riders    more than two riders on a motorcycle
"""
from dataclasses import asdict, dataclass

import numpy as np

from .world import World

STAND_MS = 0.1
STEP_S = 0.02


@dataclass
class Act:
    """`t`: the moment; `t_end`: until when it lasted."""

    type: str
    vehicle: str
    t: float
    t_end: float
    note: str = ""
    lane: str | None = None
    since_red_s: float | None = None
    over_m: float | None = None
    dwell_s: float | None = None
    speed_kmh: float | None = None
    limit_kmh: float | None = None
    riders: int | None = None
    helmets: int | None = None

    def row(self) -> dict:
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items() if v not in (None, "")}


class Track:
    """An actor's motion as arrays over the clip."""

    def __init__(self, world, actor):
        self.actor = actor
        self.t = np.arange(0, world.config["duration_s"] + 1e-9, STEP_S)
        s = np.interp(self.t, actor.motion.t, actor.motion.s)
        self.v = np.interp(self.t, actor.motion.t, actor.motion.v)
        self.x, self.y, self.heading, _ = actor.route.at(s)
        self.s = s
        half = actor.length / 2
        self.front = np.c_[self.x - half * np.sin(self.heading), self.y + half * np.cos(self.heading)]
        self.standing = self.v < STAND_MS

    def direction(self):
        return np.c_[-np.sin(self.heading), np.cos(self.heading)]

    def within(self, area):
        return ((self.x >= area["x"][0]) & (self.x <= area["x"][1]) & (self.y >= area["y"][0]) & (self.y <= area["y"][1]))


def runs(mask):
    """[(first, last)] of the stretches where the mask holds."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    return [(a, b - 1) for a, b in zip(edges[::2], edges[1::2])]


def seen(world: World, track: Track, camera) -> np.ndarray:
    """Whether the middle's ground point is in the picture."""
    p = np.c_[track.x, track.y, np.zeros(len(track.x))]
    ok = camera.depth(p) > 3
    px = camera.project(np.where(ok[:, None], p, (0, camera.position_m[1] + 20, 0)))
    w, h = camera.size
    return ok & (px[:, 0] > 0) & (px[:, 0] < w) & (px[:, 1] > 0) & (px[:, 1] < h) & (track.y - camera.position_m[1] < 120)


def judge(world: World, camera) -> tuple[list[Act], list[Act]]:
    """(violations, near misses) that the camera sees, by time."""
    bad, near = [], []
    for actor in world.actors:
        track = Track(world, actor)
        visible = seen(world, track, camera)
        if not visible.any() or actor.cls == "pedestrian":
            continue
        for rule in (_light, _ways, _lines, _zones, _speed, _riders):
            rule(world, camera, track, visible, bad, near)
    key = lambda a: (a.t, a.vehicle)
    return sorted(bad, key=key), sorted(near, key=key)


def _turned(track, i):
    """left, right or ahead: how the heading changes after sample i."""
    change = np.degrees(track.heading[i:] - track.heading[i])
    if change.max() > 45:
        return "left", i + int(np.argmax(change > 45))
    if change.min() < -45:
        return "right", i + int(np.argmax(change < -45))
    return "ahead", i


def _light(world, camera, track, visible, bad, near):
    a, rules = track.actor, world.road["rules"]
    for line in world.road.get("stop_line", []):
        if line["signal"] != "main":
            continue   # heads that the camera does not see cannot accuse
        (x0, y), (x1, _) = line["points"]
        side = line["direction"][1]
        past = (track.front[:, 1] - y) * side
        level = (track.front[:, 0] > x0 - 0.3) & (track.front[:, 0] < x1 + 0.3) & (track.direction()[:, 1] * side > 0.5)
        for i in np.flatnonzero((past[:-1] < 0) & (past[1:] >= 0) & level[:-1]):
            f = -past[i] / (past[i + 1] - past[i])
            t = float(track.t[i] + f * STEP_S)
            state = world.phase("main", t)
            turn, _ = _turned(track, i)
            gone = np.flatnonzero((track.y[i:] - line["beyond_y"]) * side > 0)
            allowed = turn == "right" and a.cls in rules.get("right_on_red", [])
            if turn == "right" and state == "green":
                near.append(Act("forbidden_turn", a.id, t, t, "right turn, allowed"))
            if state == "yellow":
                left = [s for s, _ in world.phases["main"] if s > t]
                near.append(Act("red_light", a.id, t, t, f"on yellow, {left[0] - t:.1f} s before red" if left else "on yellow"))
            if state != "red" or not visible[max(0, i - 10):i + 60].any():
                continue
            since = t - world.changed("main", t)
            if allowed:
                near.append(Act("red_light", a.id, t, t, "right turn on red, allowed by a board", since_red_s=since))
            elif len(gone):
                j = i + gone[0]
                if world.phase("main", track.t[j]) == "red" or track.t[j] - t < 3:
                    bad.append(Act("red_light", a.id, t, float(track.t[j]), since_red_s=since))
        red = np.array([world.phase("main", t) == "red" for t in track.t])
        for i, j in runs(track.standing & red & level & (past > -1.0) & visible):
            over = float(past[i])
            stood = float(track.t[j] - track.t[i])
            if stood < 3.0 or over > 6:
                continue
            if over > 0.3:
                bad.append(Act("stop_line", a.id, float(track.t[i]), float(track.t[j]), over_m=over))
            elif over > -0.5:
                near.append(Act("stop_line", a.id, float(track.t[i]), float(track.t[j]), "stands just before the line",
                                over_m=over))
    for side in rules.get("forbidden_turns", []):
        for line in world.road.get("stop_line", []):
            (x0, y), (x1, _) = line["points"]
            i = np.flatnonzero((track.front[:-1, 1] < y) & (track.front[1:, 1] >= y) & (line["direction"][1] > 0)
                               & (track.front[:-1, 0] > x0) & (track.front[:-1, 0] < x1))
            if len(i):
                turn, j = _turned(track, i[0])
                if turn == side and visible[j]:
                    bad.append(Act("forbidden_turn", a.id, float(track.t[j]), float(track.t[j]), f"turns {side}"))


def _ways(world, camera, track, visible, bad, near):
    a = track.actor
    for lane in world.road.get("lane", []):
        inside = track.within(lane) & visible
        along = track.direction() @ np.array(lane["direction"])
        for i, j in runs(inside & (along < -0.5)):
            if track.s[j] - track.s[i] >= 2.5 and track.t[j] - track.t[i] >= 0.5:
                bad.append(Act("wrong_way", a.id, float(track.t[i]), float(track.t[j]), lane=lane["name"]))
        classes = lane.get("classes")
        if classes and a.cls not in classes:
            for i, j in runs(inside & (along > 0.5)):
                if track.s[j] - track.s[i] >= 5 and track.t[j] - track.t[i] >= 1:
                    bad.append(Act("wrong_lane", a.id, float(track.t[i]), float(track.t[j]), lane=lane["name"]))


def _lines(world, camera, track, visible, bad, near):
    a = track.actor
    half = a.measures["track"] / 2
    for line in world.road.get("line", []):
        if line["style"] == "dashed" or a.cls in line.get("crossing_allowed", []):
            continue
        for p, q in zip(line["points"], line["points"][1:]):
            p, q = np.array(p, float), np.array(q, float)
            d = (q - p) / np.linalg.norm(q - p)
            n = np.array([d[1], -d[0]])
            first, closest, closest_t = None, 9.0, 0.0
            for axle in a.measures["axles"]:
                for off in {half, -half}:
                    w = np.c_[track.x, track.y] + track.direction() * axle
                    w = w + np.c_[np.cos(track.heading), np.sin(track.heading)] * off
                    along, side = (w - p) @ d, (w - p) @ n
                    on = (along > 0) & (along < np.linalg.norm(q - p)) & visible
                    cross = np.flatnonzero((side[:-1] * side[1:] <= 0) & on[:-1])
                    if len(cross) and (first is None or track.t[cross[0]] < first):
                        first = float(track.t[cross[0]])
                    if on.any():
                        k = np.flatnonzero(on)[np.argmin(np.abs(side[on]))]
                        if abs(side[k]) < closest:
                            closest, closest_t = float(abs(side[k])), float(track.t[k])
            if first is not None:
                bad.append(Act("solid_line", a.id, first, first, line["name"]))
            elif closest < 0.25 and a.cls != "motorcycle":
                near.append(Act("solid_line", a.id, closest_t, closest_t, f"wheels {closest:.2f} m from {line['name']}"))


def _zones(world, camera, track, visible, bad, near):
    for zone in world.road.get("zone", []):
        for i, j in runs(track.within(zone) & track.standing & visible):
            stood = float(track.t[j] - track.t[i])
            act = Act("no_stopping", track.actor.id, float(track.t[i]), float(track.t[j]), dwell_s=stood)
            if stood >= zone["dwell_s"]:
                bad.append(act)
            elif stood > 2:
                act.note = f"shorter than {zone['dwell_s']:.0f} s"
                near.append(act)


def limit_of(world, cls):
    rules = world.road["rules"]
    return rules.get("limits_kmh", {}).get(cls, rules.get("limit_kmh"))


def _speed(world, camera, track, visible, bad, near):
    limit, rules = limit_of(world, track.actor.cls), world.road["rules"]
    if limit is None or track.actor.cls == "bicycle":
        return
    if camera.speed_zone_y_m:
        visible = visible & (track.y >= camera.speed_zone_y_m[0]) & (track.y <= camera.speed_zone_y_m[1])
    if not visible.any():
        return
    i = int(np.argmax(np.where(visible, track.v, -1)))
    kmh = float(track.v[i] * 3.6)
    span = np.flatnonzero(visible)
    act = Act("speed", track.actor.id, float(track.t[span[0]]), float(track.t[span[-1]]), speed_kmh=kmh, limit_kmh=float(limit))
    if kmh >= limit + rules["over_kmh"]:
        bad.append(act)
    elif kmh > limit - 3:
        act.note = "over the limit, below the tolerance" if kmh > limit else "just below the limit"
        near.append(act)


def _riders(world, camera, track, visible, bad, near):
    a = track.actor
    if a.cls != "motorcycle":
        return
    span = np.flatnonzero(visible)
    t, end = float(track.t[span[0]]), float(track.t[span[-1]])
    worn = sum(c.startswith("helmet") for c in a.look.covers)
    if worn < len(a.look.covers):
        bad.append(Act("no_helmet", a.id, t, end, riders=len(a.look.covers), helmets=worn))
    elif "black" in [a.colours.get(f"helmet{i + 1}") for i in range(worn)]:
        near.append(Act("no_helmet", a.id, t, end, "black helmet", riders=len(a.look.covers), helmets=worn))
    if len(a.look.covers) > 2:
        bad.append(Act("over_riders", a.id, t, end, riders=len(a.look.covers)))
    elif len(a.look.covers) == 2:
        near.append(Act("over_riders", a.id, t, end, "two riders", riders=2))
