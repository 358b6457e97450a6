# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sums up test results: one JSON object a line, as meson's testlog.json has
# them. Names what failed, with the last it said, and what was skipped; ends
# with the line `N passed, N failed`, and exits with 1 if anything failed or
# nothing passed.
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}
LAST_LINES = 12


def last_words(test):
    said = (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines()
    return [line for line in said if line.strip()][-LAST_LINES:]


passed = 0
failed = []
skipped = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.strip():
                continue
            test = json.loads(line)
            name, result = test["name"], test["result"]
            if result in PASSED:
                passed += 1
            elif result in SKIPPED:
                skipped.append(name)
            else:
                failed.append((f"{name} ({result})", last_words(test)))

for name in skipped:
    print(f"skipped: {name}")
for name, said in failed:
    print(f"failed: {name}")
    for line in said:
        print(f"  {line[:200]}")
print(f"{passed} passed, {len(failed)} failed")
sys.exit(1 if failed or not passed else 0)
