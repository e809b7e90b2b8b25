# SPDX-License-Identifier: Apache-2.0
"""The bodies that things are made of, and where rays meet them.

A ray bundle is origin (N, 3) and direction (N, 3) of unit length. Every body answers
hit() with the distance of the first meeting (inf: none) and normal() for points on it.
Axes: x right, y up, z away."""

from dataclasses import dataclass

import numpy as np

NEAR = np.float32(1e-3)
FAR = np.float32(np.inf)


@dataclass
class Surface:
    """How a body looks: `paint` says the pattern, see paint.py."""

    colour: tuple
    paint: str = "plain"
    second: tuple = (0.8, 0.8, 0.78)  # the pattern's other colour
    mirror: float = 0.0  # share of light that is reflected
    gloss: float = 0.0  # highlight of the light source
    scale: float = 1.0  # size of the pattern
    origin: tuple = (0.0, 0.0, 0.0)
    turn: float = 0.0  # of the pattern about the upright axis


@dataclass
class Ball:
    centre: tuple
    radius: float
    surface: Surface

    def hit(self, origin, direction):
        to = origin - np.float32(self.centre)
        b = np.einsum("ij,ij->i", to, direction)
        c = np.einsum("ij,ij->i", to, to) - np.float32(self.radius**2)
        root = b * b - c
        inside = root > 0
        root = np.sqrt(np.where(inside, root, 0))
        near, far = -b - root, -b + root
        t = np.where(near > NEAR, near, far)
        return np.where(inside & (t > NEAR), t, FAR)

    def normal(self, point):
        return (point - np.float32(self.centre)) / np.float32(self.radius)


@dataclass
class Round:
    """Upright cylinder, cone or piece of one, closed: radius `low` below, `high` above."""

    x: float
    z: float
    bottom: float
    top: float
    low: float
    high: float
    surface: Surface

    def hit(self, origin, direction):
        slope = np.float32((self.high - self.low) / (self.top - self.bottom))
        ox, oz = origin[:, 0] - np.float32(self.x), origin[:, 2] - np.float32(self.z)
        dx, dy, dz = direction.T
        r = np.float32(self.low) + slope * (origin[:, 1] - np.float32(self.bottom))
        a = dx * dx + dz * dz - (slope * dy) ** 2
        b = ox * dx + oz * dz - r * slope * dy
        c = ox * ox + oz * oz - r * r
        root = b * b - a * c
        valid = (root > 0) & (np.abs(a) > 1e-9)
        a = np.where(valid, a, 1)
        root = np.sqrt(np.where(valid, root, 0))
        best = np.full(len(origin), FAR)
        for sign in (-1, 1):
            t = (-b + np.float32(sign) * root) / a
            y = origin[:, 1] + t * dy
            ok = valid & (t > NEAR) & (y >= self.bottom) & (y <= self.top)
            best = np.where(ok & (t < best), t, best)
        flat = np.where(np.abs(dy) > 1e-9, dy, np.float32(1e-9))
        for y, radius in ((self.bottom, self.low), (self.top, self.high)):
            t = (np.float32(y) - origin[:, 1]) / flat
            within = (ox + t * dx) ** 2 + (oz + t * dz) ** 2 < np.float32(radius**2)
            best = np.where(within & (t > NEAR) & (t < best), t, best)
        return best

    def normal(self, point):
        slope = (self.high - self.low) / (self.top - self.bottom)
        x, z = point[:, 0] - np.float32(self.x), point[:, 2] - np.float32(self.z)
        side = np.stack([x, -np.float32(slope) * np.hypot(x, z), z], 1)
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        edge = 1e-3 * (self.top - self.bottom)
        up, down = point[:, 1] > self.top - edge, point[:, 1] < self.bottom + edge
        on_cap = (up & (self.high > 0)) | (down & (self.low > 0))
        cap = np.zeros_like(side)
        cap[:, 1] = np.where(up, 1, -1)
        return np.where(on_cap[:, None], cap, side)


@dataclass
class Convex:
    """What lies behind all planes: normals (P, 3) and offsets (P,), n . p <= offset."""

    normals: np.ndarray
    offsets: np.ndarray
    surface: Surface

    def hit(self, origin, direction):
        enter, leave = np.full(len(origin), -FAR), np.full(len(origin), FAR)
        for n, offset in zip(self.normals.astype(np.float32), self.offsets):
            speed = direction @ n
            speed = np.where(np.abs(speed) > 1e-9, speed, np.float32(1e-9))
            t = (np.float32(offset) - origin @ n) / speed
            enter = np.where(speed < 0, np.maximum(enter, t), enter)
            leave = np.where(speed > 0, np.minimum(leave, t), leave)
        return np.where((enter < leave) & (enter > NEAR), enter, FAR)

    def normal(self, point):
        depth = point @ self.normals.T.astype(np.float32) - self.offsets.astype(
            np.float32
        )
        return self.normals.astype(np.float32)[np.argmax(depth, axis=1)]


def convex(centre, turn, faces, surface):
    """From (normal, offset) pairs around `centre`, turned about the upright axis."""
    c, s = np.cos(turn), np.sin(turn)
    normals = np.array(
        [(n[0] * c + n[2] * s, n[1], -n[0] * s + n[2] * c) for n, _ in faces], float
    )
    lengths = np.linalg.norm(normals, axis=1)
    normals /= lengths[:, None]
    offsets = np.array([o for _, o in faces]) / lengths + normals @ np.array(centre)
    return Convex(normals, offsets, surface)


def box(centre, turn, half, surface):
    faces = []
    for axis in range(3):
        for sign in (-1, 1):
            normal = [0, 0, 0]
            normal[axis] = sign
            faces.append((normal, half[axis]))
    return convex(centre, turn, faces, surface)
