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

# Every package that is named has its place in one list only.
twice=$(pipelines/packages.sh | tr ' ' '\n' | sort | uniq -d)
[ -z "$twice" ] || complain "packages listed twice: $twice"

results=$(mktemp)
trap 'rm -f "$results"' EXIT
printf '{"name":"%s","result":"%s"}\n' a OK b FAIL c TIMEOUT d SKIP e OK >"$results"
last=$(/usr/bin/python3 tests/sum.py "$results" | tail -n 1)
[ "$last" = '2 passed, 2 failed' ] || complain "the sum says: $last"
/usr/bin/python3 tests/sum.py "$results" >/dev/null && complain "a failure is not a failure"
printf '{"name":"%s","result":"%s"}\n' a OK >"$results"
/usr/bin/python3 tests/sum.py "$results" >/dev/null || complain "a success is a failure"
: >"$results"
/usr/bin/python3 tests/sum.py "$results" >/dev/null && complain "no test is a success"
exit $wrong
