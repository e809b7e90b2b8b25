# SPDX-License-Identifier: Apache-2.0
"""Smooth noise over points of a plane or of space, from hashed lattice points. Shapes:
arrays of any shape in, the same shape out, values in [0, 1)."""

import numpy as np

_PRIMES = (np.uint32(374761393), np.uint32(668265263), np.uint32(2246822519))


def lattice(seed, *cells):
    """A number in [0, 1) for each cell of integer coordinates."""
    h = np.full(cells[0].shape, np.uint32(seed * 2654435761 % 2**32))
    for cell, prime in zip(cells, _PRIMES):
        h = (h ^ cell.astype(np.int64).astype(np.uint32)) * prime
        h ^= h >> np.uint32(15)
    h *= np.uint32(2654435769)
    h ^= h >> np.uint32(13)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def value(seed, *coordinates):
    """Value noise: lattice numbers blended by a smoothstep in each direction."""
    cells = [np.floor(c) for c in coordinates]
    weights = [(c - f) * (c - f) * (3 - 2 * (c - f)) for c, f in zip(coordinates, cells)]
    total = np.zeros(coordinates[0].shape, np.float32)
    for corner in range(1 << len(cells)):
        weight = np.ones_like(total)
        at = []
        for axis, (cell, w) in enumerate(zip(cells, weights)):
            bit = corner >> axis & 1
            at.append(cell + bit)
            weight = weight * (w if bit else 1 - w)
        total += weight * lattice(seed, *at)
    return total


def fractal(seed, octaves, *coordinates):
    """Octaves of value noise, each of twice the frequency and half the weight."""
    total = np.zeros(coordinates[0].shape, np.float32)
    weight = 0.5
    for octave in range(octaves):
        scale = 2.0**octave
        total += np.float32(weight) * value(
            seed + octave, *[c * np.float32(scale) for c in coordinates]
        )
        weight /= 2
    return total / (1 - 0.5**octaves)
