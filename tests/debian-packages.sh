#!/bin/sh
# What the tests need of Debian, installed when it is missing: a real browser for GraphiQL, a real Redis, a real
# Prometheus with promtool, jq for the commands of docs/operations.md, and valgrind to count instructions.
set -eu
missing=
for program in chromium redis-server prometheus jq valgrind; do # a package has the name of its program
  command -v "$program" >/dev/null || missing="$missing $program"
done
for proxy in nginx haproxy; do # outside of the path of most users; nginx-light is enough
  [ -x "/usr/sbin/$proxy" ] || missing="$missing $(echo "$proxy" | sed 's/^nginx$/nginx-light/')"
done
[ -z "$missing" ] && exit 0
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
# shellcheck disable=SC2086 - a list of names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
