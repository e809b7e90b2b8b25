# SPDX-License-Identifier: Apache-2.0
# Operands that `prepare` cannot read: each says what to do instead, and that works.
. tests/cli/expect.sh

refused()
{
    run latentmill prepare --quiet --out "$T/o" "$@"
    expect_status 2
    expect_stdout </dev/null
    expect "the folder is not made" test ! -e "$T/o"
}

# says WORDS OPERAND: in one line.
says()
{
    refused "$2"
    expect_match stderr "^error: .*$1"
    expect "one line" [ "$(wc -l <"$T/.stderr")" = 1 ]
}

# A folder, and what its message tells to do with it.
mkdir -p "$T/pairs/sub"
tar -xf tests/data/scenes-000.tar -C "$T/pairs/sub"
refused "$T/pairs"
expect_stderr <<'END'
error: $T/pairs: is a folder; pack its images and captions, tar --sort=name --hard-dereference --dereference -cf x.tar -C $T/pairs ., and give x.tar (or name the tars or .jsonl files in it)
END
says 'tar --sort=name --hard-dereference --dereference -cf x.tar -C \. \.' .
tar --sort=name --hard-dereference --dereference -cf "$T/x.tar" -C "$T/pairs" .
run latentmill prepare --quiet --limit 1 --out "$T/packed" "$T/x.tar"
expect_status 0
run latentmill dump --latents none --json "$T/packed"
expect_match stdout '"key":"./sub/000000000"'

# What a message tells to type, it must do: the words between two others are run.
do_as_told()
{
    local words
    refused "$1"
    words=$(sed "s|\\\$T|$T|g; s/^error: [^ ]* $2//; s/ $3.*//" "$T/.stderr")
    eval "$words" || expect "'$words' works" false
}
printf '\xef\xbb\xbftext,id\n"a ""b""\nc, \xc3\xa4",x\nd,y\n' >"$T/a.csv"
tr , '\t' <"$T/a.csv" >"$T/a.tsv"
printf '[{"text": "one", "id": "x"},\n {"text": "two", "id": "y"}]' >"$T/a.json"
do_as_told "$T/a.csv" 'CSV is not read: ' 'makes JSON Lines'
do_as_told "$T/a.tsv" 'TSV is not read: ' 'makes JSON Lines'
do_as_told "$T/a.json" '.*of an array, ' 'makes JSON Lines'
for table in csv tsv json; do
    run latentmill prepare --quiet --out "$T/text-$table" "$T/a.$table.jsonl"
    expect_status 0
    run latentmill dump --json "$T/text-$table"
    expect "both rows are there" [ "$(jq -s length "$T/.stdout")" = 2 ]
done
expect_match stdout '"text":"one"'

# Names that a shell would take apart.
mkdir -p "$T/my data's"
cp "$T/a.csv" "$T/my data's/x y.csv"
cp "$T/a.json" "$T/my data's/\$x;y.json"
# told FIRST LAST: the words between them in the last message.
told()
{
    sed "s|\\\$T|$T|g; s/^error: .*$1//; s/$2.*//" "$T/.stderr"
}
refused "$T/my data's/x y.csv"
eval "$(told 'CSV is not read: ' ' makes JSON')" || expect "the CSV's command works" false
refused "$T/my data's/\$x;y.json"
eval "$(told 'of an array, ' ' makes JSON')" || expect "the array's command works" false
for table in 'x y.csv' '$x;y.json'; do
    expect "$table is JSON Lines" [ "$(jq -s length "$T/my data's/$table.jsonl")" = 2 ]
done
refused "$T/my data's"
(cd "$T" && rm x.tar && eval "$(told 'captions, ' ', and give')")
expect "the folder is packed" tar -tf "$T/x.tar" "./x y.csv"
: >"$T/my data's/it's.tar.lz4"
refused "$T/my data's/it's.tar.lz4"
eval "set -- $(told '--name NAME ' '$')"
expect "the user's shell has one word" [ $# = 1 ]
eval "set -- ${1#pipe:}"
expect "the command's shell has the path" [ "$3" = "$T/my data's/it's.tar.lz4" ]

# Two lines of JSON under a name that does not say so.
printf '{"text": "one"}\n{"text": "two"}\n' >"$T/b.ndjson"
says 'say --input-format jsonl' "$T/b.ndjson"
run latentmill prepare --quiet --input-format jsonl --out "$T/nd" "$T/b.ndjson"
expect_status 0
gzip <"$T/b.ndjson" >"$T/b.json.gz"
says 'say --input-format jsonl' "$T/b.json.gz"

for file in a.parquet a.PARQUET a.feather a.arrow a.zip a.7z a.rar a.tar.lz4 a.jsonl.lz4 a.txt \
    a.jpg a.webp a.lms; do
    : >"$T/$file"
done
says 'read_parquet\(sys.argv\[1\]\)\.to_json.* \$T/a.parquet makes' "$T/a.parquet"
says 'read_parquet' "$T/a.PARQUET"
says 'read_feather' "$T/a.feather"
says 'Dataset.from_file' "$T/a.arrow"
says 'unzip -d x .* && tar --sort=name --hard-dereference --dereference -cf x.tar -C x \.' "$T/a.zip"
says '7z x -ox' "$T/a.7z"
says 'unrar x' "$T/a.rar"
says "pipe:lz4 -dc \\\$T/a.tar.lz4'$" "$T/a.tar.lz4"
says "pipe:lz4 -dc \\\$T/a.jsonl.lz4' --input-format jsonl$" "$T/a.jsonl.lz4"
says '@\$T/a.txt' "$T/a.txt"
says 'is an image' "$T/a.jpg"
says 'is an image' "$T/a.webp"
says 'is a shard' "$T/a.lms"
# --input-format is believed: an odd name is read as it says.
cp tests/data/scenes-000.tar "$T/odd.txt"
run latentmill prepare --quiet --limit 1 --input-format tar --out "$T/odd" "$T/odd.txt"
expect_status 0

# URLs.
says "'pipe:aws s3 cp s3://b/x.tar -'$" s3://b/x.tar
says "'pipe:aws s3 cp s3://b/x.jsonl.gz -' --input-format jsonl$" s3://b/x.jsonl.gz
says "'pipe:gcloud storage cat gs://b/x.tar'" gs://b/x.tar
says 'pipe:curl -fsSL .*https://h/x.tar\?a=1&b=2' 'https://h/x.tar?a=1&b=2'
words=$(sed "s/.* --name NAME //" "$T/.stderr")
eval "set -- $words"
expect "the command has its quotes" [ "$1" = "pipe:curl -fsSL 'https://h/x.tar?a=1&b=2'" ]
says 'hf download' hf://datasets/a/b/x.tar
says 'give the path alone' file:///x.tar
says "'pipe:COMMAND'" az://b/x.tar

# A pattern that the shell left alone.
says 'No such file or directory; the shell expands' "$T/part-*.tar"
says 'No such file or directory; the shell expands' "$T/part-?.tar"
refused "$T/part-1.tar"
expect_stderr <<'END'
error: $T/part-1.tar: No such file or directory
END
says 'more than 10,000,000 inputs' 'x-{0..999999999}.tar'

# Lists: with a byte order mark and carriage returns; each fault with its line.
cp tests/data/scenes-000.tar "$T/s.tar"
printf '\xef\xbb\xbf\r\n\r\n%s\r\n' "$T/s.tar" >"$T/good"
run latentmill prepare --quiet --limit 1 --out "$T/list" "@$T/good"
expect_status 0
printf '%s\n\n#comment\n' "$T/s.tar" >"$T/comment"
refused "@$T/comment"
expect_stderr <<'END'
error: @$T/comment, line 3: #comment: No such file or directory (a list has no comments)
END
printf '%s\n' "$T/s-{1..2}.tar" >"$T/braces"
says 'braces, line 1: .*no patterns' "@$T/braces"
printf '%s\n\0\n' "$T/s.tar" >"$T/nul"
says 'nul, line 2: has a NUL byte' "@$T/nul"
printf '\xff\xfea\0\n\0' >"$T/utf16"
says 'utf16, line 1: has a NUL byte' "@$T/utf16"
{ echo; head -c 70000 /dev/zero | tr '\0' x; } >"$T/long"
says 'long, line 2: is longer than 64 KiB' "@$T/long"
printf 's3://b/x.tar\n' >"$T/remote"
says 'remote, line 1: s3://b/x.tar: .*aws s3 cp' "@$T/remote"
says 'Is a directory' "@$T/pairs"
says 'No such file or directory$' "@$T/none"
zeros()
{
    (ulimit -v 1000000 && timeout 10 "$BUILD/latentmill" prepare --out "$T/o" @/dev/zero)
}
run zeros
case ${SANITIZE-} in
*address*) ;; # reserves more address space than that
*) expect_status 2
   expect_match stderr 'line 1: has a NUL byte' ;;
esac

# An input that stands where the run writes is refused, and stays.
mkdir -p "$T/e/sub"
printf '{"text":"a"}\n' >"$T/e/x.jsonl"
ln -s "$T/e" "$T/link"
clash()
{
    local name=$1
    shift
    printf '{"text":"mine"}\n' >"$T/e/$name"
    run latentmill prepare --quiet --tokenizer none --input-format jsonl --out "$T/e" "$@"
    expect_status 2
    expect_match stderr "^error: .*/${name/+/.}: this run writes a file of that name for .*/x.jsonl; name"
    expect "$name stays" grep -q mine "$T/e/$name"
    expect "nothing is made" test ! -e "$T/e/dataset.json"
    rm "$T/e/$name"
}
for name in x.rejects.jsonl x.manifest.json x.lms x+00001.lms x.lms.tmp.host.1.0; do
    clash "$name" "$T/e/x.jsonl" "$T/link/$name"
done
clash sub/x.rejects.jsonl --name 'sub/{a,x}' "$T/e/sub/x.rejects.jsonl" "$T/e/x.jsonl"
for name in dataset.json tokenizer-0123.model tokenizer-0123.json tokenizer-0123.tiktoken; do
    printf '{"text":"mine"}\n' >"$T/e/$name"
    run latentmill prepare --quiet --tokenizer none --input-format jsonl --out "$T/e" "$T/e/$name"
    expect_status 2
    expect_match stderr "^error: .*/$name: is called as --out .*/e's own files are; name"
    rm "$T/e/$name"
done
run latentmill prepare --quiet --tokenizer none --log "$T/link/x.jsonl" --out "$T/e" "$T/e/x.jsonl"
expect_status 2
expect_match stderr '^error: .*/e/x.jsonl: is an input and --log .*/link/x.jsonl; name another --log$'
# Names that only look so.
for name in y.rejects.jsonl dataset.jsonl sub/x.rejects.jsonl; do
    printf '{"text":"mine"}\n' >"$T/e/$name"
done
run latentmill prepare --quiet --tokenizer none --out "$T/e" "$T"/e/{x,y.rejects,dataset,sub/x.rejects}.jsonl
expect_status 0
expect "their inputs stay" test "$(cat "$T"/e/{,sub/}*.rejects.jsonl | grep -c mine)" = 2
