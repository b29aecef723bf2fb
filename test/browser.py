"""A headless Chromium for the tests of pages, driven over its DevTools protocol. Needs websockets."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request

from PIL import Image

NAMES = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'
PATIENCE = 120.0  # s; a browser that starts for the first time on a busy machine takes one


def find_browser():
    """Path of a browser, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser; use as a context manager. Without a GPU: it draws in software."""

    def __init__(self, folder, size=(1200, 750)):
        self._profile, self._size = folder / 'profile', size
        self._numbers = itertools.count(1)
        self.said = []

    def __enter__(self):
        from websockets.sync.client import connect

        self._process = subprocess.Popen(
            [
                find_browser(),
                '--headless=new',
                '--no-sandbox',
                '--disable-dev-shm-usage',
                '--disable-backgrounding-occluded-windows',
                '--disable-renderer-backgrounding',
                '--use-angle=swiftshader',
                '--enable-unsafe-swiftshader',
                '--remote-debugging-port=0',
                '--remote-allow-origins=*',
                f'--user-data-dir={self._profile}',
                f'--window-size={self._size[0]},{self._size[1]}',
                'about:blank',
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        told = self._profile / 'DevToolsActivePort'
        port = _wait(lambda: told.exists() and told.read_text().splitlines()[0], 'the browser does not start')
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/json') as answer:
            page = next(one for one in json.load(answer) if one['type'] == 'page')
        self._socket = connect(page['webSocketDebuggerUrl'], max_size=None)
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')
        width, height = self._size
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(Exception):
            self.call('Browser.close')
        self._socket.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method, **given):
        """The result of a method of the protocol; what the page says meanwhile is in `said`."""
        number = next(self._numbers)
        self._socket.send(json.dumps({'id': number, 'method': method, 'params': given}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get('id') == number:
                assert 'error' not in message, message
                return message['result']
            if message.get('method') in ('Runtime.exceptionThrown', 'Log.entryAdded'):
                self.said.append(message['params'])

    def open(self, url):
        self.call('Page.navigate', url=url)
        self.call('Page.bringToFront')

    def ask(self, script):
        """The value of a JavaScript expression."""
        answer = self.call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    def text(self):
        return self.ask('document.body ? document.body.innerText : ""')

    def wait(self, condition, what):
        """The first value of `condition()` that is true."""
        return _wait(condition, f'{what}: the page says {self.text()!r}, the browser {self.said[-3:]}')

    def press(self, key, code=None):
        for kind in ('rawKeyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key, code=code or key)

    def click(self, x, y):
        self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def picture(self, path):
        """A picture of the page, saved as `path` (.png)."""
        path.write_bytes(base64.b64decode(self.call('Page.captureScreenshot', format='png')['data']))
        return Image.open(path).convert('RGB')


def _wait(condition, what):
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
