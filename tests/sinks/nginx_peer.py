"""nginx as an HTTP intake that we did not write: it enforces its limits, and keeps each body that it took as a file.

`client_body_in_file_only on` keeps the bodies, numbered in the order of arrival; a second server inside nginx answers
for the application behind it. Everything is in one directory, and it ends with `close`.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from bench.peers import UNPACKED

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.sinks.certificates import Certificates

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a user's PATH may lack sbin
PATIENCE_SECONDS = 60.0
HOW_TO_GET = f"tools/bootstrap.sh test-peers {UNPACKED}"

CONFIG = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/bodies;
  client_body_in_file_only on;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  client_max_body_size 1m;
  server {{ listen unix:{directory}/application; return 204; }}
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {chain};
    ssl_certificate_key {chain};
    ssl_client_certificate {ca};
    ssl_verify_client optional;
    location /intake {{
      limit_except POST {{ deny all; }}
      proxy_pass http://unix:{directory}/application;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
    location /signed {{
      if ($ssl_client_verify != SUCCESS) {{ return 403; }}
      proxy_pass http://unix:{directory}/application;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
    location = /static {{ root {directory}; }}
    location /moved {{ return 308 https://elsewhere.example/; }}
    location /locked {{ auth_basic "audit"; auth_basic_user_file {directory}/users;
      proxy_pass http://unix:{directory}/application;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}
}}
"""


def find_nginx() -> str:
    """Return the program: an installed one before one that was only unpacked. Fails where there is none."""
    installed = shutil.which("nginx", path=SYSTEM_PATH)
    unpacked = UNPACKED / "usr/sbin/nginx"
    assert installed or unpacked.exists(), f"nginx is missing; get it with: {HOW_TO_GET}"
    return installed or str(unpacked)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


class Nginx:
    """A running nginx. users: a line of its password file."""

    def __init__(self, directory: Path, certificates: Certificates, users: str = "") -> None:
        """Start it, and wait until it listens."""
        self.directory = directory
        self.port, self.tls_port = _free_ports()
        (directory / "bodies").mkdir()
        (directory / "static").write_text("a page\n")
        (directory / "users").write_text(users)
        config = directory / "nginx.conf"
        config.write_text(
            CONFIG.format(
                directory=directory,
                port=self.port,
                tls_port=self.tls_port,
                chain=certificates.server,
                ca=certificates.ca,
            )
        )
        command = [find_nginx(), "-p", str(directory), "-c", str(config), "-e", str(directory / "error.log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._await_listening()

    @property
    def bodies(self) -> list[bytes]:
        """Return the bodies that it took, in order."""
        files = (path for path in (self.directory / "bodies").rglob("*") if path.is_file())
        return [path.read_bytes() for path in sorted(files, key=lambda path: int(path.name))]

    def url(self, path: str, *, tls: bool = False) -> str:
        """Return where a location is."""
        return f"https://localhost:{self.tls_port}{path}" if tls else f"http://localhost:{self.port}{path}"

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        """Return itself, listening."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def _await_listening(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self._process.poll() is None, (self.directory / "error.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.01)
            else:
                return
