"""The page, which a server of this process feeds, or which bears all it shows within itself."""

from __future__ import annotations

import base64
import html
import json
import sys
import zlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from ..errors import SSRFlowError
from .history import History, palette

LOOPBACK = '127.0.0.1'
_PAGE = Path(__file__).with_name('page.html')
_SETUP, _DATA, _TITLE = '"SETUP"', '"DATA"', 'TITLE'  # places in the page


class ViewServer:
    """Serves the page and what `history` holds at `host`:`port`, until it is closed; 0: any port that is free.

    live  whether the newest sweep is followed as it comes.
    Raises SSRFlowError where the address cannot be had.
    """

    def __init__(self, history: History, title: str, host: str = LOOPBACK, port: int = 0, live: bool = False):
        page = _filled(title, {'title': title, 'live': live, 'palette': palette()}, None).encode()
        handler = type(
            'Handler', (_Handler,), {'history': history, 'page': page, 'only_local': host in (LOOPBACK, 'localhost')}
        )
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise SSRFlowError(f'--host {host} --port {port}: {reason}: give another --port or --host') from None
        self._thread = Thread(target=self._server.serve_forever, kwargs={'poll_interval': 0.1}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self._server.server_address[:2]
        return f'http://{host!s}:{port}/'

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def export(history: History, title: str, mark: str = '') -> str:
    """The page with all of `history` in it: a file that opens without Python and without a network.

    mark  a note at its end that nobody sees.
    """
    start, frames = history.after(0)
    data = {
        'start': start,
        'frames': [frame.about for frame in frames],
        'points': [base64.b64encode(zlib.compress(frame.points, 9)).decode() for frame in frames],
        'note': history.note,
    }
    return _filled(title, {'title': title, 'live': False, 'palette': palette()}, data) + f'<!-- {mark} -->\n'


def _filled(title: str, setup: dict[str, Any], data: dict[str, Any] | None) -> str:
    page = _PAGE.read_text(encoding='utf-8').replace(_TITLE, html.escape(title), 1)
    return page.replace(_SETUP, _script(setup), 1).replace(_DATA, _script(data), 1)


def _script(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, separators=(',', ':')).replace('</', '<\\/').replace('<!--', '<\\u0021--')


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET / (the page), /frames/N (JSON: what there is from frame N on) and /points/N (binary)."""

    history: History
    page: bytes
    only_local: bool
    protocol_version = 'HTTP/1.1'

    def do_GET(self) -> None:
        # A page of somebody else's, whose name leads here, is not to read what we show.
        host = self.headers.get('Host', '').rsplit(':', 1)[0]
        if self.only_local and host not in (LOOPBACK, 'localhost'):
            return self._answer(HTTPStatus.FORBIDDEN, 'text/plain', b'only as 127.0.0.1 or localhost\n')
        what, _, number = self.path.lstrip('/').partition('/')
        if not what:
            return self._answer(HTTPStatus.OK, 'text/html; charset=utf-8', self.page)
        if what in ('frames', 'points') and number.isdecimal() and len(number) < 10:
            if what == 'frames':
                return self._answer(HTTPStatus.OK, 'application/json', self._frames(int(number)))
            frame = self.history.frame(int(number))
            if frame is not None:
                return self._answer(HTTPStatus.OK, 'application/octet-stream', frame.points)
        return self._answer(HTTPStatus.NOT_FOUND, 'text/plain', b'there is no such thing\n')

    def _frames(self, number: int) -> bytes:
        done = self.history.done  # first, since frames may come meanwhile
        start, frames = self.history.after(number)
        told = {
            'start': start,
            'first': self.history.dropped,
            'frames': [frame.about for frame in frames],
            'done': done,
            'note': self.history.note,
        }
        return json.dumps(told, separators=(',', ':')).encode()

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.send_header('X-Content-Type-Options', 'nosniff')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal is the user's."""
