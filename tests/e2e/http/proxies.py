"""nginx and haproxy in front of a gateway, with a few connections to it that are shared by all clients."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ports import free_port

__all__ = ["PROXIES", "find", "running"]

_PATHS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"

_NGINX = """
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 20m;
  underscores_in_headers on;
  ignore_invalid_headers off;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host localhost;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
_HAPROXY = """
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  timeout tunnel 20s
  option accept-invalid-http-request
  http-reuse always
frontend clients
  bind 127.0.0.1:{port}
  default_backend gateway
backend gateway
  server one 127.0.0.1:{gateway} pool-max-conn 2
"""
PROXIES = {"nginx": _NGINX, "haproxy": _HAPROXY}
"""The configuration of each, in which connections to the gateway are reused for all clients, and checks are lenient."""


def find(name: str) -> str | None:
    """Return the path of the program, None if it is not installed."""
    return shutil.which(name, path=_PATHS)


@contextmanager
def running(name: str, gateway_url: str, folder: Path) -> Iterator[str]:
    """Run a proxy in front of a gateway until the block ends; yield its URL."""
    program = find(name)
    assert program is not None
    port = free_port()
    file = folder / f"{name}.conf"
    file.write_text(PROXIES[name].format(folder=folder, port=port, gateway=urlsplit(gateway_url).port))
    command = {
        "nginx": [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log"), "-g", "daemon off;"],
        "haproxy": [program, "-db", "-f", str(file)],
    }[name]
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} did not start: {process.poll()}")
