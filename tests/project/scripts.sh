#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shell scripts pass shellcheck, scripts are executable and know --help, and
# the sum of test results counts right.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
command -v shellcheck >/dev/null || exit 77
wrong=0
complain ()
{
  echo "$*"
  wrong=1
}

mapfile -t scripts < <(find tests pipelines .ci -name '*.sh' | sort)
shellcheck -x .ci/run "${scripts[@]}" || wrong=1

for script in tests/run.sh pipelines/*.sh; do
  [ "$script" != pipelines/common.sh ] || continue
  [ -x "$script" ] || complain "$script is not executable"
  [ "$script" != pipelines/packages.sh ] || continue
  [[ $("$script" --help </dev/null) == 'Usage: '* ]] \
    || complain "$script --help shows no usage"
  if "$script" --no-such-option 1 </dev/null >/dev/null 2>&1; then
    complain "$script accepts an unknown option"
  fi
done
[ -x .ci/run ] || complain ".ci/run is not executable"

# Wrong values are refused in a sentence that names them, before any work.
for options in '--port 70000' '--port x' '--size 12' '--segments -1' '--port'; do
  # shellcheck disable=SC2086
  said=$(pipelines/watch.sh $options 2>&1 </dev/null)
  [ $? = 2 ] || complain "watch.sh $options: status is not 2"
  grep -q -e "${options%% *}" <<<"$said" \
    || complain "watch.sh $options: the message does not name it: $said"
done

# Kept results are a choice.
bytes=$(find tests/goldens -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
[ "$bytes" -le 16000000 ] || complain "tests/goldens has $bytes bytes: 16 MB at most"

# Every package that is named has its place in one list only.
twice=$(pipelines/packages.sh | tr ' ' '\n' | sort | uniq -d)
[ -z "$twice" ] || complain "packages listed twice: $twice"

# Installing: only what is missing, with one line; as root and through sudo;
# a failure shows what apt-get said. The commands are played by stand-ins.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cat >"$work/bin/dpkg-query" <<'STANDIN'
#!/bin/bash
for name in $HAVE; do printf '%s=installed ' "$name"; done
exit 1 # as when one of the packages was never heard of
STANDIN
cat >"$work/bin/apt-get" <<'STANDIN'
#!/bin/bash
echo "apt-get $*" >>"$WORK/calls"
echo "the mirror is on fire"
exit "$APT"
STANDIN
cat >"$work/bin/sudo" <<'STANDIN'
#!/bin/bash
echo sudo >>"$WORK/calls"
exec "$@"
STANDIN
cat >"$work/bin/id" <<'STANDIN'
#!/bin/bash
echo "$ID"
STANDIN
chmod +x "$work/bin/"*

# install_as USER HAVE APT_STATUS: status and output of installing a and b.
install_as ()
{
  : >"$work/calls"
  said=$(WORK=$work ID=$1 HAVE=$2 APT=$3 PATH=$work/bin:$PATH bash -c \
    '. pipelines/packages.sh; packages_install "$WORK/log" a b' 2>&1)
  status=$?
}
install_as 0 'a b' 0
[ "$status/$said/$(cat "$work/calls")" = 0// ] \
  || complain "nothing missing: $status, $said"
install_as 0 'a' 0
[ $status = 10 ] || complain "b missing: status $status, $said"
[ "$said" = 'Installing what is missing: b' ] || complain "b missing: $said"
grep -q 'apt-get -qy install --no-install-recommends b$' "$work/calls" \
  || complain "b missing: $(cat "$work/calls")"
grep -q sudo "$work/calls" && complain "root used sudo"
install_as 1000 '' 0
grep -q sudo "$work/calls" || complain "a user did not use sudo"
install_as 0 '' 100
[ $status = 1 ] || complain "apt-get failed: status $status"
grep -q 'the mirror is on fire' <<<"$said" || complain "apt-get failed: $said"
rm "$work/bin/sudo"
if ! command -v sudo >/dev/null; then
  install_as 1000 '' 0
  [ $status = 1 ] || complain "neither root nor sudo: status $status"
  grep -q 'apt-get install a b' <<<"$said" || complain "neither: $said"
fi

# A fuzzer that finds something ends with 77, which meson takes for a skip.
printf '#!/bin/sh\nexit 77\n' >"$work/bin/fuzzer"
chmod +x "$work/bin/fuzzer"
tests/fuzz/run.sh "$work/bin/fuzzer" "$work" >/dev/null
[ $? = 1 ] || complain "what a fuzzer finds is not a failure"

results=$work/results
printf '{"name":"%s","result":"%s"}\n' a OK b FAIL c TIMEOUT d SKIP e OK >"$results"
last=$(/usr/bin/python3 tests/sum.py "$results" | tail -n 1)
[ "$last" = '2 passed, 2 failed' ] || complain "the sum says: $last"
/usr/bin/python3 tests/sum.py "$results" >/dev/null && complain "a failure is not a failure"
printf '{"name":"%s","result":"%s"}\n' a OK >"$results"
/usr/bin/python3 tests/sum.py "$results" >/dev/null || complain "a success is a failure"
: >"$results"
/usr/bin/python3 tests/sum.py "$results" >/dev/null && complain "no test is a success"
exit $wrong
