"""The world as Blender objects: built once, then moved from frame to frame."""
import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from . import light, plates, road, street
from .materials import PALETTE, material, textured
from .mesh import Builder, Mesh
from .models import build, build_wheel, plate_frame
from .world import World

CONDENSED = "/usr/share/fonts/truetype/dejavu/DejaVuSansCondensed-Bold.ttf"
EXTRA = {"sign_red": (0.50, 0.015, 0.02), "sign_white": (0.70, 0.70, 0.68), "sign_blue": (0.02, 0.09, 0.42),
         "lens_red": (0.045, 0.010, 0.010), "lens_yellow": (0.045, 0.030, 0.008), "lens_green": (0.008, 0.040, 0.018)}
AWNINGS = [(0.45, 0.08, 0.06), (0.08, 0.25, 0.40), (0.10, 0.30, 0.15), (0.55, 0.50, 0.42)]


def blender_mesh(name: str, mesh: Mesh, named=None, smooth_deg=40.0):
    """A Blender mesh; `named` overrides materials by name."""
    me = bpy.data.meshes.new(name)
    me.from_pydata(mesh.vertices.tolist(), [], mesh.faces)
    me.update()
    names = sorted(set(mesh.materials))
    for n in names:
        me.materials.append((named or {}).get(n) or material(n))
    index = {n: i for i, n in enumerate(names)}
    me.polygons.foreach_set("material_index", [index[n] for n in mesh.materials])
    me.polygons.foreach_set("use_smooth", [True] * len(mesh.faces))
    if mesh.uv:
        layer = me.uv_layers.new()
        for i, corners in mesh.uv.items():
            for loop, uv in zip(me.polygons[i].loop_indices, corners):
                layer.data[loop].uv = uv
    me.set_sharp_from_angle(angle=math.radians(smooth_deg))
    return me


def add(name, me):
    o = bpy.data.objects.new(name, me)
    bpy.context.scene.collection.objects.link(o)
    return o


def text(body, at, size, mat, turn=0.0):
    curve = bpy.data.curves.new("text", "FONT")
    curve.body, curve.size, curve.align_x, curve.extrude = body, size, "CENTER", 0.008
    curve.font = bpy.data.fonts.load(CONDENSED, check_existing=True)
    curve.materials.append(mat)
    o = add("text", curve)
    o.location, o.rotation_euler = at, (math.pi / 2, 0, turn)


class Stage:
    """Builds everything of a world; `move` sets the actors, `signal` the lamps."""

    def __init__(self, world: World, cache: Path, camera_y: float = 0.0):
        self.world, self.cache, self.camera_y = world, cache, camera_y
        cache.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        light.make(world.config["light"])
        self.signal_level = world.config["light"].get("signal_level", 1.0)   # lamps are dimmed after dark
        self.head_light_w = world.config["light"].get("head_light_w", 0.0)
        self._ground()
        self._street()
        self.lamps = self._signals()
        self.bodies = {}
        self.cast(world)

    def cast(self, world: World):
        """Replaces all actors by those of another world on the same road."""
        for o in [part for poses in self.bodies.values() for o, _ in poses.values() for part in (*o.children, o)]:
            bpy.data.objects.remove(o)
        for me in [m for m in bpy.data.meshes if not m.users]:
            for m in me.materials:
                if m and m.name.startswith("plate ") and m.users == 1:
                    for node in m.node_tree.nodes:
                        if node.type == "TEX_IMAGE":
                            bpy.data.images.remove(node.image)
                    bpy.data.materials.remove(m)
            bpy.data.meshes.remove(me)
        self.world, self._at = world, {}
        self.bodies = {a.id: self._actor(a) for a in world.actors}

    def _ground(self):
        b = Builder()
        b.add([(x, y + self.camera_y, -0.004) for x, y in ((-90, -40), (90, -40), (90, 300), (-90, 300))], [(0, 1, 2, 3)], "asphalt")
        named = {}
        for i, sheet in enumerate(road.sheets(self.world.road, self.camera_y)):
            path = self.cache / f"road{i}-{self.camera_y:.0f}.png"
            sheet.save(path)
            named[f"sheet{i}"] = textured(f"sheet{i}", path)
            corners = [(sheet.x0, sheet.y0, 0.0), (sheet.x1, sheet.y0, 0.0), (sheet.x1, sheet.y1, 0.0), (sheet.x0, sheet.y1, 0.0)]
            b.add(corners, [(0, 1, 2, 3)], f"sheet{i}", {0: [(0, 0), (1, 0), (1, 1), (0, 1)]})
        add("ground", blender_mesh("ground", b.mesh(), named))

    def _street(self):
        world_road = self.world.road
        tile = material("tile", (0.26, 0.24, 0.22), 0.85)
        tree_nodes = tile.node_tree
        brick, place = tree_nodes.nodes.new("ShaderNodeTexBrick"), tree_nodes.nodes.new("ShaderNodeNewGeometry")
        for i, c in ((1, (0.28, 0.255, 0.23, 1)), (2, (0.215, 0.20, 0.185, 1)), (3, (0.11, 0.10, 0.095, 1))):
            brick.inputs[i].default_value = c
        brick.inputs["Scale"].default_value, brick.inputs["Mortar Size"].default_value = 1.6, 0.012
        tree_nodes.links.new(place.outputs["Position"], brick.inputs["Vector"])
        tree_nodes.links.new(brick.outputs[0], tree_nodes.nodes["Diffuse BSDF"].inputs["Color"])
        named = {"tile": tile, "grass": material("grass", (0.070, 0.082, 0.036), 0.95)} | {k: material(k, c, 0.4) for k, c in EXTRA.items()}
        b = Builder()
        street.add_pavements(b, world_road["surface"])
        for head in world_road.get("head", []):
            street.signal_head(b, head)
        letters = [street.sign(b, s) for s in world_road.get("sign", [])]
        for body, at, size in filter(None, letters):
            text(body, at, size, material("letters_dark"))
        add("street", blender_mesh("street", b.mesh(), named))
        add("furniture", blender_mesh("furniture", street.furniture(world_road).mesh(), named))
        shapes = [blender_mesh(f"tree{i}", street.tree(40 + i).mesh()) for i in range(street.TREES)]
        for which, at, size, turn in street.tree_places(world_road):
            o = add("tree", shapes[which])
            o.location, o.scale, o.rotation_euler = (*at, 0.1), (size,) * 3, (0, 0, turn)
        if "houses" in world_road:
            self._houses(world_road["houses"], world_road["surface"])

    def _houses(self, h, surface):
        palette = {f"wall{i}": material(f"wall{i}", c, 0.85) for i, c in enumerate(street.WALLS)}
        palette |= {f"shop{i}": material(f"shop{i}", c, 0.4) for i, (_, c) in enumerate(street.SHOPS)}
        palette |= {f"awning{i}": material(f"awning{i}", c, 0.8) for i, c in enumerate(AWNINGS)}
        for k, x, y, turn in street.house_places(h, surface):
            b, words, _ = street.house(k, street.HOUSE_W)
            o = add("house", blender_mesh(f"house{k}", b.mesh(), palette))
            o.matrix_world = Matrix.Translation((x, y, 0.15)) @ Matrix.Rotation(turn, 4, "Z")
            text(words, o.matrix_world @ Matrix.Translation((0, -0.30, 2.86)).translation, 0.55, material("letters"), turn)

    def _signals(self):
        lamps = {}
        for head in self.world.road.get("head", []):
            for name, dz in street.LAMPS:
                b = Builder()
                street.lamp(b, f"lit_{name}", head, dz)
                o = add(f"lamp {head['name']} {name}", blender_mesh("lamp", b.mesh()))
                o["on"] = 0.0
                lamps[head["group"], head["name"], name] = o
        return lamps

    def _actor(self, actor):
        """{pose: (object, [(wheel object, place)])}"""
        colours = {k: [*PALETTE[v]] for k, v in actor.colours.items()}
        out = {}
        for pose in actor.poses():
            built = build(actor.look, pose)
            key = f"{actor.look} {pose}"
            o = add(f"{actor.id} {pose}", bpy.data.meshes.get(key) or blender_mesh(key, built.mesh))
            for k, c in colours.items():
                o[k] = c
            o["brake"], o["lamps"] = 0.0, 0.0
            wheels = []
            for place in built.wheels:
                key = f"wheel {actor.model}"
                w = add(key, bpy.data.meshes.get(key) or blender_mesh(key, build_wheel(actor.model)))
                w.parent = o
                wheels.append((w, place))
            for side, place in built.plates.items():
                if actor.plate:
                    p = add("plate", self._plate(actor, place[2]))
                    p.parent = o
                    turn, middle = plate_frame((place, side))
                    m = np.eye(4)
                    m[:3, :3], m[:3, 3] = turn, middle
                    p.matrix_local = Matrix(m.tolist())
            if self.head_light_w and actor.cls not in ("bicycle", "pedestrian"):
                beam = add(f"beam {actor.id}", light.head_light(self.head_light_w * (0.6 if actor.cls == "motorcycle" else 1.0)))
                beam.parent = o
                height = 0.95 if actor.cls == "motorcycle" else 0.70
                beam.matrix_local = (Matrix.Translation((0, actor.length / 2 + 0.12, height))
                                     @ Matrix.Rotation(math.radians(90 - light.BEAM_DOWN_DEG), 4, "X"))
            out[pose] = (o, wheels)
        return out

    def _plate(self, actor, shape):
        key = f"plate {actor.plate} {shape}"
        if me := bpy.data.meshes.get(key):
            return me
        path = plates.write(self.cache / "plates", actor.plate, actor.plate_kind, shape)
        w, h = plates.PLATE_M[shape]
        b = Builder()
        b.add([(-w / 2, 0, -h / 2), (w / 2, 0, -h / 2), (w / 2, 0, h / 2), (-w / 2, 0, h / 2)], [(0, 1, 2, 3)], "plate",
              {0: [(0, 0), (1, 0), (1, 1), (0, 1)]})
        return blender_mesh(key, b.mesh(), {"plate": textured(key, path, interpolation="Cubic")})

    def move(self, actor, state, shown: bool, lamps_on: bool = False):
        """Puts an actor where it is; hides the poses it does not take."""
        pose = actor.pose(state)
        for name, (o, wheels) in self.bodies[actor.id].items():
            hidden = not shown or name != pose
            if o.hide_render != hidden:
                o.hide_render = hidden
                for child in o.children:
                    child.hide_render = hidden
            if hidden:
                continue
            now = (state.x, state.y, state.heading, state.roll, state.travelled)
            if self._at.get((actor.id, name)) == now:
                continue   # unmoved: Blender need not look at it again
            self._at[actor.id, name] = now
            o.matrix_world = Matrix(state.matrix.tolist())
            for w, place in wheels:
                turn = -state.travelled / actor.measures["wheel_r"]
                w.matrix_local = Matrix.Translation(place) @ Matrix.Rotation(turn, 4, "X")
        for name, (o, _) in self.bodies[actor.id].items():
            brake = 1.0 if actor.brake(state) else (0.35 if lamps_on else 0.05)
            on = 1.0 if lamps_on else (0.03 if actor.cls == "motorcycle" else 0.0)
            if o["brake"] != brake or o["lamps"] != on:
                o["brake"], o["lamps"] = brake, on
                o.update_tag()

    def hide_all(self):
        for actor in self.world.actors:
            for o, _ in self.bodies[actor.id].values():
                o.hide_render = True
                for child in o.children:
                    child.hide_render = True

    def signal(self, group: str, state: str):
        for (g, _, name), o in self.lamps.items():
            on = self.signal_level * (name == state)
            if g == group and o["on"] != on:
                o["on"] = on
                o.update_tag()
