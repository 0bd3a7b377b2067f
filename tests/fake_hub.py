"""A hub of one's own on this machine: enough of its protocol for the real download code, serving folders."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(repositories: Mapping[str, Path], asked: list[str]) -> Iterator[str]:
    """Serve folders as model repositories of one commit each, on loopback.

    Args:
        repositories: Id to folder.
        asked: Gets the path of every request.

    Yields:
        The address, for HF_ENDPOINT.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, format: str, *args: object) -> None: ...

        def _answer(self, with_body: bool) -> None:
            asked.append(self.path)
            for name, folder in repositories.items():
                if self.path.startswith((f"/api/models/{name}/tree/{COMMIT}", f"/api/models/{name}/tree/main")):
                    body = json.dumps([_entry(path) for path in sorted(folder.iterdir())]).encode()
                    return self._send(200, body, {"Content-Type": "application/json"}, with_body)
                if self.path.startswith(f"/api/models/{name}"):
                    _, _, revision = self.path.partition("/revision/")
                    if revision not in ("", "main", COMMIT):
                        return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, with_body)
                    siblings = [
                        {"rfilename": path.name, "size": path.stat().st_size} for path in sorted(folder.iterdir())
                    ]
                    body = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
                    return self._send(200, body, {"Content-Type": "application/json"}, with_body)
                if self.path.startswith((f"/{name}/resolve/{COMMIT}/", f"/{name}/resolve/main/")):
                    body = (folder / self.path.rsplit("/", 1)[1]).read_bytes()
                    tag = hashlib.sha256(body).hexdigest()
                    return self._send(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'}, with_body)
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entry(path: Path) -> dict[str, object]:
    oid = hashlib.sha1(path.read_bytes()).hexdigest()
    return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": oid}
