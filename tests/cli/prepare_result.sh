# SPDX-License-Identifier: Apache-2.0
# All of a manifest's `result` is the same whatever the workers and the batch, where inputs
# of every kind share the conveyor: what is counted of a sample is that sample's.
. tests/cli/expect.sh

# Pairs of tiny PNGs, all of them upscaled; every second with a broken profile, every third
# with metadata above the limit. Texts with long metadata in the first one alone.
python3 - "$T" <<'END'
import io, json, struct, sys, tarfile, zlib

def png(i):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
    rows = b"".join(b"\0" + bytes((x * y * (i + 1)) % 256 for x in range(48))
                    for y in range(16))
    profile = chunk(b"iCCP", b"broken\0\0" + zlib.compress(b"no profile")) if i % 2 else b""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
            + profile + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

for t in range(3):
    with tarfile.open(f"{sys.argv[1]}/s{t}.tar", "w") as tar:
        for i in range(10):
            note = "long" * 100 if i % 3 == 0 else "short"
            for suffix, data in (("png", png(i)), ("txt", b"a caption %d" % i),
                                 ("json", json.dumps({"note": note}).encode())):
                member = tarfile.TarInfo(f"{i:03}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
for t in range(3):
    with open(f"{sys.argv[1]}/t{t}.jsonl", "w") as f:
        for i in range(100):
            note = "long" * 100 if t == 0 else "short"
            f.write(json.dumps({"text": f"document {i} of {t}", "note": note}) + "\n")
END

results()
{
    jq -S .result "$1"/*.manifest.json
}

for way in "1 1" "1 4" "2 4" "4 1" "4 3"; do
    run latentmill prepare --quiet --size 64 --max-metadata 100 --out "$T/${way/ /-}" \
        --workers "${way% *}" --batch "${way#* }" "$T/s{0..2}.tar" "$T/t{0..2}.jsonl"
    expect_status 0
    results "$T/${way/ /-}" >"$T/result-${way/ /-}"
    expect "workers and batch $way give the same result" \
        diff -u "$T/result-1-1" "$T/result-${way/ /-}"
done

count()
{
    jq -c ".result.inputs[0] | [.samples, .upscaled, .broken_profiles, .dropped_metadata]" \
        "$T/1-1/$1.manifest.json"
}
expect "a tar's counts are its own" test "$(count s1)" = "[10,10,5,4]"
expect "a text has no images" test "$(count t1)" = "[100,0,0,0]"
expect "its metadata is counted" test "$(count t0)" = "[100,0,0,100]"

# The report asks the stages for their names and figures, and calls an encoder by its label.
run latentmill prepare --size 64 --out "$T/said" "$T/s0.tar" "$T/t0.jsonl"
expect_status 0
expect_match stderr '^  read +[0-9.]+ % busy   [0-9.]+ MB/s$'
expect_match stderr '^  encode +[0-9.]+ % busy   per worker: parse [0-9]+ documents/s, decode [0-9.]+ images/s, vae [0-9.]+ images/s, tokenize [0-9]+ tokens/s$'
expect_match stderr '^  write +[0-9.]+ % busy   [0-9.]+ MB/s$'
expect_match stderr '^  bottleneck: (read|encode|write)$'
run latentmill prepare --size 64 --out "$T/said" "$T/t1.jsonl"
expect_status 0
expect_match stderr '^  encode +[0-9.]+ % busy   per worker: parse [0-9]+ documents/s, tokenize [0-9]+ tokens/s$'
