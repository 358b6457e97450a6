#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Streams over TLS to viewers who have the token.
usage='Usage: wss.sh [--cert FILE --key FILE] [--token TOKEN] [option...]

Streams like watch.sh, over TLS and only to those who know the token. Without
--cert it makes a self-signed certificate for localhost, which a browser asks
about once; without --token it makes one up. The address it prints has the
token in it.'
own_usage='  --cert FILE        certificate in PEM form
  --key FILE         its private key in PEM form
  --token TOKEN      what viewers must present (default: a random one)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cert=''
key=''
token=''
own_option ()
{
  case $1 in
    --cert) cert=$2 ;;
    --key) key=$2 ;;
    --token) token=$2 ;;
    *) return 1 ;;
  esac
}

# Kept in the build directory, so that a browser asks only once.
make_certificate ()
{
  local directory=$build/tls
  cert=$directory/cert.pem
  key=$directory/key.pem
  if [ -s "$cert" ] && openssl x509 -in "$cert" -noout -checkend 86400 \
    >/dev/null; then
    return
  fi
  mkdir -p "$directory"
  (umask 077 && quietly certificate openssl req -x509 -newkey rsa:2048 -nodes \
    -days 365 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
    -keyout "$key" -out "$cert")
  echo "Made a self-signed certificate: $cert"
}

start "$@"
[ -n "$cert" ] || [ -z "$key" ] || bad_usage "--key without --cert"
[ -z "$cert" ] || [ -n "$key" ] || bad_usage "--cert without --key"
[ -n "$cert" ] || make_certificate
[ -n "$token" ] || token=$(openssl rand -hex 16)
check_port
say_address https "?token=$token"
launch "${stream[@]}" ! soupwebsocketsink address="$address" port="$port" \
  token="$(quote "$token")" tls-certificate="$(quote "$cert")" \
  tls-key="$(quote "$key")"
