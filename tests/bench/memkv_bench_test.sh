#!/usr/bin/env bash
# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# memkv_bench_test.sh ROOT BENCH CHECK: every workload of memkv_bench on a few
# thousand keys; its reports are what they must be; and what must fail fails.

set -euo pipefail
root=$1
schema=$1/db_bench_ext/memkv_bench/report_schema.json
bench=$2
check=$3
rm -rf run
mkdir run
cd run
export TMPDIR=$PWD

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# Runs the bench quietly; what it said is shown if it fails.
quietly() {
  "$bench" "$@" >out.txt 2>err.txt || {
    cat out.txt err.txt >&2
    fail "memkv_bench $*"
  }
}
# What a browser shows of $1.html goes to $1.page, and its first picture to $1.svg;
# without node, to $1.page the page as it is, which has the same words, but for
# those that only its script writes.
node=$(command -v node || true)
render() {
  if [[ -n $node ]]; then
    "$node" "$root/build_tools/render_page.js" "$1.html" >"$1.page" || fail "$1.html: its script fails"
    "$node" "$root/build_tools/render_page.js" "$1.html" picture >"$1.svg"
    ! grep -qE 'undefined|NaN|Infinity|\[object' "$1.page" || fail "$1.html shows what is none"
  else
    cp "$1.html" "$1.page"
  fi
}
# The bench must fail, and say $1.
refuses() {
  local what=$1
  shift
  ! "$bench" "$@" >out.txt 2>err.txt || fail "memkv_bench $* did not fail"
  grep -qF -- "$what" err.txt || {
    cat err.txt >&2
    fail "memkv_bench $*: no word of '$what'"
  }
}
# The bench is stopped as by Ctrl-C once its progress has a line like $2, or if
# that is empty once it has a folder; it leaves the report $1.json of what it has measured, which can be shown.
stops() {
  local name=$1 label=$2
  shift 2
  "$bench" "$@" --json="$name.json" >out.txt 2>err.txt &
  local process=$! status=0
  until [[ -n $(find . -maxdepth 1 -name 'memkv_bench.*' -print -quit) ]] &&
    { [[ -z $label ]] || grep -qE "^($label)" err.txt; }; do
    kill -0 "$process" 2>/dev/null || fail "$name ended before it was stopped"
    sleep 0.1
  done
  kill -INT "$process"
  wait "$process" || status=$?
  [[ $status -eq 130 ]] || fail "$name: stopped, it left with status $status"
  "$check" "$schema" "$name.json"
  grep -q '"complete": false' "$name.json" || fail "$name.json: a stopped run is complete"
  grep -q 'The run was stopped' out.txt || fail "$name: the stopped report does not say so"
  [[ -z $(find . -maxdepth 1 -name 'memkv_bench.*' -print -quit) ]] ||
    fail "$name: a folder was left behind"
  quietly --report="$name.json" --html="$name.html" --markdown="$name.md"
  render "$name"
  for report in "$name.page" "$name.md"; do
    grep -qF 'The run was stopped' "$report" || fail "$report does not say so"
  done
}
names=$(sed -n 's/.*{"enum": \[\("load-sorted".*\)\]},/\1/p' "$schema" | tr -d '",')
[[ $(wc -w <<<"$names") -eq 25 ]] || fail "the schema has other workloads: $names"

# Everything, and a configuration of the user's own.
quietly --keys=gen:urls:3000 --ops=2000 --repeat=2 --json=all.json \
  --html=all.html --markdown=all.md \
  --configs='stock-lz4,memkv,mine=@memkv-cache;write_buffer_size=65536'
"$check" "$schema" all.json
render all
grep -q '"complete": true' all.json || fail 'a whole run is not complete'
for name in $names; do
  grep -qF "\"name\": \"$name\"" all.json || fail "all.json has no $name"
  grep -qF "$name, a" all.page || fail "all.html has no $name"
  grep -qF "$name, a" all.md || fail "all.md has no $name"
done

# One file, whole, that a person reads: charts, machine, command.
if [[ -n $node ]]; then
  [[ $(grep -c '<svg' all.page) -eq 2 ]] || fail 'all.html does not compare two with the first'
  [[ $(grep -c '</svg>' all.page) -eq 2 ]] || fail 'all.html: a drawing has no end'
  grep -qF '<svg xmlns=' all.svg || fail 'all.svg is no drawing'
  for word in 'class="better"' '→' '>1/2<' '<td>machine</td>' '<td>command</td>' '<td>stock-lz4</td>' 'title="memtable index: '; do
    grep -qF -- "$word" all.page || fail "the script of all.html writes no '$word'"
  done
fi
for word in '<!DOCTYPE html>' '</html>' 'memkv against stock-lz4' \
  'mine against stock-lz4' 'Table files, bytes a key' 'keys: of segments' 'tags: of segments' 'short values: of segments' \
  'memtable index' 'p50 / p99 / p99.9' 'How it was measured' \
  'keys=gen:urls:3000' 'write_buffer_size=65536' 'WORSE'; do
  grep -qF -- "$word" all.html all.page || fail "all.html has no '$word'"
done
! grep -qE '(src|href|url)[=(]' all.html || fail 'all.html needs another file'
! grep -qE '(nan|inf)[" .]' all.html || fail 'all.html has a figure that is none'
# What a user has called things is shown as text.
sed 's/"command": "/&<b>\&amp;<\/b><\/script>/' all.json >marked.json
quietly --report=marked.json --html=marked.html
render marked
[[ $(grep -c '</script>' marked.html) -eq 2 ]] || fail 'marked.html: the report ends its own script'
[[ -z $node ]] || grep -qF '<td>&#60;b&#62;&#38;amp;&#60;/b&#62;&#60;/script&#62;memkv_bench' marked.page ||
  fail 'marked.html does not show the command as text'

# A report is a function of its JSON.
quietly --report=all.json --html=again.html --json=again.json
cmp all.html again.html
cmp all.json again.json

# Two reports of one command: all ratios but those that are other ones agree.
ratios=$(grep -c '"times_as_good": {' all.json)
quietly --report=all.json --agree_with=all.json --json=agreed.json --html=agreed.html
grep -qF "$ratios of $ratios ratios agree within 10 %" out.txt || fail 'a report disagrees with itself'
"$check" "$schema" agreed.json
awk '/"times_as_good": {/ { inside = !done } inside && /"median": / { sub(/[0-9.]+/, $2 * 1.25); inside = 0; done = 1 } { print }' \
  all.json >other.json
quietly --report=all.json --agree_with=other.json --json=agreed.json --html=agreed.html
"$check" "$schema" agreed.json
for report in out.txt agreed.html; do
  grep -qF "$((ratios - 1)) of $ratios ratios agree within 10 %" $report ||
    fail "$report does not say that one ratio differs"
  grep -qF 'the largest difference is 25 % (load-sorted, memkv)' $report ||
    fail "$report does not say which ratio differs"
done
quietly --report=agreed.json --markdown=agreed.md
grep -qF "$((ratios - 1)) of $ratios ratios agree" agreed.md || fail 'agreed.md does not say that one differs'
sed 's/"ops": 2000/"ops": 2001/' all.json >other.json
refuses 'not of the same ops: 2001 and 2000' --report=all.json --agree_with=other.json
sed 's/write_buffer_size=65536/write_buffer_size=65537/' all.json >other.json
refuses 'not of the same configurations' --report=all.json --agree_with=other.json
refuses 'not of the same keys' --keys=gen:urls:2000 --ops=2000 --repeat=2 --agree_with=all.json \
  --configs='stock-lz4,memkv,mine=@memkv-cache;write_buffer_size=65536'
sed 's/"complete": true/"complete": false/' all.json >other.json
refuses 'a run that was stopped' --report=all.json --agree_with=other.json
sed 's/"name": "rscan"/"name": "scan"/' all.json >other.json
refuses 'not of the same workloads' --report=all.json --agree_with=other.json
refuses 'cannot read nowhere.json' --agree_with=nowhere.json

# The check can fail.
for damage in 's/"version": 1,/"version": 2,/' 's/"clock": "cpu"/"clock": "sun"/' \
  's/"verdict": "[a-z]*"/"verdict": "perfect"/' 's/"operations": /"operation": /' \
  '0,/"median": [0-9.]*/s//"median": 1e18/' '0,/"bytes": /s//"bytes": 1/'; do
  sed "$damage" all.json >damaged.json
  ! cmp -s all.json damaged.json || fail "no damage done by $damage"
  ! "$check" "$schema" damaged.json 2>/dev/null || fail "not seen: $damage"
done
sed 's/"version": 1,/"version": 2,/' all.json >damaged.json
refuses 'this program reads version 1' --report=damaged.json
refuses 'is no report' --report="$schema"
echo '{"report": "memkv_bench", "version": 1}' >damaged.json
refuses 'is not as report_schema.json says' --report=damaged.json

# Threads, a limit, values of a size, other keys, few workloads.
for keys in gen:hex:3000 gen:uint64:3000:7; do
  quietly --keys=$keys --ops=400 --repeat=1 --threads=2 --memory_limit=2M \
    --value_size=1000 --value_ratio=0.7 --configs=plain,memkv-zstd \
    --workloads=load-sorted,flush,reads,mixed,readwhilewriting --json=two.json
  "$check" "$schema" two.json
done

# What waits for files is measured by the wall, and says what it read of them.
quietly --keys=gen:urls:3000 --ops=1000 --repeat=2 --memory_limit=2M \
  --value_size=1000 --value_ratio=0.7 --configs=plain,memkv \
  --workloads=load-sorted,get,scan,mixed-c --json=limit.json --html=limit.html --markdown=limit.md
"$check" "$schema" limit.json
! grep -q '"clock": "cpu"' limit.json || fail 'limit.json: something waits by CPU time'
[[ $(grep -c '"reads_times_as_good": {' limit.json) -eq 3 ]] ||
  fail 'limit.json does not compare what get, scan and mixed-c read'
# A third of the values or so is in no cache: of those a look-up reads one block,
# and a scan, which reads ahead, several at once.
awk '/"name": / { load = /load/ } !load && /"(bytes_read|reads)": / { sub(",", ""); print $1, $2 }' limit.json |
  awk '/bytes_read/ { bytes = $2 } /"reads"/ { if (!($2 > 0 && $2 < 1.01) || bytes / $2 < 900 || bytes / $2 > 300000) exit 1; n++ }
    END { exit n != 6 }' || fail 'limit.json: what was read of files cannot be'
for report in out.txt limit.html limit.md; do
  grep -qF 'Of a limit of 2.10 MB, table readers and block cache had ' $report ||
    fail "$report does not say what of the limit was used"
done
grep -q '^bytes read from files ' out.txt || fail 'the terminal shows nothing of files'
grep -qF 'get, read from files' limit.md || fail 'limit.md shows nothing of files'
grep -qF 'bytes read from files' limit.html || fail 'limit.html shows nothing of files'
! grep -q '"bytes_read"' all.json || fail 'all.json has no limit, but reads'
refuses 'for table readers and the least of block caches' \
  --keys=gen:urls:3000 --ops=100 --repeat=1 --memory_limit=1M
printf 'b\tvalue of b\na\nc\n\na\tlast\n' >keys.txt
quietly --keys=keys.txt --ops=100 --repeat=1 --json=few.json
"$check" "$schema" few.json
grep -q '"count": 4' few.json || fail 'keys.txt has 4 keys'
quietly --keys=keys.txt --ops=100 --repeat=1 --json=again.json --agree_with=few.json
"$check" "$schema" again.json
grep -q '"agreement": {' again.json || fail 'again.json does not say whether it agrees'

# A database of one's own, of stock or memkv tables, which is only read: all of a
# column family, or an even sample. What is in its log alone is read, too.
quietly --keys=gen:uint64:5000:3 --ops=100 --repeat=1 --workloads=compact --keep --dir=. --json=kept.json
kept=(memkv_bench.*/load-shuffled?)
[[ ${#kept[@]} -eq 2 ]] || fail "kept: ${kept[*]}"
for database in "${kept[@]}"; do
  before=$(find "$database" -type f -exec cksum {} + | sort)
  quietly --db="$database" --ops=100 --repeat=1 --workloads=get --json=own.json
  "$check" "$schema" own.json
  grep -q "\"key_bytes\": $(sed -n 's/.*"key_bytes": \(.*\),/\1/p' kept.json)," own.json || fail 'own.json has other keys'
  quietly --db="$database" --db_cf=default --db_sample=1000 --ops=100 --repeat=1 --workloads=get --json=own.json
  grep -q '"count": 1000,' own.json || fail 'own.json: no sample of 1000'
  grep -qF 'column family default: 1000 of 5000 records' own.json || fail 'own.json does not say of how many'
  [[ $(find "$database" -type f -exec cksum {} + | sort) == "$before" ]] || fail "--db changed $database"
done
refuses 'has no column family nothing: it has default' --db="${kept[0]}" --db_cf=nothing
refuses 'nowhere' --db=nowhere
refuses '--keys is not for --db' --db="${kept[0]}" --keys=keys.txt
refuses '--db_cf is not for a run without --db' --db_cf=default
refuses '--db is not for --scale and --delta' --scale --db="${kept[0]}"
rm -rf memkv_bench.*

# The demo: real records, questions to them, and a last line.
quietly --demo --keys=keys.txt --ops=100 --html=demo.html
[[ $(tail -n 1 out.txt) == 'memkv demo: OK, 4 records verified' ]] || fail "the demo ends with '$(tail -n 1 out.txt)'"
quietly --demo --keys=gen:urls:2000 --ops=100 --html=demo.html --json=demo.json
"$check" "$schema" demo.json
render demo
for report in out.txt demo.page; do
  grep -qE 'What begins with ("|&#34;)https://' $report || fail "$report asks nothing"
  grep -q ' in all' $report || fail "$report answers nothing"
done
[[ $(tail -n 1 out.txt) =~ ^memkv\ demo:\ OK,\ [0-9]+\ records\ verified$ ]] || fail 'the demo has another last line'
cat >contents.sh <<'END'
printf '%s\n' 'usr/bin/git   vcs/git' 'bin/bash  shells/bash' 'usr/share/doc/bash/README  shells/bash,doc/more'
END
quietly --demo --fetch_script=contents.sh --ops=10
grep -qA 1 '^Which package ships /usr/bin/git?' out.txt || fail 'nobody asks for git'
for answer in '    vcs/git' '    none in these records' '    "usr/share/doc/bash/README"  shells/bash,doc/more'; do
  grep -qxF "$answer" out.txt || fail "no answer '$answer'"
done
refuses 'MISMATCH in lossy' --demo --keys=gen:urls:3000 --ops=100 \
  --configs='lossy=@stock-lz4;compaction_style=kCompactionStyleFIFO;compaction_options_fifo={max_table_files_size=1;}'

# Growth.
quietly --scale --budget=20000 --value_size=4 --json=scale.json --html=scale.html
"$check" "$schema" scale.json
[[ $(grep -c '"checked": ' scale.json) -eq 8 ]] || fail 'scale.json lacks points'
[[ $(grep -c '"exponent": ' scale.json) -ge 4 ]] || fail 'scale.json lacks fits'
cached() {
  sed -n 's/.*"block_cache_bytes": \([0-9]*\).*/\1/p' "$1" | sort -n | tail -n 1
}
quietly --scale --budget=20000 --value_size=4 --block_cache=512K --configs=stock-lz4 \
  --json=scale_cache.json
(($(cached scale.json) > 1000000)) || fail 'scale: the block cache holds little'
(($(cached scale_cache.json) < 524288)) || fail '--block_cache=512K is not obeyed'
refuses '--block_cache is not for a run without --scale or --delta' --block_cache=1M
render scale
grep -qF '340,000,000' scale.page || fail 'scale.html extrapolates nothing'

quietly --report=scale.json --markdown=scale.md
[[ $(grep -cE '^\| (stock-lz4|memkv), (sorted|shuffled) \| [0-9]' scale.md) -eq 8 ]] ||
  fail 'scale.md lacks points'


# The size of the delta: the smallest is flushed often, the largest once, at the end.
quietly --delta --budget=5000 --delta_sizes=64K,256K,16M --value_size=4 --ops=1000 \
  --json=delta.json --html=delta.html --markdown=delta.md
"$check" "$schema" delta.json
[[ $(grep -c '"write_buffer_size": ' delta.json) -eq 6 ]] || fail 'delta.json lacks points'
[[ $(grep -cE '^\| (64 kB|256 kB|16 MB) \| (stock-lz4|memkv) \|' delta.md) -eq 6 ]] ||
  fail 'delta.md lacks points'
render delta
if [[ -n $node ]]; then
  [[ $(grep -c '<svg' delta.page) -eq 1 ]] || fail 'delta.html has no chart'
  grep -qF 'write amplification' delta.svg || fail 'delta.svg is not of the delta'
fi
grep -qE '^memtable .* write amplification' out.txt || fail 'the terminal shows no delta'
awk '/"write_buffer_size": / { large = $2 + 0 == 16777216; small = $2 + 0 == 65536 }
  /"delta_keys": / && large && $2 + 0 < 4990 { exit 1 }
  /"flushes": / { if (large && $2 + 0 != 1 || small && $2 + 0 < 3) exit 1; n++ }
  END { if (n != 6) exit 1 }' delta.json || fail 'delta.json: flushes are not what sizes make them'
quietly --report=delta.json --agree_with=delta.json
grep -qF '18 of 18 ratios agree' out.txt || fail 'delta.json disagrees with itself'

# By memory: of the smallest of caches a get reads files, of the largest none,
# and a miss of neither where there is a filter.
quietly --memory=1M,64M --keys=gen:urls:60000 --value_size=8 --value_ratio=1 --ops=2000 --repeat=2 \
  --configs='stock=@stock-lz4;write_buffer_size=1M,memkv=@memkv;write_buffer_size=1M' \
  --json=memory.json --html=memory.html --markdown=memory.md
"$check" "$schema" memory.json
render memory
if [[ -n $node ]]; then
  [[ $(grep -c '<svg' memory.page) -eq 1 ]] || fail 'memory.html has no chart'
  grep -qF 'multiget, CPU time' memory.svg || fail 'memory.svg is not of the memory'
fi
[[ $(grep -cE '^\| (1 MB|64 MB) \| (stock|memkv) \|' memory.md) -eq 4 ]] || fail 'memory.md lacks points'
grep -qE '^block cache .*  get, CPU  .*  reads a miss$' out.txt || fail 'the terminal shows no memory'
awk '/"block_cache_size": / { small = $2 + 0 == 1048576 }
  /"get_reads": / { if (small ? $2 + 0 < 0.1 : $2 + 0 > 0.001) exit 1; n++ }
  /"miss_reads": / { if ($2 + 0 > 0.1) exit 1; n++ }
  END { if (n != 8) exit 1 }' memory.json || fail 'memory.json: reads are not what caches make them'
quietly --report=memory.json --agree_with=memory.json
grep -qF '14 of 14 ratios agree' out.txt || fail 'memory.json disagrees with itself'
quietly --memory=1M --direct_reads --keys=gen:urls:20000 --ops=500 --repeat=1 --json=direct.json --html=direct.html
"$check" "$schema" direct.json
grep -qE '^block cache .*  get, wall  ' out.txt || fail 'direct reads are not said'
refuses 'not of the same' --report=memory.json --agree_with=direct.json
refuses '--memory must ascend from 1024K or more: 2M,1M' --memory=2M,1M
refuses '--memory must ascend' --memory=4K
refuses '--workloads is not for --memory' --memory=1M --workloads=get
refuses '--direct_reads is not for a run without --memory' --direct_reads
refuses '--memory: bare has no block cache' --memory=1M --keys=gen:hex:10 \
  --configs='bare=table_factory={id=BlockBasedTable;no_block_cache=true;}'

# Both with a limit, which is the same for every kind of run: what waits for files
# is measured by the wall, and says what it read of them.
limited=(--memory_limit=2M --value_size=100 --ops=1000 --configs='stock-lz4,memkv-cache')
quietly --scale --budget=50000 "${limited[@]}" --json=scale_limit.json --html=scale_limit.html \
  --markdown=scale_limit.md
"$check" "$schema" scale_limit.json
cp out.txt scale_limit.txt
quietly --delta --budget=50000 --delta_sizes=256K,64M "${limited[@]}" --json=delta_limit.json \
  --html=delta_limit.html --markdown=delta_limit.md
"$check" "$schema" delta_limit.json
for report in scale_limit.{txt,html,md} out.txt delta_limit.{html,md}; do
  grep -qF 'Of a limit of 2.10 MB, table readers and block cache had ' "$report" ||
    fail "$report does not say what of the limit was used"
  grep -qE 'get, wall|look-up by the wall' "$report" || fail "$report shows CPU time of what waits"
  grep -qE 'read a (get|look-up)' "$report" || fail "$report shows nothing of files"
done
# Of the most keys, five times what the limit holds; of the largest delta, before
# it is a file, and after.
awk '/"keys": / { large = $2 + 0 > 40000 } large && /"get_bytes_read": / { if ($2 + 0 < 100) exit 1; n++ }
  END { if (n != 4) exit 1 }' scale_limit.json || fail 'scale_limit.json: nothing is read of files'
awk '/"write_buffer_size": / { large = $2 + 0 > 1000000 }
  large && /"get_bytes_read": / { if ($2 + 0 != 0) exit 1; n++ }
  large && /"settled_get_bytes_read": / { if ($2 + 0 < 100) exit 1; n++ }
  END { if (n != 4) exit 1 }' delta_limit.json || fail 'delta_limit.json: what is read of files cannot be'
for report in scale_limit delta_limit; do
  quietly --report=$report.json --agree_with=$report.json
  sed '0,/"block_cache_bytes": /s//&9999999/' $report.json >damaged.json
  ! "$check" "$schema" damaged.json 2>/dev/null || fail "$report.json: the check sees no limit"
done
! grep -q '"get_bytes_read"' scale.json delta.json || fail 'no limit, but reads'
refuses 'for table readers and the least of block caches' --scale --budget=50000 --memory_limit=1.1M
refuses 'for table readers and the least of block caches' --delta --budget=50000 --memory_limit=1.1M
for kind in --workloads=get --scale --delta; do
  refuses '--memory_limit: bare has no block cache' $kind --memory_limit=2M \
    --configs='bare=table_factory={id=BlockBasedTable;no_block_cache=true;}'
done

# A configuration has the same colour in both kinds of chart.
colour_of() {
  grep -B 1 ">$2</text>" "$1" | sed -n 's/.*<circle.* fill="\(#[^"]*\)".*/\1/p'
}
for config in ${node:+stock-lz4 memkv}; do
  [[ -n $(colour_of delta.svg $config) && $(colour_of delta.svg $config) == "$(colour_of scale.svg "$config, sorted")" ]] ||
    fail "$config has the colours '$(colour_of delta.svg $config)' and '$(colour_of scale.svg "$config, sorted")'"
done
[[ -z $node || $(colour_of delta.svg memkv) != "$(colour_of delta.svg stock-lz4)" ]] || fail 'all have one colour'
refuses 'must ascend' --delta --delta_sizes=64M,8M
refuses 'must ascend' --delta --delta_sizes=1K
refuses 'two runs' --delta --scale

# Ctrl-C leaves the report so far, of every kind of run, and also of none.
stops stopped 'get|mixed' --keys=gen:urls:3000 --ops=20000 --repeat=100 --workloads=get,mixed-a
grep -q '"name": "memtable entries"' stopped.json || fail 'stopped.json has no sizes'
stops stopped_scale '.*: [1-9]0%' --scale --budget=400000
grep -qF '| stock-lz4, sorted | 39,' stopped_scale.md || fail 'stopped_scale.md has no point'
[[ -z $node ]] || grep -qF '<circle' stopped_scale.svg || fail 'stopped_scale.svg draws no point'
stops stopped_delta '.*: [2-9]0%' --delta --budget=500000 --delta_sizes=1M,2M,4M,8M,16M
grep -qF '| 1 MB | stock-lz4 |' stopped_delta.md || fail 'stopped_delta.md has no point'
[[ -z $node ]] || grep -qF '<circle' stopped_delta.svg || fail 'stopped_delta.svg draws no point'
stops stopped_first '' --delta --budget=3000000
grep -q '"keys": null' stopped_first.json || fail 'stopped_first.json has keys'

# A database that loses records ends the run.
refuses 'MISMATCH in lossy' --keys=gen:urls:3000 --ops=100 --repeat=1 \
  --configs='lossy=@stock-lz4;compaction_style=kCompactionStyleFIFO;compaction_options_fifo={max_table_files_size=1;}'

refuses 'MISMATCH in lossy, key 0 of ' --scale --budget=10000 \
  --configs='lossy=@stock-lz4;compaction_style=kCompactionStyleFIFO;compaction_options_fifo={max_table_files_size=1;}'

# What is not understood.
refuses 'no built-in is called nothing' --configs=nothing
refuses 'none is called nothing' --workloads=nothing
refuses 'twice memkv' --configs=memkv,memkv
refuses '--keys is not for --scale and --delta' --scale --keys=keys.txt
refuses '--repeat is not for --scale and --delta' --delta --repeat=2
refuses '--budget is not for a run without' --budget=1000
refuses '--delta_sizes is not for a run without' --scale --delta_sizes=1M
refuses 'nonsense' --keys=gen:hex:10 \
  --configs='mine=table_factory={id=BlockBasedTable;filter_policy=nonsense;}'

# A configuration that newer RocksDB has: by its options, or refused by name.
"$bench" --list_configs >configs.txt
[[ $(grep -cE '^(stock|plain|memkv|trie)' configs.txt) -eq 12 ]] || fail 'other configurations are listed'
grep -qx 'trie-index' configs.txt || fail 'trie-index is not listed'
if grep -qE '^    not with RocksDB .* needs the trie index of RocksDB' configs.txt; then
  for configs in stock-lz4,trie-index 'mine=@trie-index;write_buffer_size=65536'; do
    refuses 'trie-index needs the trie index of RocksDB' --keys=gen:hex:10 --configs="$configs"
    grep -qF "Could not find option" err.txt || fail "no word of RocksDB's: $(cat err.txt)"
  done
else
  quietly --keys=gen:urls:3000 --ops=1000 --repeat=1 --configs=stock-lz4,trie-index --json=trie.json
  "$check" "$schema" trie.json
fi
refuses 'no_such_option' --configs='mine=no_such_option=1' --keys=gen:hex:10
refuses 'is no number of bytes' --memory_limit=1X
refuses 'no keys are called' --keys=gen:urls:none
refuses 'cannot read nowhere.txt' --keys=nowhere.txt
refuses '10000 or more' --scale --budget=5000

echo "memkv_bench: OK, $(wc -w <<<"$names") workloads"
