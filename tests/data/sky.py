# SPDX-License-Identifier: Apache-2.0
"""What is behind everything, and where its light comes from: directions (N, 3) in, light
(N, 3) out."""

import numpy as np

import noise
from paint import mix, smooth

# Per time of day: sun (colour, height), sky at the zenith and at the horizon, light of
# the sky.
SKIES = {
    "dawn": ((1.5, 0.85, 0.55), 0.16, (0.16, 0.24, 0.46), (0.86, 0.60, 0.52), 0.50),
    "noon": ((2.1, 2.0, 1.85), 0.95, (0.10, 0.26, 0.62), (0.52, 0.66, 0.82), 0.55),
    "afternoon": ((2.2, 1.8, 1.3), 0.48, (0.12, 0.27, 0.60), (0.66, 0.68, 0.70), 0.50),
    "sunset": ((2.0, 0.95, 0.38), 0.13, (0.15, 0.17, 0.38), (0.98, 0.46, 0.18), 0.42),
    "night": ((0.30, 0.33, 0.40), 0.55, (0.005, 0.008, 0.024), (0.025, 0.035, 0.07), 1.1),
}


# The land behind: colour of its foot, colour of its heights.
LANDS = {
    "meadow": ((0.06, 0.13, 0.04), (0.22, 0.22, 0.20)),
    "desert": ((0.42, 0.25, 0.13), (0.34, 0.17, 0.10)),
    "lake": ((0.05, 0.11, 0.06), (0.20, 0.20, 0.21)),
    "snow": ((0.55, 0.60, 0.68), (0.25, 0.27, 0.32)),
    "square": ((0.08, 0.14, 0.06), (0.2, 0.2, 0.2)),
}


SNOW_CAP = (0.8, 0.83, 0.9)


class Sky:
    """Sky, clouds, sun or moon, and the land on the horizon, of one scene."""

    def __init__(self, scene):
        self.scene = scene
        sun, height, self.zenith, self.horizon, self.ambient = SKIES[scene.time]
        side = -1 if scene.light == "left" else 1
        ahead = {"dawn": 0.9, "sunset": 0.9, "night": 0.8}.get(scene.time, -0.55)
        self.to_sun = np.float32((side * 0.62, height, ahead))
        self.to_sun /= np.linalg.norm(self.to_sun)
        dim = {"clear": 1.0, "clouds": 0.9, "overcast": 0.22, "fog": 0.35}[scene.weather]
        self.sun = np.float32(sun) * np.float32(dim)
        grey = {"overcast": 0.85, "fog": 0.7}.get(scene.weather, 0.0)
        self.zenith, self.horizon = (
            np.float32(c) * (1 - grey) + grey * np.float32(np.mean(c) * 1.15)
            for c in (self.zenith, self.horizon)
        )
        self.haze = {"fog": 0.055, "overcast": 0.009}.get(scene.weather, 0.006)
        self.ambient *= {"overcast": 0.8, "fog": 0.75}.get(scene.weather, 1.0)

    def colour(self, direction):
        up = np.clip(direction[:, 1], 0, 1)
        sky = mix(self.horizon, self.zenith, 1 - (1 - up) ** 3.5)
        sky = self._sun_and_stars(sky, direction)
        if self.scene.weather in ("clouds", "overcast"):
            sky = self._clouds(sky, direction, up)
        return self._land(sky, direction)

    def _sun_and_stars(self, sky, direction):
        toward = direction @ self.to_sun
        if self.scene.time == "night":
            x = np.floor(direction[:, 0] / np.maximum(direction[:, 2], 0.1) * 260)
            y = np.floor(direction[:, 1] / np.maximum(direction[:, 2], 0.1) * 260)
            star = noise.lattice(self.scene.seed, x, y)
            sky = (
                sky
                + (
                    np.where(star > 0.996, (star - 0.995) * 160, 0)
                    * smooth(0.02, 0.2, direction[:, 1])
                )[:, None]
            )
            disc = smooth(0.9985, 0.9989, toward)
            return mix(
                sky + (0.05 * np.maximum(toward, 0) ** 60)[:, None],
                (0.9, 0.88, 0.8),
                disc,
            )
        glow = 0.35 * np.maximum(toward, 0) ** 12 + 0.8 * np.maximum(toward, 0) ** 300
        sky = sky + glow[:, None] * self.sun * np.float32(0.4)
        if self.scene.weather == "clear":
            sky = sky + (6 * smooth(0.9988, 0.9993, toward))[:, None] * self.sun
        return sky

    def _clouds(self, sky, direction, up):
        t = 1 / np.maximum(up, 0.04)
        x, z = direction[:, 0] * t, direction[:, 2] * t
        density = noise.fractal(self.scene.seed + 7, 6, 0.9 * x, 0.9 * z)
        thick = (
            smooth(0.48, 0.68, density)
            if self.scene.weather == "clouds"
            else smooth(0.1, 0.7, density)
        )
        light = (
            np.float32(self.horizon) * np.float32(0.55)
            + self.sun * np.float32(0.28)
            + np.float32(0.12)
        )
        shade = smooth(0.45, 0.9, density)
        return mix(
            sky,
            light[None] * (1.0 - 0.45 * shade)[:, None],
            thick * smooth(0.015, 0.12, up) * 0.95,
        )

    def _land(self, sky, direction):
        """Ranges of hills or mountains, the farther the paler."""
        if not self.scene.background:
            return sky
        mountains = self.scene.background == "mountains"
        azimuth = direction[:, 0] / np.maximum(direction[:, 2], 0.2)
        height = direction[:, 1] / np.maximum(direction[:, 2], 0.2)
        foot, top = LANDS[self.scene.place]
        out = sky
        for row in range(3):
            seed = self.scene.seed + 31 * row
            octaves = 7 if mountains and row == 0 else 3
            ridge = noise.fractal(seed, octaves, azimuth * (2.2 + row) + 9)
            ridge = (
                (ridge - 0.18) * (0.42, 0.19, 0.09)[row] * (1.0 if mountains else 0.42)
            )
            relief = self._relief(seed, azimuth, height)
            land = mix(
                foot, top, np.clip(height / 0.2, 0, 1) if mountains else 0 * height
            )
            if mountains and row == 0:
                land = mix(
                    land, SNOW_CAP, smooth(0.10, 0.15, height + 0.10 * (relief - 0.5))
                )
            lit = land * (
                self.sun * 0.35 * relief[:, None] + np.mean(self.horizon) * self.ambient
            )
            air = (0.5, 0.32, 0.15)[row] * (1.6 if self.scene.weather == "fog" else 1.0)
            lit = lit * (1 - air) + self.horizon * np.float32(air)
            out = np.where((height < ridge)[:, None], lit, out)
        return out

    def _relief(self, seed, azimuth, height):
        """Light on slopes: the change of a height field toward the sun's side."""
        step = np.float32(0.02 * np.sign(self.to_sun[0]))
        here = noise.fractal(seed + 3, 5, azimuth * 7, height * 16)
        there = noise.fractal(seed + 3, 5, (azimuth + step) * 7, height * 16)
        return np.clip(0.55 + 5 * (here - there), 0.05, 1.5).astype(np.float32)


class Room:
    """What is behind a studio's floor or a table: a wall, lit by a lamp at one side."""

    def __init__(self, scene):
        side = -1 if scene.light == "left" else 1
        self.to_sun = np.float32((side * 0.6, 0.75, -0.45))
        self.to_sun /= np.linalg.norm(self.to_sun)
        self.sun, self.ambient, self.haze = np.float32((1.9, 1.75, 1.5)), 0.5, 0.0
        self.zenith = self.horizon = np.float32((0.45, 0.43, 0.42))
        pick = scene.seed % 4
        self.wall = np.float32(
            (
                (0.20, 0.26, 0.32),
                (0.36, 0.30, 0.23),
                (0.16, 0.20, 0.16),
                (0.32, 0.20, 0.19),
            )[pick]
        )
        self.side = side

    def colour(self, direction):
        pool = np.exp(
            -2.2 * (direction[:, 0] - 0.35 * self.side) ** 2
            - 3 * (direction[:, 1] - 0.25) ** 2
        )
        plaster = 0.92 + 0.16 * noise.fractal(
            41, 4, direction[:, 0] * 30, direction[:, 1] * 30
        )
        return self.wall * (0.35 + 1.1 * pool)[:, None] * plaster[:, None]
