#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/demo.sh - `make demo`: the sample set through the program, and a look at the result.
set -eu
: "${BUILD:=build}"
out=$BUILD/demo

# A newer program may have another configuration, which `prepare` would refuse.
[ "$out/dataset.json" -nt "$BUILD/latentmill" ] || rm -rf "$out"

show()
{
    echo
    echo "\$ $*"
    "$@"
}

show "$BUILD/latentmill" prepare --out "$out" tests/data/scenes-*.tar
show "$BUILD/latentmill" dump --limit 3 "$out"
cat <<END

The shards, rejects and manifests are in $out:
$(ls -sh "$out" | sed 1d)
More of them: $BUILD/latentmill dump $out | less; $BUILD/latentmill --help
END
