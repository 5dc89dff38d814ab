"""Compares the computed silhouettes with masks that Blender renders of the same moment."""
import bpy
import cv2
import numpy as np

from .render import Renderer
from .visibility import Visibility


def _numbers(renderer: Renderer, sights: dict) -> dict[str, int]:
    """Gives each actor a number that an override material paints."""
    m = bpy.data.materials.get("number") or bpy.data.materials.new("number")
    m.use_nodes = True
    tree = m.node_tree
    tree.nodes.clear()
    read, glow, out = (tree.nodes.new(n) for n in ("ShaderNodeAttribute", "ShaderNodeEmission", "ShaderNodeOutputMaterial"))
    read.attribute_type, read.attribute_name = "OBJECT", "number"
    tree.links.new(read.outputs["Fac"], glow.inputs["Strength"])
    tree.links.new(glow.outputs[0], out.inputs["Surface"])
    bpy.context.view_layer.material_override = m
    numbers = {}
    for n, k in enumerate(sights, 1):
        numbers[k] = n * 8
        for o, _ in renderer.stage.bodies[k].values():
            for part in (o, *o.children):
                if part.type == "MESH":
                    part["number"] = n * 8 / 255.0
                    part.update_tag()
    return numbers


def rendered_ids(renderer: Renderer, t: float) -> dict[str, np.ndarray]:
    """{actor: mask} as rendered, one ray through the middle of each pixel."""
    sights = renderer.pose(t)
    numbers = _numbers(renderer, sights)
    scene = bpy.context.scene
    scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0.0
    scene.cycles.use_denoising, scene.cycles.max_bounces = False, 0
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    scene.view_settings.view_transform, scene.view_settings.look, scene.view_settings.exposure = "Raw", "None", 0.0
    image = renderer.shoot((0, 0, *renderer.camera.size), 1)[..., 0].astype(int)
    return {k: np.abs(image - n) <= 3 for k, n in numbers.items()}


def compare(world, camera, t: float, least_px: int = 300):
    """[(actor, overlap of the masks, largest difference of the boxes' edges in px)] for visible actors."""
    renderer = Renderer(world, camera)
    drawn = rendered_ids(renderer, t)
    seen, ids = Visibility(world, camera).frame(t)
    order = sorted(seen.values(), key=lambda s: -s[0].depth)
    number = {}
    eyes = Visibility(world, camera)
    for n, sight in enumerate(sorted(eyes.sights(t).values(), key=lambda s: -s.depth), 1):
        number[sight.actor.id] = n
    out = []
    for sight, _, _, shown in order:
        k = sight.actor.id
        mine, theirs = ids == number[k], drawn.get(k)
        if shown < least_px or theirs is None:
            continue
        overlap = (mine & theirs).sum() / max((mine | theirs).sum(), 1)
        a, b = cv2.boundingRect(mine.astype(np.uint8)), cv2.boundingRect(theirs.astype(np.uint8))
        edges = lambda r: np.array([r[0], r[1], r[0] + r[2], r[1] + r[3]])
        out.append((k, float(overlap), int(np.abs(edges(a) - edges(b)).max())))
    return out
