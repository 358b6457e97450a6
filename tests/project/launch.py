# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: launch.py ROOT
#
# Really runs every gst-launch-1.0 line of the SECTION comments, of README.md
# and of docs/: each plays for some seconds, or to its end, without an error.
# What a machine without screen, speakers and network lacks is replaced.
import glob
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
SECONDS = 4


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith((".c", ".h")):
        text = re.sub(r"^ \* ?", "", text, flags=re.M)
        # An example is one line, however it is broken.
        blocks = re.findall(r"\|\[(.*?)\]\|", text, re.S)
        return [
            " ".join(block.replace("\\\n", " ").split())
            for block in blocks
            if block.strip().startswith("gst-launch-1.0 ")
        ]
    text = re.sub(r"\\\n\s*", " ", text)
    return re.findall(r"^[ \t]*(gst-launch-1\.0 .*)$", text, re.M)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(line, directory):
    words = []
    for word in shlex.split(line):
        if word in ("autovideosink", "autoaudiosink"):
            words += ["fakesink", "sync=true"]
        else:
            words.append(re.sub(r"^port=\d+$", f"port={free_port()}", word))
    process = subprocess.Popen(
        words,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C"},
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            return "does not stop at Ctrl-C"
    if "ERROR" in said or "WARNING: erroneous" in said:
        return said
    if process.returncode not in (0, 1, 130) or "to PLAYING" not in said:
        return f"status {process.returncode}: {said}"
    return None


sources = (
    glob.glob(os.path.join(ROOT, "gst/plugin/gst*.c"))
    + glob.glob(os.path.join(ROOT, "docs/*.md"))
    + [os.path.join(ROOT, "README.md")]
)
failed = 0
count = 0
for source in sorted(sources):
    found = lines_of(source)
    with open(source, encoding="utf-8") as f:
        if "SECTION:element" in f.read():
            if not found:
                print(f"{source}: no launch line in its SECTION")
                failed += 1
    for line in found:
        count += 1
        with tempfile.TemporaryDirectory() as work:
            wrong = run(line, work)
        print("failed:" if wrong else "ok:", line)
        if wrong:
            print(f"  in {source}:\n{wrong}")
            failed += 1
if not count:
    print("there is no launch line at all")
sys.exit(1 if failed or not count else 0)
