"""A tiny OpenAI-compatible endpoint on the loopback address: counts calls, answers as told, leaks on purpose."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """What the endpoint saw."""

    url: str = ""
    started: list[str] = field(default_factory=list)
    """Last message of each request, as it came in."""
    finished: list[str] = field(default_factory=list)
    """Last message of each request whose answer was sent whole."""


@contextmanager
def endpoint(
    answer: Callable[[list[dict[str, Any]], int], str | dict[str, Any]],
    *,
    delay_s: float = 0.0,
    model: Callable[[int], str] = lambda _: "fake-1",
    status: int = 200,
    usage: Callable[[list[dict[str, Any]], str], tuple[int, int]] = lambda messages, said: (1, 1),
) -> Iterator[Endpoint]:
    """Serve ``answer(messages, number of the call)``: a text, or fields of the choice. ``usage``: tokens read
    and written for messages and an answer."""
    seen = Endpoint()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            last = body["messages"][-1]["content"]
            text = last if isinstance(last, str) else json.dumps(last)
            with lock:
                number = len(seen.started)
                seen.started.append(text)
            time.sleep(delay_s)
            if status != 200:
                # Some gateways echo the request's headers into their errors.
                payload: dict[str, Any] = {
                    "error": {"message": f"denied for {self.headers['Authorization']}", "code": "denied"}
                }
            else:
                said = answer(body["messages"], number)
                choice = {"finish_reason": "stop", "index": 0} | (said if isinstance(said, dict) else {})
                choice["message"] = {
                    "role": "assistant",
                    "content": said if isinstance(said, str) else said.get("content", ""),
                }
                choice.pop("content", None)
                read, written = usage(body["messages"], str(choice["message"]["content"]))
                payload = {
                    "id": f"c{number}",
                    "object": "chat.completion",
                    "created": 0,
                    "model": model(number),
                    "choices": [choice],
                    "usage": {
                        "prompt_tokens": read,
                        "completion_tokens": written,
                        "total_tokens": read + written,
                    },
                }
            data = json.dumps(payload).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                # An eval ends without closing its client: a connection kept alive would outlive its event loop.
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                return
            with lock:
                seen.finished.append(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # of the 5 by default a busy machine drops some, and their clients wait

    server = Server(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
