"""Sky and sun."""
import math

import numpy as np


def sun_direction(shift) -> np.ndarray:
    """Towards the sun, from how far a shadow moves per metre of height."""
    d = np.array([-shift[0], -shift[1], 1.0])
    return d / np.linalg.norm(d)


BEAM_DOWN_DEG = 9.0
"""Dipped head lights point so much below the horizon."""


def head_light(watts: float):
    """The data of a dipped beam."""
    import bpy
    beam = bpy.data.lights.new("beam", "SPOT")
    beam.energy, beam.color = watts, (1.0, 0.92, 0.80)
    beam.spot_size, beam.spot_blend, beam.shadow_soft_size = math.radians(50), 0.9, 0.08
    return beam


def make(light: dict):
    """A cloudy sky over a street (dark low down, bright above) and a sun."""
    import bpy
    from mathutils import Vector
    scene = bpy.context.scene
    world = bpy.data.worlds.new("sky")
    scene.world = world
    world.use_nodes = True
    tree, background = world.node_tree, world.node_tree.nodes["Background"]
    at = tree.nodes.new("ShaderNodeTexCoord")
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(at.outputs["Generated"], split.inputs[0])
    tree.links.new(split.outputs["Z"], ramp.inputs["Fac"])
    stops = {"day": [(0.0, (0.06, 0.06, 0.055)), (0.08, (0.10, 0.11, 0.09)), (0.28, (0.20, 0.23, 0.24)),
                     (0.40, (0.62, 0.68, 0.76)), (1.0, (0.62, 0.74, 0.92))],
             "dusk": [(0.0, (0.04, 0.035, 0.03)), (0.10, (0.12, 0.08, 0.06)), (0.30, (0.35, 0.22, 0.18)),
                      (0.45, (0.35, 0.32, 0.42)), (1.0, (0.16, 0.22, 0.40))],
             "night": [(0.0, (0.012, 0.010, 0.008)), (0.2, (0.022, 0.018, 0.014)), (0.5, (0.016, 0.016, 0.020)),
                       (0.7, (0.010, 0.012, 0.018)), (1.0, (0.008, 0.010, 0.018))]}[light["kind"]]
    elements = ramp.color_ramp.elements
    while len(elements) < len(stops):
        elements.new(0.5)
    for element, (position, colour) in zip(elements, stops):
        element.position, element.color = position, (*colour, 1)
    tree.links.new(ramp.outputs["Color"], background.inputs[0])
    world.cycles.sampling_method = "NONE"   # a smooth sky is met by chance often enough; all light samples go to the sun
    background.inputs[1].default_value = light["sky_strength"]
    for x, y, z, watts in light.get("lamps", []):   # street lamps: warm LED panels facing down
        panel = bpy.data.lights.new("street lamp", "AREA")
        panel.energy, panel.color, panel.size = watts, (1.0, 0.84, 0.62), 0.6
        o = bpy.data.objects.new("street lamp", panel)
        scene.collection.objects.link(o)
        o.location = (x, y, z)
    if "flash" in light:   # the camera's own lamp
        x, y, z, aim_y, watts = light["flash"]
        lamp = bpy.data.lights.new("flash", "SPOT")
        lamp.energy, lamp.color, lamp.spot_size, lamp.spot_blend = watts, (0.95, 0.98, 1.0), math.radians(48), 0.7
        lamp.shadow_soft_size = 0.15
        o = bpy.data.objects.new("flash", lamp)
        scene.collection.objects.link(o)
        o.location = (x, y, z)
        o.rotation_euler = (Vector((0, aim_y - y, -z)).to_track_quat("-Z", "Y")).to_euler()
    if light.get("sun_strength", 0) > 0:
        sun = bpy.data.lights.new("sun", "SUN")
        sun.energy, sun.angle = light["sun_strength"], math.radians(light["sun_angle_deg"])
        sun.color = (1.0, 0.94, 0.85) if light["kind"] == "day" else (1.0, 0.62, 0.38)
        o = bpy.data.objects.new("sun", sun)
        scene.collection.objects.link(o)
        o.rotation_euler = Vector(sun_direction(light["sun_shift"])).to_track_quat("Z", "Y").to_euler()
