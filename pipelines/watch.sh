#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An endless dreamscape to watch in a browser: installs what is missing,
# builds, runs, prints the address.
usage='Usage: watch.sh [--prompt TEXT] [--port N] [--size WxH] [--segments N]
                [--no-install] [--help]

Streams a dreamscape to a page that any browser can open, and prints the
address of that page. What is shown is drawn by the procedural generator from
the words of the prompt; new prompts are typed on the page. Ctrl-C ends it.'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

start "$@"
check_port
say_address http
launch "${stream[@]}" ! soupwebsocketsink address="$address" port="$port"
