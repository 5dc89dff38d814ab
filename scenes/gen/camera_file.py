"""Writes the `[scene]` part of a camera file for a rendered camera: what a person would mark by hand on a real picture."""
import numpy as np

from .camera import Camera
from .rules import limit_of
from .truth import head_box
from .world import World


def _clip(polygon, size):
    """The part of a convex polygon inside the picture (Sutherland and Hodgman 1974)."""
    w, h = size
    for axis, limit, sign in ((0, 0.0, 1), (0, float(w), -1), (1, 0.0, 1), (1, float(h), -1)):
        out = []
        for a, b in zip(polygon, polygon[1:] + polygon[:1]):
            da, db = (a[axis] - limit) * sign, (b[axis] - limit) * sign
            if da >= 0:
                out.append(a)
            if da * db < 0:
                f = da / (da - db)
                out.append([a[0] + (b[0] - a[0]) * f, a[1] + (b[1] - a[1]) * f])
        polygon = out
        if not polygon:
            break
    return polygon


def _area_px(camera: Camera, area: dict):
    (x0, x1), (y0, y1) = area["x"], area["y"]
    y0 = max(y0, camera.position_m[1] + 6.0)   # what lies below the camera cannot be projected
    if y1 <= y0:
        return []
    corners = camera.project([[x0, y0, 0], [x0, y1, 0], [x1, y1, 0], [x1, y0, 0]])
    return _clip(corners.tolist(), camera.size)


def _line_px(camera: Camera, p, q):
    """The part of a line inside the picture, by sampling."""
    t = np.linspace(0, 1, 400)[:, None]
    points = np.array(p) * (1 - t) + np.array(q) * t
    px = camera.project(np.c_[points, np.zeros(len(points))])
    w, h = camera.size
    ok = np.flatnonzero((px[:, 0] >= 0) & (px[:, 0] <= w) & (px[:, 1] >= 0) & (px[:, 1] <= h))
    return [px[ok[0]].tolist(), px[ok[-1]].tolist()] if len(ok) > 1 else []


def _direction_px(camera: Camera, at, direction):
    a, b = camera.project([[*at, 0.0], [at[0] + direction[0], at[1] + direction[1], 0.0]])
    d = (b - a) / np.linalg.norm(b - a)
    return [round(float(v), 3) for v in d]


def _points(points) -> str:
    return "[" + ", ".join(f"[{x:.1f}, {y:.1f}]" for x, y in points) + "]"


def ground_points(world: World, camera: Camera):
    """Places on the road with their pixels, spread over what the camera sees: [(px, m)]."""
    y0, road = camera.position_m[1], world.road
    left, right = road["surface"]["kerb_left_x"], road["surface"]["kerb_right_x"]
    w, h = camera.size
    out = []
    for y in np.array([13.5, 18.0, 24.0, 32.0, 45.0, 65.0, 90.0]) + y0:
        xs = [x for x in np.linspace(left + 0.3, right - 0.3, 60)
              if 8 < camera.ground_px(x, y)[0] < w - 8 and 8 < camera.ground_px(x, y)[1] < h - 8]
        out += [(camera.ground_px(x, y), (x, y)) for x in (xs[:1] + xs[-1:] if xs else [])]
    return out


def _leads_to_a_line(road: dict, lane: dict, names: dict) -> bool:
    """Whether a lane ends at a stop line of ours."""
    for line in road.get("stop_line", []):
        (x0, y), (x1, _) = line["points"]
        ahead = line["direction"] == lane["direction"] and min(abs(y - lane["y"][0]), abs(y - lane["y"][1])) < 1.0
        if line["signal"] in names and ahead and lane["x"][0] < x1 and lane["x"][1] > x0:
            return True
    return False


def scene_toml(world: World, camera: Camera) -> str:
    road, rows = world.road, []
    rows += [f"# {world.config['title']}, camera {camera.name!r}: written by `python -m gen cameras {world.name}` from the road file.",
             "", "[scene]", f"frame_px = [{camera.size[0]}, {camera.size[1]}]"]
    for lane in road.get("lane", []):
        polygon = _area_px(camera, lane)
        if len(polygon) < 3:
            continue
        middle = [sum(lane["x"]) / 2, max(lane["y"][0], camera.position_m[1] + 14)]
        rows += ["", "[[scene.lanes]]", f'name = "{lane["name"]}"', f"polygon = {_points(polygon)}",
                 f"direction = {_direction_px(camera, middle, lane['direction'])}"]
        if "classes" in lane:
            rows.append(f"classes = {lane['classes']}".replace("'", '"'))
        limits = {c: limit_of(world, c) for c in ("car", "motorcycle", "bus", "truck")}
        if len(set(limits.values())) == 1:
            rows.append(f"limit_kmh = {{ default = {limits['car']:.1f} }}")
        else:
            rows.append("limit_kmh = { " + ", ".join(f"{k} = {v:.1f}" for k, v in limits.items()) + " }")
    groups = {}
    for head in road.get("head", []):
        groups.setdefault(head["group"], []).append(head)
    names = {g: heads[0]["name"] for g, heads in groups.items()}   # the first head, the nearest, governs the line
    for line in road.get("stop_line", []):
        if line["signal"] not in names:
            continue
        (xa, ya), (xb, yb) = line["points"]
        half = line["depth"] / 2
        points = _line_px(camera, (xa, ya - half), (xb, yb - half))
        beyond = _line_px(camera, (xa, line["beyond_y"]), (xb, line["beyond_y"]))
        if not points:
            continue
        rows += ["", "[[scene.stop_lines]]", f'name = "{line["name"]}"', f"points = {_points(points)}",
                 f"direction = {_direction_px(camera, ((xa + xb) / 2, ya), line['direction'])}",
                 f'signal = "{names[line["signal"]]}"', f"beyond = {_points(beyond)}"]
        if classes := road["rules"].get("right_on_red"):
            rows.append(f'turns_on_red = [{{ turn = "right", classes = {classes} }}]'.replace("'", '"'))
    for line in road.get("line", []):
        points = _line_px(camera, *line["points"]) if len(line["points"]) == 2 else []
        if line["style"] == "dashed" or not points or np.hypot(*np.subtract(points[1], points[0])) < 20:
            continue
        rows += ["", "[[scene.solid_lines]]", f'name = "{line["name"]}"', f"points = {_points(points)}"]
        if "crossing_allowed" in line:
            rows.append(f"crossing_allowed = {line['crossing_allowed']}".replace("'", '"'))
    approach = [lane["name"] for lane in road.get("lane", [])
                if f'name = "{lane["name"]}"' in rows and _leads_to_a_line(road, lane, names)]
    for side in road["rules"].get("forbidden_turns", []):
        if approach:
            rows += ["", "[[scene.turns]]", f'name = "no {side} turn"', f'turn = "{side}"',
                     f"from = {approach}".replace("'", '"')]
    for zone in road.get("zone", []):
        polygon = _area_px(camera, zone)
        if len(polygon) >= 3:
            rows += ["", "[[scene.zones]]", f'name = "{zone["name"]}"', f'kind = "{zone["kind"]}"',
                     f"polygon = {_points(polygon)}", f"dwell_s = {zone['dwell_s']:.1f}"]
    for head in road.get("head", []):
        x0, y0, x1, y1 = head_box(camera, head)
        if x0 >= 0 and y0 >= 0 and x1 <= camera.size[0] and y1 <= camera.size[1]:
            rows += ["", "[[scene.signals]]", f'name = "{head["name"]}"', f"box = [{x0:.1f}, {y0:.1f}, {x1 - x0:.1f}, {y1 - y0:.1f}]"]
    rows += ["", "[scene.ground]", "points = ["]
    rows += [f"  {{ px = [{px[0]:.1f}, {px[1]:.1f}], m = [{m[0]:.2f}, {m[1]:.2f}] }}," for px, m in ground_points(world, camera)]
    rows += ["]"]
    return "\n".join(rows) + "\n"
