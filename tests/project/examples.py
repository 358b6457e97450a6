# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: examples.py ROOT DREAMVERSE-GENERATE
#
# Runs every example of dreamverse-generate in README.md and docs/, page by page
# in one folder. A model that is not there must be what it fails by, and nothing
# else: such examples are read only. ffmpeg may be missing.
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT, PROGRAM = map(os.path.abspath, sys.argv[1:])


def examples(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if line.startswith(("dreamverse-generate ", "ffmpeg ")):
                yield line


def run(line, folder):
    if "ffmpeg" in line and not shutil.which("ffmpeg"):
        if line.startswith("ffmpeg"):
            return None
        line = line.replace("ffmpeg", "cat > city.y4m; true ")
    said = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line],
        cwd=folder,
        env={**os.environ, "PATH": folder + "/bin:" + os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
    )
    text = said.stdout.decode(errors="replace")
    model = re.search(r"--model (\S+)", line)
    if model and not os.path.exists(os.path.join(folder, model.group(1))):
        if said.returncode == 1 and f'no model "{model.group(1)}"' in text:
            return None
    elif said.returncode == 0:
        for place in re.findall(r"--(?:output|wav|state-out) (\S+)", line):
            if place != "-" and not os.path.exists(os.path.join(folder, place)):
                return f"there is no {place}"
        return None
    return f"status {said.returncode}: {text}"


failed = count = 0
for page in [ROOT + "/README.md", *sorted(glob.glob(ROOT + "/docs/*.md"))]:
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/bin")
        os.symlink(PROGRAM, folder + "/bin/dreamverse-generate")
        for line in examples(page):
            count += 1
            wrong = run(line, folder)
            print("failed:" if wrong else "ok:", line)
            if wrong:
                print(f"  in {page}:\n{wrong}")
                failed += 1
if not count:
    print("there is no example at all")
sys.exit(1 if failed or not count else 0)
