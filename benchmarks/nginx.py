"""The sources: an nginx that answers what was recorded, and counts its calls for nothing."""

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

from benchmarks.answers import Answers
from benchmarks.processes import FailedStartError, free_port, running, wait_until

__all__ = ["Sources", "configuration", "serving_sources"]

_START = 10.0  # seconds


@dataclass(slots=True)
class Sources:
    """The running sources."""

    port: int
    _counts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> int:
        """Requests answered so far, without those for this count."""
        self._counts += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/calls")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return int(re.findall(r"\d+", text)[3]) - self._counts


@contextmanager
def serving_sources(answers: Answers, sizes: set[int], *, core: int, folder: Path) -> Iterator[Sources]:
    """The sources on one core, until the block ends.

    Raises:
        FailedStartError: nginx is not installed, or does not start.
    """
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        raise FailedStartError("nginx is missing: `apt-get install nginx-light`")
    answers.write(folder / "answers", sizes)
    sources = Sources(free_port())
    (folder / "nginx.conf").write_text(configuration(answers, sources.port, folder))
    log = folder / "nginx.log"
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(log), "-g", "daemon off;"]
    with running(command, core=core, log=log) as process:
        wait_until(lambda: _answers(sources), process, log, _START)
        yield sources


def _answers(sources: Sources) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", sources.port), timeout=1):
            return True
    except OSError:
        return False


def configuration(answers: Answers, port: int, folder: Path) -> str:
    """One worker, no logs, connections that stay; every user has an answer, under the id that is asked for."""
    one = orjson.dumps(answers.user).decode().replace(answers.user["id"], "$id")
    changed = one.replace(answers.user["user"]["name"], "Ada King")
    return _CONFIGURATION.format(port=port, folder=folder, user=getpass.getuser(), one=one, changed=changed)


# The headers of the account system (account.md, 8), so that everyone reads what it would have to read.
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
    GET '{one}';
    PATCH '{changed}';
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/answers;
    location = /calls {{ stub_status; }}
    location = /v1/identity/account-users {{ try_files /users/$arg_limit =404; }}
    location ~ ^/v1/identity/account-users/(?<id>[a-z0-9_]+)$ {{ return 200 $answer; }}
    location = /v1/identity/roles {{ try_files /roles/all =404; }}
    location = /v1/operations/departments {{ try_files /departments/all =404; }}
    location ~ ^/v1/identity/roles/(?<role>[a-z0-9_]+)$ {{ try_files /roles/$role =404; }}
    location ~ ^/v1/operations/departments/(?<department>[a-z0-9_]+)$ {{ try_files /departments/$department =404; }}
  }}
}}
"""
