# SPDX-License-Identifier: Apache-2.0
"""From a thing of scene.py to bodies: a house is a box and a prism, a fir a trunk and
cones."""

from dataclasses import replace

import numpy as np

from bodies import Ball, Round, Surface, box, convex
from scene import COLOURS

BARK = Surface((0.16, 0.09, 0.05), "wood", (0.10, 0.06, 0.03), scale=0.2)
COAL = Surface((0.03, 0.03, 0.03), gloss=0.3)


def bodies_of(thing, x, y, z, height, dice):
    """Bodies of `thing`, its foot at (x, y, z)."""
    return _BUILDERS[thing.kind](thing, np.array([x, y, z], float), height, dice)


def _surface(thing, foot, height):
    colour = COLOURS.get(thing.colour, (0.5, 0.5, 0.5))
    looks = {
        "shiny": dict(gloss=0.9, mirror=0.12),
        "metal": dict(gloss=1.0, mirror=0.55),
        "marble": dict(
            paint="marble",
            second=tuple(0.25 + 0.35 * c for c in colour),
            gloss=0.4,
            mirror=0.04,
        ),
        "striped": dict(paint="stripes", second=_other(thing.colour)),
        "wooden": dict(paint="wood", second=tuple(0.5 * c for c in colour)),
    }
    return Surface(
        colour, scale=height, origin=tuple(foot), **looks.get(thing.material, {})
    )


def _other(colour):
    return (0.85, 0.85, 0.82) if colour not in ("white", "yellow") else (0.12, 0.12, 0.16)


def _ball(thing, foot, height, dice):
    return [
        Ball(tuple(foot + (0, height / 2, 0)), height / 2, _surface(thing, foot, height))
    ]


def _cube(thing, foot, height, dice):
    half, turn = height / 2, dice.real(0.2, 1.3)
    surface = replace(_surface(thing, foot, height), turn=turn)
    return [box(foot + (0, half, 0), turn, (half, half, half), surface)]


def _cylinder(thing, foot, height, dice):
    r = 0.34 * height
    return [
        Round(
            foot[0],
            foot[2],
            foot[1],
            foot[1] + height,
            r,
            r,
            _surface(thing, foot, height),
        )
    ]


def _cone(thing, foot, height, dice):
    return [
        Round(
            foot[0],
            foot[2],
            foot[1],
            foot[1] + height,
            0.44 * height,
            0.0,
            _surface(thing, foot, height),
        )
    ]


def _pyramid(thing, foot, height, dice):
    half = 0.55 * height
    sides = [
        ((sx, half / height, sz), half) for sx, sz in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    return [
        convex(
            foot,
            dice.real(0.3, 1.2),
            sides + [((0, -1, 0), 0)],
            _surface(thing, foot, height),
        )
    ]


def _fir(thing, foot, height, dice):
    green = dice.real(0.7, 1.2)
    needles = Surface(
        (0.05 * green, 0.17 * green, 0.06 * green),
        "leaves",
        (0.02 * green, 0.08 * green, 0.03 * green),
        scale=0.05 * height,
    )
    x, y, z = foot
    parts = [Round(x, z, y, y + 0.25 * height, 0.05 * height, 0.04 * height, BARK)]
    for i in range(4):
        low = 0.16 + 0.19 * i
        parts.append(
            Round(
                x,
                z,
                y + low * height,
                y + min(low + 0.36, 1) * height,
                (0.29 - 0.06 * i) * height,
                0.0,
                needles,
            )
        )
    return parts


def _tree(thing, foot, height, dice):
    green = dice.real(0.8, 1.3)
    leaves = Surface(
        (0.13 * green, 0.28 * green, 0.06 * green),
        "leaves",
        (0.05 * green, 0.13 * green, 0.03 * green),
        scale=0.06 * height,
    )
    x, y, z = foot
    parts = [Round(x, z, y, y + 0.6 * height, 0.06 * height, 0.035 * height, BARK)]
    for i in range(22):
        up = 1 - 2 * (i + 0.5) / 22
        out = np.sqrt(1 - up * up) * dice.real(0.16, 0.24) * height
        centre = (
            x + out * np.cos(2.4 * i),
            y + (0.70 + 0.19 * up) * height,
            z + out * np.sin(2.4 * i),
        )
        parts.append(Ball(centre, dice.real(0.08, 0.13) * height, leaves))
    return parts


def _house(thing, foot, height, dice):
    turn = dice.real(-0.6, 0.6)
    w, d, wall = 0.5 * height, 0.38 * height, 0.3 * height
    walls = Surface(
        COLOURS[thing.colour],
        "windows",
        (0.05, 0.05, 0.07),
        scale=height,
        origin=tuple(foot),
        turn=turn,
    )
    tiles = Surface(
        dice.pick(((0.30, 0.10, 0.06), (0.16, 0.15, 0.16), (0.24, 0.15, 0.09))),
        "tiles",
        (0.08, 0.05, 0.05),
        scale=0.05 * height,
        turn=turn,
    )
    rise = 0.4 * height
    eaves = foot + (0, 2 * wall, 0)
    slope = (d * 1.12) / rise
    roof = [
        ((0, slope, 1), slope * rise),
        ((0, slope, -1), slope * rise),
        ((0, -1, 0), 0.0),
        ((1, 0, 0), w * 1.08),
        ((-1, 0, 0), w * 1.08),
    ]
    chimney = eaves + (
        0.25 * height * np.cos(turn),
        0.28 * height,
        -0.25 * height * np.sin(turn),
    )
    return [
        box(foot + (0, wall, 0), turn, (w, wall, d), walls),
        convex(eaves, turn, roof, tiles),
        box(
            chimney,
            turn,
            (0.05 * height, 0.14 * height, 0.05 * height),
            Surface((0.3, 0.13, 0.09)),
        ),
    ]


def _tower(thing, foot, height, dice):
    x, y, z = foot
    wall = Surface(
        COLOURS[thing.colour],
        "bricks",
        tuple(0.6 * c for c in COLOURS[thing.colour]),
        scale=0.06 * height,
        origin=tuple(foot),
    )
    roof = Surface((0.20, 0.08, 0.06), "tiles", (0.09, 0.04, 0.03), scale=0.04 * height)
    return [
        Round(x, z, y, y + 0.7 * height, 0.2 * height, 0.17 * height, wall),
        Round(
            x, z, y + 0.66 * height, y + 0.72 * height, 0.21 * height, 0.21 * height, wall
        ),
        Round(x, z, y + 0.72 * height, y + height, 0.23 * height, 0.0, roof),
    ]


def _snowman(thing, foot, height, dice):
    snow = Surface((0.86, 0.88, 0.92), "snow", scale=0.1 * height)
    parts = []
    for low, r in ((-0.03, 0.22), (0.34, 0.165), (0.62, 0.12)):
        parts.append(Ball(tuple(foot + (0, (low + r) * height, 0)), r * height, snow))
    head = foot + (0, 0.74 * height, 0)
    for dx in (-0.045, 0.045):
        parts.append(
            Ball(tuple(head + np.array((dx, 0.03, -0.11)) * height), 0.016 * height, COAL)
        )
    for dy in (0.42, 0.5, 0.57):
        parts.append(
            Ball(tuple(foot + np.array((0, dy, -0.155)) * height), 0.018 * height, COAL)
        )
    carrot = Surface((0.85, 0.32, 0.05))
    parts.append(
        Ball(tuple(head + np.array((0, -0.01, -0.13)) * height), 0.026 * height, carrot)
    )
    x, y, z = foot
    parts.append(
        Round(
            x, z, y + 0.83 * height, y + 0.85 * height, 0.15 * height, 0.15 * height, COAL
        )
    )
    parts.append(
        Round(x, z, y + 0.85 * height, y + height, 0.09 * height, 0.09 * height, COAL)
    )
    return parts


def _rock(thing, foot, height, dice):
    grey = dice.real(0.8, 1.2)
    stone = Surface(
        (0.30 * grey, 0.28 * grey, 0.26 * grey),
        "stone",
        (0.16 * grey, 0.15 * grey, 0.14 * grey),
        scale=0.3 * height,
    )
    faces = [((0, -1, 0), 0.3 * height)]
    for i in range(22):
        up = dice.real(-0.3, 1)
        angle = 2.4 * i + dice.real(-0.3, 0.3)
        flat = np.sqrt(max(0.0, 1 - up * up))
        normal = (flat * np.cos(angle), up, flat * np.sin(angle))
        faces.append((normal, height * (0.72 - 0.12 * up) * dice.real(0.85, 1.05)))
    return [convex(foot + (0, 0.3 * height, 0), 0, faces, stone)]


def _balloon(thing, foot, height, dice):
    x, y, z = foot
    colour = COLOURS[thing.colour]
    cloth = Surface(
        colour, "gores", tuple(0.62 * c for c in colour), gloss=0.15, origin=tuple(foot)
    )
    r = 0.36 * height
    centre = y + height - r
    # Below, the cloth is a cone that touches the ball, cut off above its apex.
    apex = centre - 1.55 * r
    sine = 1 / 1.55
    cosine = np.sqrt(1 - sine * sine)
    mouth = y + 0.19 * height
    return [
        Ball((x, centre, z), r, cloth),
        Round(
            x,
            z,
            mouth,
            centre - r * sine,
            (mouth - apex) * sine / cosine,
            r * cosine,
            cloth,
        ),
        box(
            (x, y + 0.06 * height, z),
            0.3,
            (0.06 * height,) * 3,
            Surface((0.35, 0.22, 0.10), "bricks", (0.2, 0.12, 0.06), scale=0.03 * height),
        ),
    ]


_BUILDERS = {
    "ball": _ball,
    "cube": _cube,
    "cylinder": _cylinder,
    "cone": _cone,
    "pyramid": _pyramid,
    "fir": _fir,
    "tree": _tree,
    "house": _house,
    "tower": _tower,
    "snowman": _snowman,
    "rock": _rock,
    "balloon": _balloon,
}
