"""Command line: `python -m gen COMMAND SCENE ...` in the folder `scenes/`."""
import argparse
import sys
from pathlib import Path

from .world import cache_folder


def main():
    p = argparse.ArgumentParser(prog="python -m gen", description=__doc__)
    sub = p.add_subparsers(dest="command", required=True)

    def command(name, help_text, camera=True):
        c = sub.add_parser(name, help=help_text)
        c.add_argument("scene")
        if camera:
            c.add_argument("--camera", default="main")
            c.add_argument("--width", type=int, help="pixels, default the scene's")
        return c

    command("check", "conflicts between actors", False)
    c = command("still", "renders single frames as a whole")
    c.add_argument("out", type=Path)
    c.add_argument("times", type=float, nargs="+")
    c.add_argument("--spp", type=int, default=16)
    c.add_argument("--threads", type=int, default=2)
    c = command("render", "renders the clip's missing frames into the cache")
    c.add_argument("--spp", type=int)
    c.add_argument("--threads", type=int, default=2)
    c.add_argument("--first", type=int, default=0)
    c.add_argument("--last", type=int)
    c = command("truth", "writes OUT/truth.json (of a second camera: OUT/<camera>-truth.json)")
    c.add_argument("out", type=Path)
    c = command("encode", "degrades and encodes the rendered frames into OUT")
    c.add_argument("out", type=Path)
    c.add_argument("--last", type=int, help="only so many frames")
    c.add_argument("--wait", action="store_true", help="wait for frames that are still being rendered")
    command("cameras", "writes the [scene] proposals beside the scene", False)
    c = command("verify", "compares computed silhouettes with rendered masks")
    c.add_argument("times", type=float, nargs="+")
    c = command("recall", "how many road users a vehicle detector finds in a clip", False)
    c.add_argument("truth", type=Path)
    c.add_argument("video", type=Path)
    c.add_argument("model", type=Path)
    c.add_argument("--every", type=int, default=5)
    c.add_argument("--least", type=float, default=30, help="height of a box in pixels of the truth")
    c = command("stills", "training pictures with labels", False)
    c.add_argument("out", type=Path)
    c.add_argument("count", type=int)
    c.add_argument("--seed", type=int, default=1)
    c.add_argument("--spp", type=int, default=4)
    c.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    return run(a)


def run(a) -> int:
    from .world import load
    world = load(a.scene)
    if a.command == "check":
        from .collide import conflicts
        found = conflicts(world)
        for (one, other), times in found.items():
            print(f"{one} and {other}: {times[0][0]} to {times[-1][0]} s, gap {min(x[1] for x in times)} m, near {times[0][2]}")
        print(f"{len(found)} conflicts among {len(world.actors)} actors")
        return 1 if found else 0
    if a.command == "cameras":
        from .camera_file import scene_toml
        for camera in world.cameras:
            path = world.folder / ("camera.toml" if camera.name == "main" else f"camera-{camera.name}.toml")
            path.write_text(scene_toml(world, camera))
            print(path)
        return 0
    if a.command == "stills":
        from .stills import make
        make(a.scene, a.out, a.count, a.seed, a.spp, a.threads)
        return 0
    if a.command == "recall":
        return recall(a)
    camera = world.camera(a.camera)
    if a.width:
        camera = camera.scaled(a.width)
    if a.command == "still":
        still(a, world, camera)
    elif a.command == "render":
        from .render import render_clip
        render_clip(world, camera, a.spp or world.config["quality"]["spp"], a.threads, a.first, a.last)
    elif a.command == "truth":
        from . import truth
        path = a.out / ("truth.json" if camera.name == "main" else f"{camera.name}-truth.json")
        truth.write(truth.build(world, camera, progress=lambda n: print(f"frame {n} of {world.frames}", flush=True)), path)
        print(path, path.stat().st_size, "bytes")
    elif a.command == "encode":
        from .degrade import encode
        folder = cache_folder(world) / f"frames-{camera.name}"
        frames = [folder / f"{n:05d}.png" for n in range(a.last or world.frames)]
        missing = [] if a.wait else [f for f in frames if not f.is_file()]
        if missing:
            raise SystemExit(f"{len(missing)} of {len(frames)} frames are not rendered yet, first {missing[0].name}: run `render`")
        for path in encode(frames, a.out, world, camera, wait=a.wait):
            print(path, path.stat().st_size, "bytes")
    elif a.command == "verify":
        from .verify import compare
        worst = 1.0
        for t in a.times:
            for actor, overlap, edge in compare(world, camera, t):
                print(f"{t} s {actor}: masks overlap {overlap:.3f}, boxes differ by {edge} px at most")
                worst = min(worst, overlap)
        return 0 if worst > 0.9 else 1
    return 0


def still(a, world, camera):
    import time
    import cv2
    from .render import Renderer
    renderer = Renderer(world, camera, a.threads)
    a.out.mkdir(parents=True, exist_ok=True)
    for t in a.times:
        began = time.time()
        cv2.imwrite(str(a.out / f"{a.scene}-{camera.name}-{t:05.2f}.png"), renderer.still(t, a.spp))
        print(f"{t} s: {time.time() - began:.1f} s", flush=True)


def recall(a) -> int:
    import json
    from .recall import measure
    by_class, by_vehicle = measure(json.loads(a.truth.read_text()), str(a.video), str(a.model), a.every, a.least)
    for name, n in sorted(by_class.items()):
        total = n["found"] + n["missed"]
        print(f"{name:11} {n['found']:5} of {total:5} found, {n['found'] / total:.1%}")
    missed = {k: n for k, n in by_vehicle.items() if n["missed"]}
    print("missed:", ", ".join(f"{k} {n['missed']} of {n['found'] + n['missed']}" for k, n in missed.items()))
    return 0


sys.exit(main())
