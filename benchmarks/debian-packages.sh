#!/bin/sh
# Installs the Debian packages that the benchmark needs, if they are missing: nginx for the sources, taskset, and Redis.
set -eu
[ -x /usr/sbin/nginx ] && command -v taskset >/dev/null && command -v redis-server >/dev/null && exit 0
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light util-linux redis-server
