"""Training pictures: single frames of made-up traffic with boxes, plates, corners, riders and helmets.

Every picture is one moment of a scene's road with actors put at random, at rest or on the move, none through another.
"""
import json
import random
import string
import time
from pathlib import Path

import cv2

from . import truth
from .collide import conflicts
from .degrade import Sensor
from .world import World, _actor, load

CARS, BIKES = ("sedan", "hatch", "suv", "van"), ("scooter", "wave")
PAINTS = ("white", "silver", "grey", "black", "red", "blue", "brown", "yellow", "teal", "cream", "green", "beige")
CLOTHES = ("white", "navy", "black", "grey", "red", "pink", "orange", "yellow", "green", "teal", "purple", "beige", "blue")
CAR_LETTERS, MOTO_LETTERS = "ABCDEFGHKLMNPSTUVXYZ", "ABCDEFGHKLMNPRSTUVXYZ"
ISSUED = [c for c in range(11, 100) if c not in (13, 42, 44, 45, 46, 87, 91, 96)]
"""Circular 51/2025/TT-BCA: province codes in use."""


def random_plate(r: random.Random, two_wheeled: bool) -> tuple[str, str]:
    """(characters, kind) as Circular 79/2024/TT-BCA writes them."""
    code, number = r.choice(ISSUED), r.randint(1, 99999)
    digits = f"{number // 100:03d}.{number % 100:02d}"
    if two_wheeled:
        second = r.choice(MOTO_LETTERS) if r.random() < 0.4 else r.choice("123456789")
        return f"{code}-{r.choice(CAR_LETTERS)}{second} {digits}", "private"
    if r.random() < 0.03:
        return f"{''.join(r.choices(string.ascii_uppercase, k=2))}-{r.randint(10, 99)}-{r.randint(10, 99)}", "army"
    kind = r.choices(("private", "transport", "state"), (0.62, 0.32, 0.06))[0]
    return f"{code}{r.choice('ABCDEFGHKLM' if kind == 'state' else CAR_LETTERS)}-{digits}", kind


def random_actor(r: random.Random, number: int, routes: dict) -> dict:
    """An actor table as it could stand in a traffic file."""
    model = r.choices(BIKES + CARS + ("truck", "bus", "bicycle", "person"), (26, 22, 10, 8, 7, 4, 4, 2, 4, 9))[0]
    names = [n for n in routes if n.startswith("walk") == (model == "person")]
    table = {"id": f"n{number}", "model": model, "paint": r.choice(PAINTS), "route": r.choice(names)}
    if model in BIKES:
        riders = r.choices((1, 2, 3), (62, 31, 7))[0]
        covers = [r.choices(("helmet", "hair", "cap"), (80, 15, 5))[0] for _ in range(riders)]
        table |= {"riders": covers, "pack": r.random() < 0.12, "delivery": riders == 1 and r.random() < 0.15}
        table["helmets"] = [r.choice(PAINTS) for c in covers if c == "helmet"]
        table["shirts"] = [r.choice(CLOTHES) for _ in covers]
    elif model in ("bicycle", "person"):
        table |= {"riders": [r.choice(("hair", "cap", "cone"))], "shirts": [r.choice(CLOTHES)]}
    elif model in ("sedan", "hatch"):
        table["taxi"] = r.random() < 0.2
    if model not in ("bicycle", "person"):
        table["plate"], table["plate_kind"] = random_plate(r, model in BIKES)
    return table


def random_world(base: World, seed: int, wanted: int) -> World:
    """The scene's road with other traffic at one moment (t = 0)."""
    import tomllib
    from .motion import Route
    r = random.Random(seed)
    traffic = tomllib.loads((base.folder / base.config["traffic"]).read_text())
    if "routes_from" in traffic:
        source = (base.folder / base.config["traffic"]).parent / traffic["routes_from"]
        traffic["routes"] = tomllib.loads(source.read_text())["routes"] | traffic.get("routes", {})
    routes = {k: Route(v["points"], v.get("radius", 0.0), v.get("wobble", 0.0)) for k, v in traffic["routes"].items()}
    config = base.config | {"duration_s": 0.05}
    world = World(base.name, base.folder, config, base.road, base.cameras, [], {})
    for group in base.phases:
        world.phases[group] = [[0.0, r.choice(("red", "yellow", "green"))]]
    near, tries = base.cameras[0].position_m[1], 0
    while len(world.actors) < wanted and tries < wanted * 12:
        tries += 1
        table = random_actor(r, tries, routes)
        route = routes[table["route"]]
        places = [s for s in route.s if 10 < route.at(s)[1] - near < 75 and abs(route.at(s)[0]) < 13]
        if not places:
            continue
        x, y, _, _ = route.at(r.choice(places))
        axis = "x" if abs(route.at(0)[2]) > 0.8 else "y"
        table["pass"], table["kmh"] = [axis, float(x if axis == "x" else y), 0.0], r.choice((0, 0, 12, 25, 40))
        try:
            actor = _actor(table, routes, 0.05)
        except ValueError:
            continue
        world.actors.append(actor)
        if conflicts(world, step_s=1.0, clearance_m=0.12):
            world.actors.pop()
    return world


def make(scene: str, out: Path, count: int, seed: int, spp: int, threads: int, crowd=(8, 26)):
    """Writes `count` pictures (JPEG) and `labels.jsonl`. Goes on where it was stopped."""
    from .render import Renderer
    base = load(scene)
    out.mkdir(parents=True, exist_ok=True)
    began, made = time.time(), 0
    renderer = Renderer(random_world(base, seed, 1), base.cameras[0], threads)
    for i in range(count):
        name = f"{scene}-{seed + i:06d}"
        if (out / f"{name}.jpg").is_file():
            continue
        r = random.Random(seed + i)
        world = random_world(base, seed + i, r.randint(*crowd))
        camera = world.cameras[0]
        renderer.world = world
        renderer.stage.cast(world)
        clean, _, _, _ = renderer.frame(0, None, {}, {}, spp)
        settings = dict(base.config["degrade"])
        settings |= {"blur_px": r.uniform(0.3, 1.3), "noise": r.uniform(0.5, 2.5), "haze": r.uniform(0, 0.25),
                     "rain": r.choice((0, 0, 0, r.uniform(0.1, 0.6))), "sharpen": r.uniform(0.1, 0.8)}
        image = Sensor(camera.size, settings, f"CAM {r.randint(1, 99):02d}", base.start, seed + i).frame(clean, 0, 0.0)
        facts = truth.build(world, camera, numbers=[0])
        vehicles = {v["id"]: v for v in facts["vehicles"]}
        objects = []
        for o in facts["frames"][0]["objects"]:
            vehicle = {k: v for k, v in vehicles[o["id"]].items() if k != "plate"}
            row = vehicle | o   # what the vehicle is, and where it is in the picture
            if "plate" in o:
                row["plate"] = o["plate"] | {"text": vehicles[o["id"]]["plate"]}
            objects.append(row)
        with (out / "labels.jsonl").open("a") as labels:
            labels.write(json.dumps({"file": f"{name}.jpg", "signals": facts["frames"][0]["signals"], "objects": objects}) + "\n")
        cv2.imwrite(str(out / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, r.randint(60, 95)])
        made += 1
        print(f"{i + 1} of {count}, {made / (time.time() - began) * 3600:.0f} an hour", flush=True)
