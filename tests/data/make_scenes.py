#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the sample set of tests/data, or captions alone.

usage: make_scenes.py --captions N

--captions N writes N captions of random scenes to stdout, one a line, the same on every machine.
"""
import argparse
import sys

import scene


def write_captions(n):
    for i in range(n):
        drawn = scene.scene_draw(1000 + i)
        width, height = 64 * (4 + i % 13), 64 * (4 + i % 11)
        print(scene.captions(drawn, 1, width, height, grey=i % 16 == 15)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captions", type=int, metavar="N", required=True,
                        help="write N captions to stdout")
    args = parser.parse_args()
    write_captions(args.captions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
