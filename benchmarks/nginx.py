"""The sources: an nginx that serves the recorded responses and counts requests without additional cost."""

import getpass
import http.client
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.processes import FailedStartError, free_port, running_process, wait_until
from benchmarks.source_responses import SourceResponses

__all__ = ["Sources", "configuration", "run_sources"]

_START_TIMEOUT = 10.0  # seconds


@dataclass(slots=True)
class Sources:
    """The running nginx."""

    port: int
    _count_requests: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> int:
        """Return the number of requests so far, without those of this method."""
        self._count_requests += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/calls")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return int(re.findall(r"\d+", text)[3]) - self._count_requests


@contextmanager
def run_sources(source_responses: SourceResponses, sizes: set[int], *, core: int, folder: Path) -> Iterator[Sources]:
    """Run nginx on one core until the block ends.

    Raises:
        FailedStartError: nginx is not installed, or does not start.
    """
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        raise FailedStartError("nginx is missing. Install it with `apt-get install nginx-light`.")
    source_responses.write(folder / "answers", sizes)
    sources = Sources(free_port())
    (folder / "nginx.conf").write_text(configuration(source_responses, sources.port, folder))
    log = folder / "nginx.log"
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(log), "-g", "daemon off;"]
    with running_process(command, core=core, log=log) as process:
        wait_until(lambda: _accepts_connections(sources), process, log, _START_TIMEOUT)
        yield sources


def _accepts_connections(sources: Sources) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", sources.port), timeout=1):
            return True
    except OSError:
        return False


def configuration(source_responses: SourceResponses, port: int, folder: Path) -> str:
    """Return the configuration: one worker, no logs, persistent connections, one recorded user under every id."""
    user_json = orjson.dumps(source_responses.user).decode().replace(source_responses.user["id"], "$id")
    changed_json = user_json.replace(source_responses.user["user"]["name"], "Ada King")
    return _CONFIGURATION.format(
        port=port, folder=folder, user=getpass.getuser(), user_json=user_json, changed_json=changed_json
    )


# It has the headers of the account source (docs/upstreams/account.md, "Rate limits"), so that every server parses them.
_CONFIGURATION = """
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 100000000;
  tcp_nodelay on;
  default_type application/json;
  types {{ }}
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  open_file_cache max=1000 inactive=600s;
  open_file_cache_valid 600s;
  add_header Request-ID rq_$request_id;
  add_header RateLimit-Limit 1000000;
  add_header RateLimit-Remaining 999999;
  add_header RateLimit-Reset 0;
  add_header OpenMRP-Version 1.0.forge-preview.3;
  map $request_method $answer {{
    GET '{user_json}';
    PATCH '{changed_json}';
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/answers;
    location = /calls {{ stub_status; }}
    location = /v1/identity/account-users {{ try_files /users/$arg_limit =404; }}
    location ~ ^/v1/identity/account-users/(?<id>[a-z0-9_]+)$ {{ return 200 $answer; }}
    location = /v1/core/audit-events {{
      return 200 '{{"object":"list","page_info":{{"has_next_page":false}},"data":[]}}';
    }}
    location = /v1/identity/roles {{ try_files /roles/all =404; }}
    location = /v1/operations/departments {{ try_files /departments/all =404; }}
    location ~ ^/v1/identity/roles/(?<role>[a-z0-9_]+)$ {{ try_files /roles/$role =404; }}
    location ~ ^/v1/operations/departments/(?<department>[a-z0-9_]+)$ {{ try_files /departments/$department =404; }}
  }}
}}
"""
