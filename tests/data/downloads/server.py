"""A server on this machine that misbehaves as told."""

import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``content`` at any path. Each request takes the next of ``script``, then :func:`serve`.

    Attributes:
        content: the file.
        headers: sent with it, such as its ETag.
        script: answers, functions of (handler, server); the first is used up first.
        requests: the headers of every request that came.
    """

    def __init__(self):
        self.content = bytes(range(256)) * 400
        self.headers = {"ETag": '"one"'}
        self.script = []
        self.requests = []
        self.paths = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/file.bin"

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(server):  # noqa: N805 (the handler has a self of its own)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.requests.append(dict(self.headers))
                server.paths.append(self.path)
                answer = server.script.pop(0) if server.script else serve()
                self.close_connection = True
                answer(self, server)

            def log_message(self, *_):
                pass

        return Handler


def send_head(handler, status, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Connection", "close")
    handler.end_headers()


def reset(handler):
    """Close so that the other side sees a reset connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def serve(sent=None, ignore_range=False, ignore_if_range=False, claim=None, also=None, then=None):
    """The file, as asked for; ``sent`` bytes of it, ``claim`` as its Content-Length."""

    def answer(handler, server):
        offset = _offset(handler, server, ignore_range, ignore_if_range)
        body = server.content[offset:]
        headers = {"Content-Length": len(body) if claim is None else claim, **server.headers, **(also or {})}
        if offset >= len(server.content) > 0:
            send_head(handler, 416, {"Content-Range": f"bytes */{len(server.content)}", "Content-Length": 0})
            return
        if offset:
            headers["Content-Range"] = f"bytes {offset}-{len(server.content) - 1}/{len(server.content)}"
        send_head(handler, 206 if offset else 200, headers)
        handler.wfile.write(body[:sent])
        handler.wfile.flush()
        if then:
            then(handler)

    return answer


def _offset(handler, server, ignore_range, ignore_if_range):
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not asked or ignore_range:
        return 0
    condition = handler.headers.get("If-Range")
    known = {server.headers.get("ETag"), server.headers.get("Last-Modified")}
    return int(asked[1]) if condition is None or condition in known or ignore_if_range else 0


def fail(status, **headers):
    """An error, with a body that is not the file."""

    def answer(handler, _):
        body = b"<html><title>Error</title></html>"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        send_head(handler, status, {"Content-Length": len(body), **names})
        handler.wfile.write(body)

    return answer


def page(html, content_type="text/html; charset=utf-8"):
    """A web page with status 200."""

    def answer(handler, _):
        body = html.encode()
        send_head(handler, 200, {"Content-Type": content_type, "Content-Length": len(body)})
        handler.wfile.write(body)

    return answer


def chunked(sent=None, piece=3000):
    """The whole file in chunks, its length not announced; cut without the last chunk if ``sent``."""

    def answer(handler, server):
        send_head(handler, 200, {"Transfer-Encoding": "chunked", **server.headers})
        body = server.content[:sent]
        for start in range(0, len(body), piece):
            part = body[start : start + piece]
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if sent is None:
            handler.wfile.write(b"0\r\n\r\n")

    return answer
