# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: docs.py ROOT [INSPECT]
#
# Holds the pages in docs/ against what they describe: the names in
# gstdreamverse.h and wire.h, the elements' properties, signals and pads (with
# the program INSPECT), the options of dreamverse-generate, the states of
# sessions, and the files that README.md names.
import os
import re
import subprocess
import sys

ROOT = sys.argv[1]
INSPECT = sys.argv[2] if len(sys.argv) > 2 else None
ELEMENTS = ["dreamversesrc", "dreamversemux", "soupwebsocketsink"]
wrong = []


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def section(text, heading):
    """The part of a page under this heading, up to the next of its level."""
    level = heading.split(" ")[0]
    match = re.search(
        r"^%s$(.*?)(?=^#{1,%d} |\Z)" % (re.escape(heading), len(level)),
        text,
        re.M | re.S,
    )
    if not match:
        wrong.append(f"no heading '{heading}'")
        return ""
    return match.group(1)


def first_cells(text):
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.M))


def compare(what, there, documented):
    for name in sorted(there - documented):
        wrong.append(f"{what}: {name} is not documented")
    for name in sorted(documented - there):
        wrong.append(f"{what}: {name} is documented and does not exist")


def check_protocol():
    page = read("docs/protocol.md")
    header = read("gst/plugin/gstdreamverse.h").replace("\\\n", " ")
    defined = {}
    for kind, value in re.findall(
        r'#define\s+GST_DREAMVERSE_(FIELD|MESSAGE|EVENT|COMMAND)_\w+\s+"([^"]+)"',
        header,
    ):
        defined.setdefault(kind, set()).add(value)
    compare("fields", defined["FIELD"], first_cells(section(page, "## Fields")))
    compare(
        "messages",
        defined["MESSAGE"],
        {
            name
            for name in first_cells(section(page, "## Element messages"))
            if name.startswith("dreamverse-")
        },
    )
    events = section(page, "## Events")
    compare("events", defined["EVENT"], first_cells(events))
    commands = re.search(r"^Commands of [^:]*:(.*?)\.", events, re.M | re.S)
    compare(
        "commands",
        defined["COMMAND"],
        set(re.findall(r"`([^`]+)`", commands.group(1))),
    )
    # Fields that a row of a message or event names are fields of the header.
    for row in re.findall(
        r"^\| `dreamverse-[^|]*\|.*$", page, re.M
    ):
        for name in re.findall(r"`([^`]+)`", row.split("|", 2)[2]):
            if name not in defined["FIELD"] and not name.startswith("dreamverse"):
                wrong.append(f"'{name}' is no field: {row}")
    for name in set(re.findall(r"`(dreamverse-[a-z-]+)`", page)):
        if name not in defined["MESSAGE"] | defined["EVENT"]:
            wrong.append(f"{name} is neither a message nor an event")
    for name in re.findall(r"^(gst_dreamverse_\w+) \(", header, re.M):
        if f"`{name}()`" not in page:
            wrong.append(f"{name}() is not documented")
    for name in re.findall(r"`(gst_dreamverse_\w+)\(\)`", page):
        if name + " (" not in header:
            wrong.append(f"{name}() is documented and does not exist")

    wire = read("gst/plugin/wire.h").replace("\\\n", " ")
    to_viewer, to_server = wire.split("/* viewer -> server */")
    for heading, part in (
        ("### Server to viewer", to_viewer),
        ("### Viewer to server", to_server),
    ):
        compare(
            heading,
            set(re.findall(r'#define\s+WIRE_\w+\s+"([^"]+)"', part)),
            first_cells(section(page, heading)),
        )


def check_elements():
    page = read("docs/elements.md")
    for element in ELEMENTS:
        text = section(page, f"## {element}")
        for wanted in ("### Pads", "### Properties", "### Errors"):
            if wanted not in text:
                wrong.append(f"{element}: no '{wanted}'")
        if "gst-launch-1.0" not in text:
            wrong.append(f"{element}: no launch line")
        if not INSPECT:
            continue
        said = subprocess.run(
            [INSPECT, element], stdout=subprocess.PIPE, check=True, text=True
        ).stdout
        rows = [line.split("\t", 1)[1] for line in said.splitlines()]
        names = set()
        for row in rows:
            names.add(re.match(r"\| `([^`]+)`", row).group(1))
            # A signal's row has a cell more, which says what it is for.
            if row not in text and row[:-2] not in text:
                wrong.append(f"{element}: the page lacks the row\n  {row}")
        for heading in ("Pads", "Properties", "Signals"):
            if f"### {heading}\n" in text:
                for name in first_cells(section(text, f"### {heading}")):
                    if name not in names:
                        wrong.append(f"{element}: {name} does not exist")


def check_generate():
    """The page, --help and the table of options have the same options."""
    documented = first_cells(read("docs/generate.md"))
    documented = {name for name in documented if name.startswith("--")}
    table = re.findall(
        r'^    {"([\w-]+)", \w+_argument', read("gst/generator/tools/options.c"), re.M
    )
    there = {"--" + name for name in table}
    if not there:
        wrong.append("options.c has no table of options")
    compare("docs/generate.md", there, documented)
    said = re.findall(
        r'^"  (--[\w-]+)', read("gst/generator/tools/usage.c"), re.M
    )
    compare("--help", there, set(said))


def check_sessions():
    """The page and the table have the same states."""
    table = re.search(
        r"state_names\[DVS_N_STATES\] = \{(.*?)\}", read("gst/server/session-state.c"), re.S
    )
    there = set(re.findall(r'"([\w-]+)"', table.group(1))) if table else set()
    if not there:
        wrong.append("session-state.c has no names of states")
    compare("docs/sessions.md", there,
            first_cells(section(read("docs/sessions.md"), "## States")))


def check_links():
    pages = ["README.md"] + [
        "docs/" + name
        for name in sorted(os.listdir(os.path.join(ROOT, "docs")))
        if name.endswith(".md")
    ]
    index = read("docs/index.md")
    for page in pages:
        text = read(page)
        if page.startswith("docs/") and page != "docs/index.md":
            if f"({os.path.basename(page)})" not in index:
                wrong.append(f"docs/index.md does not name {page}")
        if "../shared" in text:
            wrong.append(f"{page} points outside the project")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path = os.path.join(ROOT, os.path.dirname(page), target)
            if not os.path.exists(path):
                wrong.append(f"{page} points to {target}, which is not there")
        for block in re.findall(r"^```sh\n(.*?)^```|^((?:    .*\n)+)", text, re.M | re.S):
            for command in re.findall(
                r"(?:^|[\s;])((?:pipelines|tests|\.ci)/[\w./-]+)", "".join(block)
            ):
                if not os.path.exists(os.path.join(ROOT, command)):
                    wrong.append(f"{page} names {command}, which is not there")


check_protocol()
check_elements()
check_generate()
check_sessions()
check_links()
for line in wrong:
    print(line)
sys.exit(1 if wrong else 0)
