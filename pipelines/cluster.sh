#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Several servers behind HAProxy, all on this machine.
usage='Usage: cluster.sh [--servers N] [--slots N] [--size WxH] [--port N]
                  [--no-install] [--help] [-- FLAG...]

Starts servers like serve.sh'"'"'s on ports of their own and, before them, HAProxy
on the port that is given: each visitor goes to the server that is least busy,
none to one that is not ready. It prints where each server listens and its
process: end one to see what happens. Ctrl-C ends them all.'
own_usage='  --servers N        how many (default 3)
  --slots N          sessions at a time of each (default 2)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

common_usage='  --size WxH         picture size in pixels (default 832x480)
  --address ADDRESS  where HAProxy listens (default 127.0.0.1)
  --port N           where HAProxy listens (default 8009; 0: any that is free)
  --no-install       do not install missing packages
  --help             this text
  -- FLAG...         further flags of each dreamverse-server'
port=8009
width=832
height=480
servers=3
slots=2
own_option ()
{
  case $1 in
    --servers | --slots)
      is_number "$2" || bad_usage "$1 wants a number, not '$2'"
      printf -v "${1#--}" %s "$2"
      ;;
    *) return 1 ;;
  esac
}

# free_port: one that nobody listens on, into $found.
free_port ()
{
  found=$((20000 + RANDOM))
  while listening "$found"; do
    found=$((20000 + RANDOM))
  done
}

parse_options "$@"
build_all "$@"
command -v haproxy >/dev/null \
  || die "haproxy is missing: apt-get install haproxy"
export GST_PLUGIN_PATH_1_0="$build/gst/plugin${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}"
check_port

work=$(mktemp -d)
processes=()
end_all ()
{
  trap '' INT TERM
  kill "${processes[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$work"
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

backends=''
for ((n = 1; n <= servers; n++)); do
  free_port
  agent=$found
  "$build/gst/server/dreamverse-server" --demo --port=0 "--slots=$slots" \
    "--width=$width" "--height=$height" "--agent-port=$agent" \
    --trusted-proxies=127.0.0.1 "${extra[@]}" \
    >"$work/$n" 2>"$work/$n.log" &
  process=$!
  processes+=("$process")
  # It says where it listens, or ends.
  until grep -qs '^Listening' "$work/$n"; do
    kill -0 "$process" 2>/dev/null || {
      cat "$work/$n.log" >&2
      die "server $n did not start"
    }
    sleep 0.05
  done
  where=$(sed -n 's|^Listening at http://\(.*\)/$|\1|p' "$work/$n")
  echo "server $n: http://$where/ process $process"
  backends+="  server s$n $where agent-port $agent
"
done

# Least busy first: by connections for the slots that work, which the agent
# tells. Who is not ready gets nobody new; who has a session there keeps it.
cat >"$work/haproxy.cfg" <<CONFIG
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 10s
  option forwardfor
frontend in
  bind $address:$port
  default_backend dreamverse
backend dreamverse
  balance leastconn
  option httpchk GET /readyz
  http-check expect status 200
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response 503
  http-response set-header X-Dreamverse-Server %s
  default-server check inter 500ms fall 1 rise 1 weight 100 agent-check agent-inter 500ms
$backends
CONFIG
haproxy -q -db -f "$work/haproxy.cfg" &
processes+=($!)
until listening "$port"; do
  kill -0 $! 2>/dev/null || die "HAProxy did not start"
  sleep 0.05
done
say_address http
# Until Ctrl-C, or HAProxy ends.
wait $! || die "HAProxy ended"
