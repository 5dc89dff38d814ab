"""Command line: `python -m gen COMMAND SCENE ...` in the folder `scenes/`."""
import argparse
import sys
from pathlib import Path


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
    a = p.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from .world import load
    world = load(a.scene)
    if a.command == "check":
        from .collide import conflicts
        found = conflicts(world)
        for (one, other), times in found.items():
            print(f"{one} and {other}: {times[0][0]} to {times[-1][0]} s, gap {min(x[1] for x in times)} m, near {times[0][2]}")
        print(f"{len(found)} conflicts among {len(world.actors)} actors")
        return 1 if found else 0
    camera = world.camera(a.camera)
    if a.width:
        camera = camera.scaled(a.width)
    if a.command == "still":
        import time
        import cv2
        from .render import Renderer
        renderer = Renderer(world, camera, a.threads)
        a.out.mkdir(parents=True, exist_ok=True)
        for t in a.times:
            began = time.time()
            cv2.imwrite(str(a.out / f"{a.scene}-{camera.name}-{t:05.2f}.png"), renderer.still(t, a.spp))
            print(f"{t} s: {time.time() - began:.1f} s", flush=True)
    elif a.command == "render":
        from .render import render_clip
        render_clip(world, camera, a.spp or world.config["quality"]["spp"], a.threads, a.first, a.last)
    return 0


sys.exit(main())
