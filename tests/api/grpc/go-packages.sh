#!/bin/sh
# What test_other_clients.py needs of Debian, installed when it is missing; prints the GOPATH. The argument is a folder to write to.
set -eu
missing=
for package in golang-go golang-google-grpc-dev golang-google-genproto-dev golang-google-protobuf-dev protoc-gen-go \
  protoc-gen-go-grpc protobuf-compiler libprotobuf-dev; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -qq >&2
  # shellcheck disable=SC2086 - a list of names
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi
# Debian 12 installs a version of github.com/golang/protobuf that cannot read what its protoc-gen-go generates. The version
# that can conflicts with it as a package, so it is only unpacked.
cd "$1"
apt-get download -qq golang-github-golang-protobuf-1-5-dev >&2
dpkg -x golang-github-golang-protobuf-1-5-dev_*.deb unpacked
echo "$1:$1/unpacked/usr/share/gocode:/usr/share/gocode"
