# SPDX-License-Identifier: Apache-2.0
"""Colours of surfaces and grounds as linear light: points (N, 3) in, colours (N, 3)
out."""

import numpy as np

import noise


def mix(a, b, share):
    share = np.asarray(share, np.float32)[..., None]
    return np.float32(a) * (1 - share) + np.float32(b) * share


def smooth(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def surface_colour(surface, point, normal):
    local = (point - np.float32(surface.origin)) / np.float32(surface.scale)
    c, s = np.float32(np.cos(surface.turn)), np.float32(np.sin(surface.turn))
    x, y, z = (
        local[:, 0] * c - local[:, 2] * s,
        local[:, 1],
        local[:, 0] * s + local[:, 2] * c,
    )
    normal = np.stack(
        [
            normal[:, 0] * c - normal[:, 2] * s,
            normal[:, 1],
            normal[:, 0] * s + normal[:, 2] * c,
        ],
        1,
    )
    return mix(surface.colour, surface.second, _PATTERNS[surface.paint](x, y, z, normal))


def _marble(x, y, z, normal):
    bend = noise.fractal(11, 5, 4 * x, 4 * y, 4 * z)
    return np.abs(np.sin(6 * x + 4 * y + 9 * bend)) ** 6 * 0.9


def _wood(x, y, z, normal):
    ring = np.hypot(x + 0.3, z - 0.2) * 14 + 2.5 * noise.fractal(
        12, 3, 2 * x, 0.6 * y, 2 * z
    )
    fibre = noise.value(13, 40 * x, 3 * y, 40 * z)
    return 0.55 * (ring - np.floor(ring)) ** 2 + 0.35 * fibre


def _windows(x, y, z, normal):
    """On each wall two windows and, left of the middle, a door."""
    across = np.where(np.abs(normal[:, 2]) > np.abs(normal[:, 0]), x, z)
    window = (np.abs(np.abs(across) - 0.22) < 0.07) & (np.abs(y - 0.36) < 0.09)
    frame = (np.abs(np.abs(across) - 0.22) < 0.012) | (np.abs(y - 0.36) < 0.012)
    door = (np.abs(across) < 0.07) & (y < 0.30)
    dark = window & ~frame | door
    return np.where(dark, 1.0, 0.15 * noise.fractal(14, 3, 20 * x, 20 * y, 20 * z))


_PATTERNS = {
    "plain": lambda x, y, z, n: 0.06 * noise.fractal(10, 3, 9 * x, 9 * y, 9 * z),
    "stripes": lambda x, y, z, n: (np.floor(7 * y + 0.25) % 2).astype(np.float32),
    "windows": _windows,
    "marble": _marble,
    "wood": _wood,
    "leaves": lambda x, y, z, n: smooth(0.25, 0.75, noise.fractal(15, 3, x, y, z)),
    "stone": lambda x, y, z, n: smooth(
        0.2, 0.8, noise.fractal(16, 5, 3 * x, 3 * y, 3 * z)
    ),
    "snow": lambda x, y, z, n: 0.25 * noise.fractal(17, 3, x, y, z),
    "tiles": lambda x, y, z, n: 0.6 * (y - np.floor(y)) ** 2
    + 0.4
    * noise.lattice(18, np.floor(x + 0.5 * (np.floor(y) % 2)), np.floor(y), np.floor(z)),
    "bricks": lambda x, y, z, n: 0.5
    * noise.lattice(
        19, np.floor(0.5 * x + 0.5 * (np.floor(y) % 2)), np.floor(y), np.floor(0.5 * z)
    )
    + 0.5 * ((y - np.floor(y)) < 0.12),
    "gores": lambda x, y, z, n: (
        np.floor(np.arctan2(n[:, 0], -n[:, 2]) * 8 / np.pi) % 2
    ).astype(np.float32),
}


def _detail(seed, octaves, scale, point):
    """Ground noise that fades where it would be finer than a pixel."""
    far = np.exp(-np.maximum(point[:, 2], 0) * np.float32(0.035 * scale))
    return (
        0.5
        + (noise.fractal(seed, octaves, point[:, 0] * scale, point[:, 2] * scale) - 0.5)
        * far
    )


def _meadow(point):
    blades = _detail(21, 4, 9.0, point)
    patches = noise.fractal(22, 3, point[:, 0] * 0.4, point[:, 2] * 0.25)
    green = mix(
        (0.055, 0.12, 0.025),
        (0.20, 0.30, 0.07),
        smooth(0.2, 0.8, 0.6 * blades + 0.4 * patches),
    )
    flower = (
        noise.lattice(23, np.floor(point[:, 0] * 22), np.floor(point[:, 2] * 16)) > 0.992
    )
    near = (point[:, 2] < 11) & flower
    return np.where(near[:, None], np.float32((0.65, 0.6, 0.25)), green)


def _sand(point):
    ripple = np.sin(
        point[:, 2] * 9 + 3 * noise.fractal(24, 3, point[:, 0] * 0.8, point[:, 2] * 0.8)
    )
    ripple *= np.exp(-np.abs(point[:, 2]) * 0.08)
    grain = _detail(25, 3, 30.0, point)
    return mix(
        (0.40, 0.27, 0.13),
        (0.72, 0.54, 0.31),
        np.clip(0.5 + 0.22 * ripple + 0.5 * (grain - 0.5), 0, 1),
    )


def _snow(point):
    drift = noise.fractal(26, 4, point[:, 0] * 0.5, point[:, 2] * 0.35)
    return mix(
        (0.60, 0.66, 0.78),
        (0.90, 0.92, 0.96),
        0.75 * drift + 0.25 * _detail(27, 3, 14.0, point),
    )


def _cells(point, size, shift):
    row = np.floor(point[:, 2] / size)
    x = point[:, 0] / size + shift * (row % 2)
    edge = np.minimum(
        np.abs(x - np.round(x)), np.abs(point[:, 2] / size - np.round(point[:, 2] / size))
    )
    return np.floor(x), row, smooth(0.0, 0.05, edge)


def _paving(point):
    column, row, inside = _cells(point, 0.7, 0.5)
    tone = noise.lattice(28, column, row)
    stone = mix(
        (0.20, 0.19, 0.18),
        (0.40, 0.37, 0.34),
        0.6 * tone + 0.4 * _detail(29, 4, 8.0, point),
    )
    return stone * (0.45 + 0.55 * inside)[:, None]


def _checkers(point):
    column, row, _ = _cells(point + np.float32((0.35, 0, 0)), 1.0, 0)
    return mix(
        (0.05, 0.05, 0.055), (0.75, 0.74, 0.70), ((column + row) % 2).astype(np.float32)
    )


def _planks(point):
    plank = np.floor(point[:, 0] / 0.8)
    across = point[:, 0] / 0.8 - plank
    shift = noise.lattice(30, plank, plank)
    grain = noise.fractal(31, 4, point[:, 0] * 9, point[:, 2] * 0.7 + 50 * shift)
    wave = np.sin(28 * across + 12 * grain)
    wood = mix(
        (0.16, 0.075, 0.03),
        (0.42, 0.23, 0.10),
        np.clip(0.35 * shift + 0.5 * grain + 0.12 * wave, 0, 1),
    )
    gap = np.minimum(across, 1 - across)
    return wood * (0.3 + 0.7 * smooth(0.0, 0.025, gap))[:, None]


def _water(point):
    return np.broadcast_to(np.float32((0.015, 0.05, 0.07)), point.shape)


GROUNDS = {
    "meadow": _meadow,
    "desert": _sand,
    "lake": _water,
    "snow": _snow,
    "square": _paving,
    "studio": _checkers,
    "table": _planks,
}
