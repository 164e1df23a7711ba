#!/bin/sh
# What the tests need of Debian, installed when it is missing: a real browser for GraphiQL, a real Redis.
set -eu
command -v chromium >/dev/null && command -v redis-server >/dev/null && exit 0
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium redis-server
