"""Loads a scene's folder: cameras, road, signals and actors with their motion. Without Blender."""
import hashlib
import os
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from .camera import Camera
from .mesh import rotation
from .models import MEASURES, WALK_PHASES, Look
from .motion import Motion, Route

SCENES = Path(__file__).resolve().parent.parent
TWO_WHEELED = ("scooter", "wave", "bicycle")


@dataclass
class State:
    """An actor at one moment."""

    x: float
    y: float
    heading: float
    roll: float
    speed: float
    acceleration: float
    travelled: float

    @property
    def matrix(self) -> np.ndarray:
        """4x4: the model's frame to the world."""
        m = np.eye(4)
        m[:3, :3] = rotation(0, 0, self.heading) @ rotation(0, -self.roll, 0)
        m[:3, 3] = self.x, self.y, 0
        return m


@dataclass
class Actor:
    id: str
    look: Look
    route: Route
    motion: Motion
    colours: dict[str, str]
    plate: str = ""
    plate_kind: str = "private"
    model: str = field(init=False)

    def __post_init__(self):
        self.model = self.look.model
        self.measures = MEASURES[self.model]
        self.cls = self.measures["class"]
        self.length, self.width = self.measures["length"], self.measures["width"]

    def state(self, t: float) -> State:
        s, v, a = self.motion.at(t)
        x, y, heading, curvature = (float(q) for q in self.route.at(s))
        roll = 0.0
        if self.model in TWO_WHEELED:   # a two-wheeler leans into the bend: tan(roll) = v^2 k / g
            roll = float(np.clip(np.arctan(v * v * curvature / 9.81), -0.5, 0.5))
        return State(x, y, heading, roll, v, a, s)

    def pose(self, state: State) -> str:
        """Which of the actor's meshes is shown."""
        if self.model == "person":
            return f"walk{int(state.travelled / 1.35 * WALK_PHASES) % WALK_PHASES}" if state.speed > 0.05 else "walk0"
        return "foot" if self.model in ("scooter", "wave") and state.speed < 0.35 else ""

    def poses(self) -> list[str]:
        if self.model == "person":
            return [f"walk{i}" for i in range(WALK_PHASES)]
        return ["", "foot"] if self.model in ("scooter", "wave") else [""]

    def brake(self, state: State) -> bool:
        return state.acceleration < -0.4 or state.speed < 0.05


@dataclass
class World:
    name: str
    folder: Path
    config: dict
    road: dict
    cameras: list[Camera]
    actors: list[Actor]
    phases: dict[str, list]

    @property
    def fps(self) -> float:
        return self.config["fps"]

    @property
    def frames(self) -> int:
        return round(self.config["duration_s"] * self.fps)

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.config["start"])

    def camera(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise ValueError(f"scene {self.name} has no camera {name!r}, only {[c.name for c in self.cameras]}")

    def phase(self, group: str, t: float) -> str:
        """The state of a signal group at t."""
        return [state for since, state in self.phases[group] if since <= t + 1e-9][-1]

    def changed(self, group: str, t: float) -> float:
        """When the state at t began."""
        return [since for since, _ in self.phases[group] if since <= t + 1e-9][-1]

    def digest(self) -> str:
        """Of everything the pixels depend on: data files and the modules that make shapes and light."""
        h = hashlib.sha256()
        files = [self.folder / "scene.toml", self.folder / self.config["road"], self.folder / self.config["traffic"]]
        names = ("bodies.toml", "models.toml", "camera.py", "cars.py", "heavy.py", "light.py", "materials.py", "mesh.py",
                 "motion.py", "people.py", "plates.py", "road.py", "stage.py", "street.py", "two_wheelers.py")
        for path in files + [SCENES / "gen" / n for n in names]:
            h.update(path.name.encode() + b"\0" + path.read_bytes())
        return h.hexdigest()[:12]


def cache_folder(world: World) -> Path:
    """Where frames and parts are kept between runs."""
    root = os.environ.get("STOPLINE_RENDER_CACHE") or Path.home() / ".cache" / "stopline-render"
    return Path(root) / world.name


def load(name: str) -> World:
    """Reads `scenes/<name>/`. Errors name the file's actor and key."""
    folder = SCENES / name
    if not (folder / "scene.toml").is_file():
        raise SystemExit(f"no scene {name!r}: expected {folder / 'scene.toml'}")
    read = lambda p: tomllib.loads(p.read_text())
    config = read(folder / "scene.toml")
    road, traffic = read(folder / config["road"]), read(folder / config["traffic"])
    tables = dict(read((folder / config["traffic"]).parent / traffic["routes_from"])["routes"]) if "routes_from" in traffic else {}
    tables |= traffic.get("routes", {})
    routes = {k: Route(r["points"], r.get("radius", 0.0), r.get("wobble", 0.0)) for k, r in tables.items()}
    actors, seen = [], set()
    for table in traffic["actor"]:
        try:
            actor = _actor(table, routes, config["duration_s"])
        except (KeyError, ValueError) as error:
            raise SystemExit(f"{folder / config['traffic']}: actor {table.get('id', '?')}: {error!r}") from error
        if actor.id in seen:
            raise SystemExit(f"{folder / config['traffic']}: actor id {actor.id} is used twice")
        seen.add(actor.id)
        actors.append(actor)
    return World(name, folder, config, road, [Camera.read(c) for c in config["camera"]], actors, traffic.get("phases", {}))


def _actor(table: dict, routes: dict, duration_s: float) -> Actor:
    known = {"id", "model", "riders", "pack", "delivery", "taxi", "paint", "shirts", "helmets", "trousers", "plate",
             "plate_kind", "route", "stand", "pass", "kmh", "steps"}
    if extra := set(table) - known:
        raise ValueError(f"unknown keys {sorted(extra)}")
    route, model = routes[table["route"]], table["model"]
    half = MEASURES[model]["length"] / 2
    v0 = table.get("kmh", 0.0) / 3.6
    if "stand" in table:
        s0 = route.s_of(*table["stand"]) - half
    else:
        axis, value, t = table["pass"]
        s0 = route.s_of(axis, value) - v0 * t
    steps = []
    for step in table.get("steps", []):
        step = dict(step)
        if "stop" in step:
            step["stop"] = route.s_of(*step["stop"]) - half
        steps.append(step)
    helmets = list(table.get("helmets", []))
    covers, colours = [], {"paint": table.get("paint", "grey"), "trousers": table.get("trousers", "dark")}
    for i, cover in enumerate(table.get("riders", [])):
        if cover == "helmet":
            colours[f"helmet{i + 1}"] = helmets.pop(0)
            cover = f"helmet{i + 1}"
        covers.append(cover)
    for i, shirt in enumerate(table.get("shirts", [])):
        colours["shirt" if i == 0 else f"shirt{i + 1}"] = shirt
    if model in ("scooter", "wave", "bicycle", "person") and len(table["shirts"]) != len(covers):
        raise ValueError("expected as many shirts as riders")
    look = Look(model, tuple(covers), table.get("pack", False), table.get("delivery", False), table.get("taxi", False))
    return Actor(table["id"], look, route, Motion(duration_s, s0, v0, steps), colours, table.get("plate", ""),
                 table.get("plate_kind", "private"))
