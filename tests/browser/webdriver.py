# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small WebDriver client: Debian's Chromium through chromium-driver, with
nothing but Python's standard library."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

CHROMIUM = os.environ.get('CHROMIUM', '/usr/bin/chromium')
DRIVER = os.environ.get('CHROMEDRIVER', '/usr/bin/chromedriver')

FLAGS = [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding', '--mute-audio',
    '--autoplay-policy=no-user-gesture-required',
]

ENTER = '\ue007'
ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'


def available():
    return os.access(CHROMIUM, os.X_OK) and os.access(DRIVER, os.X_OK)


class WebDriverError(Exception):
    pass


class Browser:
    """One chromedriver with one headless Chromium of its own."""

    def __init__(self, width=1440, height=900, flags=()):
        self.home = tempfile.mkdtemp(prefix='viewer-browser-')
        self.downloads = os.path.join(self.home, 'downloads')
        os.mkdir(self.downloads)
        self.session = None
        self.driver = subprocess.Popen(
            [DRIVER, '--port=0'], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        try:
            self._start(width, height, flags)
        except BaseException:
            self.close()
            raise

    def _start(self, width, height, flags):
        self.port = None
        for line in self.driver.stdout:
            found = re.search(r'successfully on port (\d+)', line)
            if found:
                self.port = int(found.group(1))
                break
        if not self.port:
            raise WebDriverError('chromedriver did not start')
        args = FLAGS + list(flags) + [
            f'--user-data-dir={self.home}/profile',
            f'--window-size={width},{height}']
        value = self._call('POST', '/session', {'capabilities': {
            'alwaysMatch': {
                'browserName': 'chrome',
                'timeouts': {'script': 120000},
                'goog:chromeOptions': {
                    'binary': CHROMIUM, 'args': args,
                    'prefs': {'download.default_directory': self.downloads,
                              'download.prompt_for_download': False}},
                'goog:loggingPrefs': {'browser': 'ALL'}}}}, timeout=90)
        self.session = value['sessionId']
        self.cdp('Browser.setDownloadBehavior', behavior='allow',
                 downloadPath=self.downloads)

    def _call(self, method, path, body=None, timeout=130):
        link = http.client.HTTPConnection('127.0.0.1', self.port,
                                          timeout=timeout)
        try:
            data = None if body is None else json.dumps(body)
            link.request(method, path, data,
                         {'Content-Type': 'application/json'})
            value = json.loads(link.getresponse().read())['value']
        finally:
            link.close()
        if isinstance(value, dict) and 'error' in value:
            raise WebDriverError(f"{value['error']}: {value['message']}")
        return value

    def call(self, method, path, body=None, timeout=130):
        return self._call(method, f'/session/{self.session}{path}', body,
                          timeout)

    def cdp(self, command, **params):
        return self.call('POST', '/goog/cdp/execute',
                         {'cmd': command, 'params': params})

    def get(self, url):
        self.call('POST', '/url', {'url': url})

    def js(self, script, *args):
        """The value of the JavaScript function body `script`."""
        return self.call('POST', '/execute/sync',
                         {'script': script, 'args': list(args)})

    def element(self, selector):
        value = self.call('POST', '/element',
                          {'using': 'css selector', 'value': selector})
        return value[ELEMENT]

    def click(self, selector):
        self.call('POST', f'/element/{self.element(selector)}/click', {})

    def type(self, selector, text):
        self.call('POST', f'/element/{self.element(selector)}/value',
                  {'text': text})

    def key(self, text):
        """Presses keys on the page itself, whatever has the focus."""
        self.call('POST', '/actions', {'actions': [{
            'type': 'key', 'id': 'keyboard', 'actions': [
                {'type': kind, 'value': char}
                for char in text for kind in ('keyDown', 'keyUp')]}]})

    def text(self, selector):
        return self.call('GET', f'/element/{self.element(selector)}/text')

    def log(self):
        """Console lines since the last call."""
        return self.call('POST', '/se/log', {'type': 'browser'})

    def wait(self, script, timeout=30, what=None, every=0.2):
        """Until the function body `script` gives something true; returns it."""
        end = time.monotonic() + timeout
        while True:
            value = self.js(script)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(
                    f'not within {timeout} s: {what or script}')
            time.sleep(every)

    def size(self, width, height, scale=1, mobile=False):
        self.cdp('Emulation.setDeviceMetricsOverride', width=width,
                 height=height, deviceScaleFactor=scale, mobile=mobile)

    def theme(self, name):
        self.cdp('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': name}])

    def screenshot(self, path, jpeg=0):
        kind = {'format': 'jpeg', 'quality': jpeg} if jpeg else {'format': 'png'}
        data = self.cdp('Page.captureScreenshot', **kind)['data']
        with open(path, 'wb') as out:
            out.write(base64.b64decode(data))

    def processes(self, kind=''):
        """Process ids of this browser, whose command lines name `kind`."""
        found = []
        for entry in os.listdir('/proc'):
            if not entry.isdigit():
                continue
            try:
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    line = f.read().decode(errors='replace')
            except OSError:
                continue
            if kind in line and self.home in line:
                found.append(int(entry))
        return found

    def renderers(self):
        return self.processes('--type=renderer')

    def signal(self, pids, which):
        for pid in pids:
            try:
                os.kill(pid, which)
            except ProcessLookupError:
                pass

    def close(self):
        self.signal(self.renderers(), signal.SIGCONT)
        if self.session:
            try:
                self.call('DELETE', '', timeout=20)
            except (OSError, WebDriverError, ValueError,
                    http.client.HTTPException):
                pass
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait(10)
        self.driver.stdout.close()
        # A busy browser may not have heard that it was to go.
        self.signal(self.processes(), signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
