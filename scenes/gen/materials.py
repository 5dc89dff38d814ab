"""Surface materials by name and the palette of paint and cloth. Needs Blender only when a material is made."""
from functools import lru_cache

PALETTE = {
    "white": (0.60, 0.61, 0.60), "cream": (0.62, 0.58, 0.46), "silver": (0.40, 0.41, 0.43), "grey": (0.10, 0.105, 0.11),
    "black": (0.012, 0.012, 0.014), "dark": (0.03, 0.032, 0.045), "red": (0.36, 0.014, 0.018), "blue": (0.02, 0.065, 0.24),
    "navy": (0.035, 0.055, 0.15), "teal": (0.04, 0.20, 0.22), "green": (0.04, 0.18, 0.07), "yellow": (0.62, 0.44, 0.05),
    "orange": (0.62, 0.20, 0.03), "pink": (0.55, 0.18, 0.24), "purple": (0.20, 0.06, 0.26), "beige": (0.46, 0.40, 0.31),
    "brown": (0.14, 0.07, 0.04), "taxi_green": (0.03, 0.28, 0.16), "taxi_white": (0.64, 0.65, 0.64),
    "bus_yellow": (0.62, 0.40, 0.03), "bus_red": (0.42, 0.03, 0.03)}
"""Linear RGB."""

PER_ACTOR = ("paint", "trousers", "shirt", "shirt2", "shirt3", "helmet1", "helmet2", "helmet3")
"""Materials whose colour is the actor's own."""

# name: (linear RGB, roughness, metallic, coat)
SURFACES = {
    "paint": ((0.5, 0.5, 0.5), 0.34, 0.0, 0.8), "glass": ((0.008, 0.010, 0.012), 0.08, 0.0, 0.0),
    "black": ((0.020, 0.020, 0.021), 0.55, 0.0, 0.0), "seam": ((0.012, 0.012, 0.012), 0.7, 0.0, 0.0),
    "dark": ((0.045, 0.045, 0.048), 0.45, 0.0, 0.0), "tyre": ((0.018, 0.018, 0.018), 0.85, 0.0, 0.0),
    "chrome": ((0.62, 0.63, 0.65), 0.20, 1.0, 0.0), "rim": ((0.42, 0.43, 0.45), 0.35, 0.8, 0.0),
    "disc": ((0.30, 0.30, 0.31), 0.35, 0.9, 0.0), "grey": ((0.25, 0.26, 0.27), 0.5, 0.0, 0.0),
    "cargo": ((0.58, 0.59, 0.58), 0.5, 0.0, 0.0), "seat": ((0.02, 0.02, 0.021), 0.6, 0.0, 0.0),
    "tail": ((0.34, 0.010, 0.012), 0.15, 0.0, 0.5), "tail_dim": ((0.28, 0.012, 0.012), 0.25, 0.0, 0.0),
    "reverse": ((0.55, 0.50, 0.48), 0.2, 0.0, 0.3), "head": ((0.72, 0.74, 0.77), 0.10, 0.0, 0.8),
    "amber": ((0.65, 0.20, 0.02), 0.2, 0.0, 0.3), "taxi_sign": ((0.75, 0.70, 0.35), 0.4, 0.0, 0.0),
    "stripe": ((0.62, 0.60, 0.55), 0.4, 0.0, 0.5), "sign": ((0.02, 0.02, 0.02), 0.3, 0.0, 0.0),
    "delivery": ((0.02, 0.30, 0.12), 0.6, 0.0, 0.0), "pack": ((0.05, 0.06, 0.09), 0.8, 0.0, 0.0),
    "skin": ((0.42, 0.25, 0.16), 0.6, 0.0, 0.0), "hair": ((0.012, 0.011, 0.010), 0.45, 0.0, 0.0),
    "mask": ((0.34, 0.42, 0.50), 0.9, 0.0, 0.0), "straw": ((0.52, 0.42, 0.24), 0.9, 0.0, 0.0),
    "shoe": ((0.03, 0.028, 0.027), 0.6, 0.0, 0.0), "trousers": ((0.03, 0.03, 0.04), 0.85, 0.0, 0.0),
    "shirt": ((0.3, 0.3, 0.3), 0.85, 0.0, 0.0), "shirt2": ((0.3, 0.3, 0.3), 0.85, 0.0, 0.0),
    "shirt3": ((0.3, 0.3, 0.3), 0.85, 0.0, 0.0), "helmet1": ((0.3, 0.3, 0.3), 0.25, 0.0, 0.5),
    "helmet2": ((0.3, 0.3, 0.3), 0.25, 0.0, 0.5), "helmet3": ((0.3, 0.3, 0.3), 0.25, 0.0, 0.5),
    # street
    "pole": ((0.28, 0.29, 0.30), 0.45, 0.7, 0.0), "housing": ((0.018, 0.018, 0.019), 0.5, 0.0, 0.0),
    "bark": ((0.10, 0.080, 0.060), 0.95, 0.0, 0.0), "whitewash": ((0.50, 0.50, 0.47), 0.9, 0.0, 0.0),
    "kerb": ((0.34, 0.33, 0.31), 0.85, 0.0, 0.0), "window": ((0.02, 0.025, 0.03), 0.12, 0.0, 0.0),
    "shutter": ((0.27, 0.28, 0.29), 0.45, 0.5, 0.0), "wood": ((0.15, 0.095, 0.06), 0.6, 0.0, 0.0),
    "trim": ((0.68, 0.67, 0.64), 0.7, 0.0, 0.0), "wire": ((0.02, 0.02, 0.02), 0.7, 0.0, 0.0),
    "letters": ((0.85, 0.83, 0.76), 0.5, 0.0, 0.0), "letters_dark": ((0.03, 0.03, 0.03), 0.5, 0.0, 0.0),
    "leaf0": ((0.030, 0.075, 0.018), 0.6, 0.0, 0.0), "leaf1": ((0.045, 0.110, 0.028), 0.6, 0.0, 0.0),
    "leaf2": ((0.022, 0.055, 0.016), 0.6, 0.0, 0.0), "leaf3": ((0.075, 0.145, 0.038), 0.6, 0.0, 0.0),
    "asphalt": ((0.14, 0.14, 0.138), 0.85, 0.0, 0.0)}

# name: (colour of the light, strength, object property it is multiplied with)
GLOW = {"tail": ((1.0, 0.03, 0.02), 0.7, "brake"), "head": ((1.0, 0.93, 0.80), 30.0, "lamps"),
        "lit_red": ((1.0, 0.03, 0.02), 4.0, "on"), "lit_yellow": ((1.0, 0.45, 0.02), 4.0, "on"),
        "lit_green": ((0.03, 0.85, 0.30), 4.0, "on")}


@lru_cache(maxsize=None)
def material(name: str, colour: tuple | None = None, roughness: float = 0.6):
    """A Blender material: one of SURFACES or, with a colour, a plain one of that name."""
    import bpy
    look = SURFACES.get(name, (colour, roughness, 0.0, 0.0))
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    rgb, rough, metallic, coat = look
    matte = rough >= 0.55 and not metallic and not coat and name not in GLOW
    tree, shader, colour_in = m.node_tree, *_shader(m, matte)
    colour_in.default_value = (*(rgb or (0.02, 0.02, 0.02)), 1)
    if not matte:
        shader.inputs["Roughness"].default_value = rough
        shader.inputs["Metallic"].default_value = metallic
        shader.inputs["Coat Weight"].default_value = coat
        shader.inputs["Coat Roughness"].default_value = 0.04
        if name in ("glass", "window"):   # tinted panes look darker to a camera than bare glass under an open sky
            shader.inputs["Specular IOR Level"].default_value = 0.22
    m.cycles.emission_sampling = "NONE"   # lamps are looked at, they need not light the scene

    def of_object(prop, output, socket):
        node = tree.nodes.new("ShaderNodeAttribute")
        node.attribute_type, node.attribute_name = "OBJECT", prop
        tree.links.new(node.outputs[output], socket)

    if name in PER_ACTOR:
        of_object(name, "Color", colour_in)
    if name in GLOW:
        light, strength, prop = GLOW[name]
        shader.inputs["Emission Color"].default_value = (*light, 1)
        times = tree.nodes.new("ShaderNodeMath")
        times.operation = "MULTIPLY"
        times.inputs[1].default_value = strength
        of_object(prop, "Fac", times.inputs[0])
        tree.links.new(times.outputs[0], shader.inputs["Emission Strength"])
    return m


def _shader(m, matte: bool):
    """The surface node and its colour input; a plain diffuse one costs a third of Principled's time."""
    tree = m.node_tree
    shader = tree.nodes["Principled BSDF"]
    if not matte:
        return shader, shader.inputs["Base Color"]
    tree.nodes.remove(shader)
    shader = tree.nodes.new("ShaderNodeBsdfDiffuse")
    tree.links.new(shader.outputs[0], tree.nodes["Material Output"].inputs["Surface"])
    return shader, shader.inputs["Color"]


def textured(name: str, image_path: str, extension="EXTEND", interpolation="Linear"):
    """A Blender material whose colour is a picture."""
    import bpy
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    _, colour_in = _shader(m, True)
    node = m.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(str(image_path))
    node.extension, node.interpolation = extension, interpolation
    m.node_tree.links.new(node.outputs["Color"], colour_in)
    m.cycles.emission_sampling = "NONE"
    return m
