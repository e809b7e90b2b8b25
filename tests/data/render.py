# SPDX-License-Identifier: Apache-2.0
"""Draw a scene of scene.py: rays through each pixel, light, shadows, one reflection,
grain of film."""

import numpy as np

import noise
from bodies import FAR
from paint import GROUNDS, mix, smooth, surface_colour
from scene import KINDS, SIZES, Dice
from sky import Room, Sky
from things import bodies_of

SAMPLES = 2  # a pixel's side is cut into so many


class Stage:
    """The bodies of a scene, its ground and its light."""

    def __init__(self, scene, width, height):
        self.scene = scene
        self.cutout = scene.place == "cutout"
        self.ground = GROUNDS.get(scene.place)
        indoor = scene.place in ("studio", "table", "cutout")
        self.sky = Room(scene) if indoor else Sky(scene)
        # Half the view's width and height at distance 1; the eye's height; where the
        # horizon is.
        longest = max(width, height)
        reach = 0.52 if longest < 1.8 * min(width, height) else 0.85
        self.half_x, self.half_y = reach * width / longest, reach * height / longest
        self.eye = 0.5 * self.half_y * 7
        self.horizon = 0.02 if self.cutout else 0.18
        self.bodies, self.feet = [], []
        dice = Dice("bodies of %d" % scene.seed)
        for thing in scene.things:
            self._place(thing, dice)

    def _place(self, thing, dice):
        z = 5.0 + 4.0 * thing.depth
        slot = 2 * self.half_x * z / len(self.scene.things)
        most = min(0.95 * slot / KINDS[thing.kind].width, 1.1 * self.half_y * z)
        height = most * SIZES[thing.size] / SIZES["large"]
        x = thing.x * self.half_x * z
        y = 0.0
        if thing.kind == "balloon":
            height *= 0.6
            y = self.eye + self.half_y * z * dice.real(0.0, 0.25)
        elif self.scene.place == "lake" and thing.kind != "rock":
            y = -0.12 * height
        self.bodies += bodies_of(thing, x, y, z, height, dice)
        self.feet.append((x, z, 0.5 * height * KINDS[thing.kind].width, y <= 0))


def render(scene, width, height, grain=0.008):
    """Picture (height, width, 3) in [0, 1], sRGB-encoded, and cover (height, width)."""
    stage = Stage(scene, width, height)
    w, h = width * SAMPLES, height * SAMPLES
    light, cover = np.empty((h, w, 3), np.float32), np.empty((h, w), np.float32)
    x = ((np.arange(w, dtype=np.float32) + 0.5) / w * 2 - 1) * np.float32(stage.half_x)
    band = max(1, 400_000 // w)
    for top in range(0, h, band):
        rows = np.arange(top, min(top + band, h), dtype=np.float32)
        y = (1 - (rows + 0.5) / h * 2 - np.float32(stage.horizon)) * np.float32(
            stage.half_y
        )
        direction = np.stack(
            np.broadcast_arrays(x[None, :], y[:, None], np.float32(1)), -1
        ).reshape(-1, 3)
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        origin = np.broadcast_to(np.float32((0, stage.eye, 0)), direction.shape)
        colour, hit = trace(stage, origin, direction, bounces=1)
        light[top : top + band] = colour.reshape(-1, w, 3)
        cover[top : top + band] = hit.reshape(-1, w)
    shrink = (height, SAMPLES, width, SAMPLES)
    picture = develop(stage, light.reshape(shrink + (3,)).mean((1, 3)), grain)
    return picture, cover.reshape(shrink).mean((1, 3))


def nearest(stage, origin, direction):
    """Distance and number of the first body met; -1 is the ground, -2 nothing."""
    best, which = np.full(len(origin), FAR), np.full(len(origin), -2)
    for i, body in enumerate(stage.bodies):
        t = body.hit(origin, direction)
        closer = t < best
        best, which = np.where(closer, t, best), np.where(closer, i, which)
    if stage.ground:
        down = np.minimum(direction[:, 1], -1e-6)
        t = -origin[:, 1] / down
        met = (t < np.minimum(best, 2000)) & (origin[:, 1] > 1e-4)
        if stage.scene.place == "table":
            met &= origin[:, 2] + t * direction[:, 2] < 11.5
        best, which = np.where(met, t, best), np.where(met, -1, which)
    return best, which


def trace(stage, origin, direction, bounces):
    """Light (N, 3) that comes along each ray, and whether it met a body or the ground."""
    t, which = nearest(stage, origin, direction)
    colour = stage.sky.colour(direction)
    for i in range(-1, len(stage.bodies)):
        at = np.flatnonzero(which == i)
        if len(at):
            point = origin[at] + direction[at] * t[at, None]
            shaded = shade(stage, i, point, direction[at], bounces)
            air = 1 - np.exp(-np.float32(stage.sky.haze) * t[at])
            colour[at] = mix(0, 1, air) * stage.sky.horizon + shaded * (1 - air)[:, None]
    return colour, which > -2


def shade(stage, i, point, direction, bounces):
    if i < 0:
        normal = ground_normal(stage.scene.place, point)
        albedo, mirror, gloss = stage.ground(point), *ground_mirror(
            stage.scene.place, direction
        )
    else:
        surface = stage.bodies[i].surface
        normal = stage.bodies[i].normal(point)
        albedo = surface_colour(surface, point, normal)
        if surface.paint in ("leaves", "stone", "snow"):
            normal = rough(normal, point / np.float32(surface.scale), 0.8)
        facing = np.clip(-np.einsum("ij,ij->i", normal, direction), 0, 1)
        mirror = (
            surface.mirror
            + (1 - surface.mirror) * (surface.gloss > 0) * 0.5 * (1 - facing) ** 5
        )
        gloss = surface.gloss
    sky = stage.sky
    toward = np.clip(normal @ sky.to_sun, 0, 1)
    lit = toward * sunlight(stage, point + normal * np.float32(2e-3))
    around = sky.ambient * (0.55 + 0.45 * normal[:, 1]) * contact(stage, i, point)
    sky_light = (np.float32(sky.zenith) + np.float32(sky.horizon)) * np.float32(0.9)
    colour = albedo * (lit[:, None] * sky.sun + around[:, None] * sky_light)
    back = direction - 2 * np.einsum("ij,ij->i", normal, direction)[:, None] * normal
    if np.any(np.asarray(mirror) > 0):
        if bounces:
            seen, _ = trace(stage, point + normal * np.float32(4e-3), back, bounces - 1)
        else:
            seen = sky.colour(back)
        tint = albedo if np.mean(mirror) > 0.4 and i >= 0 else np.float32(1)
        share = np.broadcast_to(mirror, lit.shape)[:, None]
        colour = colour * (1 - share) + seen * tint * share
    if gloss:
        colour = (
            colour
            + (gloss * lit * np.clip(back @ sky.to_sun, 0, 1) ** 60)[:, None] * sky.sun
        )
    return colour


def ground_normal(place, point):
    normal = np.zeros_like(point)
    normal[:, 1] = 1
    if place == "lake":
        strength = 0.035 * np.exp(-point[:, 2] * 0.03)
        for axis, seed in ((0, 51), (2, 52)):
            wave = noise.fractal(seed, 3, point[:, 0] * 1.3, point[:, 2] * 2.2) - 0.5
            normal[:, axis] = strength * wave
    elif place in ("meadow", "desert", "snow"):
        for axis, seed in ((0, 53), (2, 54)):
            normal[:, axis] = 0.5 * (
                noise.fractal(seed, 4, point[:, 0] * 0.9, point[:, 2] * 0.7) - 0.5
            )
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def ground_mirror(place, direction):
    """Share of reflected light, and gloss, of the ground."""
    grazing = (1 - np.abs(direction[:, 1])) ** 5
    if place == "lake":
        return 0.08 + 0.85 * grazing, 0.8
    if place == "studio":
        return 0.07 + 0.3 * grazing, 0.0
    if place == "table":
        return 0.02 + 0.12 * grazing, 0.0
    return 0.0, 0.0


def rough(normal, local, strength):
    bumps = [noise.fractal(60 + axis, 3, *local.T) - 0.5 for axis in range(3)]
    normal = normal + np.float32(strength) * np.stack(bumps, 1)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def sunlight(stage, point):
    """Share of the sun that reaches each point: a ray to a random place on its disc."""
    spread = 0.05 if isinstance(stage.sky, Room) else 0.015
    if stage.scene.weather in ("overcast", "fog"):
        spread = 0.2
    bits = (point * 7919).astype(np.float32)
    jitter = [noise.lattice(70 + axis, *np.floor(bits).T) - 0.5 for axis in range(3)]
    direction = stage.sky.to_sun + np.float32(2 * spread) * np.stack(jitter, 1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    open_sky = np.ones(len(point), bool)
    for body in stage.bodies:
        open_sky &= ~np.isfinite(body.hit(point, direction))
    return open_sky.astype(np.float32)


def contact(stage, i, point):
    """How open the sky is over a point: less so around the feet of things."""
    share = np.ones(len(point), np.float32)
    if i >= 0:
        return 0.55 + 0.45 * smooth(-0.05, 0.6, point[:, 1]) if stage.ground else share
    for x, z, radius, stands in stage.feet:
        if stands:
            near = ((point[:, 0] - x) ** 2 + (point[:, 2] - z) ** 2) / (
                1.3 * radius + 1e-3
            ) ** 2
            share *= 1 - np.float32(0.55) * np.exp(-near)
    return share


def develop(stage, light, grain):
    """Linear light to a picture: exposure, soft highlights, dark corners, grain, sRGB."""
    h, w, _ = light.shape
    exposure = {"night": 3.2, "dawn": 1.1}.get(stage.scene.time, 0.9)
    grey = light.mean(2, keepdims=True)
    light = grey + np.float32(1.1) * (light - grey)
    light = 1 - np.exp(-np.float32(exposure * 1.25) * np.maximum(light, 0))
    if not stage.cutout:
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
        light *= (1 - 0.16 * (x * x + y * y) / 2)[..., None]
    encoded = np.where(
        light <= 0.0031308,
        12.92 * light,
        1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055,
    )
    film = np.random.Generator(np.random.PCG64(stage.scene.seed)).standard_normal(
        light.shape, np.float32
    )
    return np.clip(encoded + np.float32(grain) * film, 0, 1)
