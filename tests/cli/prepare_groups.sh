# SPDX-License-Identifier: Apache-2.0
# Archives as they are packed by people: links, macOS' twins, odd captions, and members in no
# order. Nothing is lost or replaced in silence. And twins in folders of results.
. tests/cli/expect.sh

mkdir "$T/w" "$T/w/p"
tar -C "$T/w" -xf tests/data/scenes-000.tar
for i in 0 1 2 3 4 5; do
    mv "$T/w/00000000$i.jpg" "$T/w/000$i.jpg"
    mv "$T/w/00000000$i.txt" "$T/w/000$i.txt"
done
quick="--quiet --size 64 --workers 1"

# pack NAME MEMBER...: in this order.
pack()
{
    local name=$1
    shift
    tar -C "$T/w" --no-recursion -cf "$T/$name.tar" "$@"
}
input()
{
    jq -c ".result.inputs[0] | $2" "$T/$1.manifest.json"
}

# A link, as image or caption, and what may stand for it.
ln "$T/w/0000.jpg" "$T/w/a.jpg"
cp "$T/w/0001.jpg" "$T/w/a.mask.png"
cp "$T/w/0000.txt" "$T/w/a.txt"
cp "$T/w/0001.jpg" "$T/w/b.jpg"
ln -s 0001.txt "$T/w/b.txt"
ln -s 0001.jpg "$T/w/c.cls"
cp "$T/w/0002.jpg" "$T/w/c.jpg"
cp "$T/w/0002.txt" "$T/w/c.txt"
linked="0000.jpg 0000.txt a.jpg a.mask.png a.txt b.jpg b.txt c.cls c.jpg c.txt"
pack links $linked
run latentmill prepare --size 64 --out "$T/o" "$T/links.tar"
expect_status 0
expect_match stderr '^  skipped members: 1 link$'
run jq -r '.key, .reason, .detail' "$T/o/links.rejects.jsonl"
expect_stdout <<'END'
a
linked_member
'jpg' is a hard link: pack the archive with tar --hard-dereference
b
linked_member
'txt' is a symbolic link: pack the archive with tar --dereference (-h)
END
run input o/links '[.samples, .skipped_members, .skipped]'
expect_stdout <<<'[2,1,{"link":1}]'
# Packed as they say, nothing is missing.
pack whole --hard-dereference --dereference $linked
run latentmill prepare $quick --out "$T/o" "$T/whole.tar"
expect_status 0
run input o/whole '[.samples, .skipped_members, .skipped]'
expect_stdout <<<'[4,0,{}]'

# Nothing is a sample: complete, and said, as nobody means it.
ln -s p "$T/w/photos"
ln -s 0000.jpg "$T/w/photo.orig"
pack folders photos photo.orig p
: >"$T/nothing.jsonl"
printf '\n \n' >"$T/blank.jsonl"
: | gzip >"$T/packed.jsonl.gz"
run latentmill prepare $quick --out "$T/n" "$T"/{folders.tar,nothing.jsonl,blank.jsonl,packed.jsonl.gz}
expect_status 0
nothing='nothing in it is a sample'
expect_match stderr "^warning: folders: $nothing: skipped 1 folder, 2 link; tar -h .--dereference. "
expect_match stderr "^warning: nothing: $nothing: it is empty$"
expect_match stderr "^warning: blank: $nothing: skipped 2 blank lines$"
expect_match stderr "^warning: packed: $nothing: it is empty$"
expect "it is complete" test "$(input n/folders '[.status, .samples]')" = '["complete",0]'
rm "$T/w/photos"

# A folder of a Mac.
members=
for i in 0 1 2 3 4 5; do
    for ext in jpg txt; do
        cp "$T/w/000$i.$ext" "$T/w/p"
        printf '\0\5\26\7\0\2\0\0Mac OS X        ' >"$T/w/p/._000$i.$ext"
        members="$members p/._000$i.$ext p/000$i.$ext"
    done
done
pack mac p $members
run latentmill prepare --size 64 --out "$T/o" "$T/mac.tar"
expect_status 0
expect_match stderr '^  skipped members: 1 folder, 12 macos$'
run input o/mac '[.groups, .samples, .skipped_members, .skipped]'
expect_stdout <<<'[6,6,13,{"folder":1,"macos":12}]'

# Captions of editors and crashed file systems: the same ids as those of the plain text.
for key in bom crlf nul utf16; do
    cp "$T/w/0000.jpg" "$T/w/$key.jpg"
done
{ printf '\xef\xbb\xbf'; cat "$T/w/0000.txt"; } >"$T/w/bom.txt"
{ cat "$T/w/0000.txt"; printf '\r\n\r\n'; } >"$T/w/crlf.txt"
head -c 64 /dev/zero >"$T/w/nul.txt"
iconv -t UTF-16LE "$T/w/0000.txt" >"$T/w/utf16.txt"
pack captions 0000.{jpg,txt} {bom,crlf,nul,utf16}.{jpg,txt}
run latentmill prepare $quick --out "$T/o" "$T/captions.tar"
expect_status 0
run jq -r '[.key, .reason] | join(" ")' "$T/o/captions.rejects.jsonl"
expect_stdout <<'END'
nul caption_has_nul
utf16 caption_has_nul
END
run latentmill dump --json "$T/o/captions.lms"
expect "three equal captions" test \
    "$(jq -c '[.caption, .tokens]' "$T/.stdout" | sort | uniq -c | awk '{ print $1 }')" = 3

# In no order: few samples, status 42, said once, also by the next run.
pack unsorted 000{0..4}.jpg 0005.{jpg,txt} 000{0..4}.txt
cp "$T/unsorted.tar" "$T/other.tar"
run latentmill prepare $quick --out "$T/u" "$T/unsorted.tar" "$T/other.tar"
expect_status 42
expect_match stderr \
    '^warning: unsorted: 10 of 11 groups are rejects, more than --max-reject-rate; the rest was'
expect_match stderr '^warning: unsorted \(and 1 more\): the members .* tar --sort=name, and run again with --retry-failed$'
expect "it is said once" test "$(grep -c 'sort=name' "$T/.stderr")" = 1
run input u/unsorted '[.status, .samples, .above_reject_rate]'
expect_stdout <<<'["complete",1,true]'
expect "what is left is published" test -e "$T/u/unsorted.lms"
run latentmill prepare $quick --out "$T/u" "$T/unsorted.tar"
expect_status 42
expect_match stderr '^warning: unsorted: an earlier run rejected more of it .* tar --sort=name, .*--retry-failed$'
# A rejected unit is never called complete.
pack unsorted --sort=name 000{0..5}.{jpg,txt}
run latentmill prepare $quick --out "$T/u" "$T/unsorted.tar"
expect_status 2
expect_match stderr '^error: unsorted is rejected, made from .* has other bytes.*--retry-failed$'
run latentmill prepare $quick --out "$T/u" --retry-failed "$T/unsorted.tar"
expect_status 0
run input u/unsorted '[.samples, .above_reject_rate]'
expect_stdout <<<'[6,false]'

# Partly in order; metadata at the end, where nothing else is amiss; nothing left at all.
for i in 0 1 2 3 4 5; do
    echo '{}' >"$T/w/000$i.json"
done
pack partly 000{0..2}.{jpg,txt} 000{3..5}.jpg 000{3..5}.txt
run latentmill prepare $quick --out "$T/u" "$T/partly.tar"
expect_status 42
expect_match stderr '^warning: partly: the members .* tar --sort=name, .* --retry-failed$'
pack metadata 000{0..5}.{jpg,txt} 000{0..5}.json
run latentmill prepare $quick --out "$T/u" "$T/metadata.tar"
expect_status 0
expect_match stderr '^warning: metadata: the members .* tar --sort=name, .* --redo$'
pack metadata --sort=name 000{0..5}.{jpg,json,txt}
run latentmill prepare $quick --out "$T/u" --redo "$T/metadata.tar"
expect_status 0
expect "nothing is said" test ! -s "$T/.stderr" -o "$(grep -c neighbours "$T/.stderr")" = 0
pack images 000{0..5}.jpg
run latentmill prepare $quick --out "$T/u" "$T/images.tar"
expect_status 42
expect_match stderr '^warning: images: 6 of 6 groups are rejects, .*; nothing is left of it, see images'
run latentmill prepare $quick --out "$T/u" "$T/images.tar"
expect_status 42
expect_match stderr '^warning: images: an earlier run rejected more .*see images.rejects.jsonl; mend it'

# Many rejects of other kinds: status 42 below 100 samples, and no word of order.
pack halves 000{0..3}.jpg 0004.{jpg,txt}
pack twice 0000.{jpg,txt} 0000.{jpg,txt} 0001.jpg
for name in halves twice; do
    run latentmill prepare $quick --out "$T/h" "$T/$name.tar"
    expect_status 42
    expect_match stderr "^warning: $name: . of . groups are rejects"
    expect "no word of order" test "$(grep -c 'sort=name' "$T/.stderr")" = 0
done
run latentmill prepare $quick --out "$T/h1" --max-reject-rate 1 "$T/halves.tar"
expect_status 0
# What is damaged is not judged by its rejects, which are named beside the damage.
head -c 100000 "$T/halves.tar" >"$T/cut.tar"
for run in first second; do
    run latentmill prepare $quick --out "$T/h" --damaged keep "$T/cut.tar"
    expect_status 0
done
expect "it is damaged too" test "$(input h/cut .status)" = '"damaged"'
# Half of them is not more than half.
pack half 0000.jpg 0001.{jpg,txt}
run latentmill prepare $quick --out "$T/h" "$T/half.tar"
expect_status 0

# Twins beside shards and manifests are no part of a data set.
rm -r "$T/o"
run latentmill prepare $quick --out "$T/o" "$T/mac.tar"
for file in mac.lms mac.manifest.json dataset.json mac+00001.lms new.lms.tmp.host.1.0123abcd; do
    printf '\0\5\26\7' >"$T/o/._$file"
done
run latentmill dump --latents none --json "$T/o"
expect_status 0
expect "six samples" test "$(wc -l <"$T/.stdout")" = 6
run latentmill index "$T/o"
expect_status 0
expect_match stderr 'index.lmi: 1 shard, '
for format in webdataset mds; do
    run latentmill export --quiet --format $format --out "$T/$format" "$T/o"
    expect_status 0
    printf '\0\5\26\7' >"$T/$format/._mac.export.json"
    run latentmill export --quiet --format $format --out "$T/$format" "$T/o"
    expect_status 0
done
run latentmill prepare $quick --out "$T/o" "$T/mac.tar"
expect_status 0
cp "$T/w/p/._0000.jpg" "$T/._mac.tar"
run latentmill prepare $quick --out "$T/o" "$T/._mac.tar" "$T/mac.tar"
expect_status 2
expect_match stderr "^error: the name '._mac' begins with '._' as what macOS puts beside files"
