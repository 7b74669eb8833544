"""Chromium without a window, driven by its own protocol over a pipe: no other package is needed."""

import fcntl
import json
import os
import select
import shutil
import signal
import time
from base64 import b64decode

# Its own sandbox does not start where tests run as root; WebGL is computed on the processor.
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-extensions",
    "--disable-gpu-rasterization",
    "--disable-accelerated-2d-canvas",
    "--disable-gpu-compositing",
)
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 2**16
# The browser reads commands from the first and writes answers to the second.
_READS, _WRITES = 3, 4
# Numbers of pipes in this process, above those that the browser gets.
_FIRST_FREE = 10


def find():
    """Return the path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """A running browser with one page. Errors and warnings of its console are in `messages`."""

    def __init__(self, folder, width=1000, height=600):
        to_read, self._commands = _pipe()
        self._answers, to_write = _pipe()
        size, profile = f"--window-size={width},{height}", f"--user-data-dir={folder}/profile"
        moves = [(os.POSIX_SPAWN_DUP2, to_read, _READS), (os.POSIX_SPAWN_DUP2, to_write, _WRITES)]
        moves.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
        path = find()
        # A session of its own: all of its processes can be ended together.
        self._process = os.posix_spawn(
            path,
            [path, *_OPTIONS, size, profile, "about:blank"],
            os.environ,
            file_actions=moves,
            setsid=True,
        )
        os.close(to_read)
        os.close(to_write)
        self._left, self._number, self._session = b"", 0, None
        self.messages = []
        pages = self._ask("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in pages if each["type"] == "page")
        answer = self._ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def close(self):
        """End the browser."""
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._commands)
        os.close(self._answers)

    def open(self, address):
        """Open a page and wait until it is loaded."""
        self.messages.clear()
        self._ask("Page.navigate", url=address)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression):
        """Return the value of an expression of JavaScript, waiting for a promise."""
        answer = self._ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def mouse(self, kind, x, y, buttons=0):
        """Move, press or release the mouse: 'mouseMoved', 'mousePressed', 'mouseReleased'."""
        self._answer(self._send_mouse(kind, x, y, buttons))

    def _send_mouse(self, kind, x, y, buttons):
        return self._send(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="none" if kind == "mouseMoved" and not buttons else "left",
            buttons=buttons,
            clickCount=0 if kind == "mouseMoved" else 1,
        )

    def click(self, x, y):
        """Press and release the mouse."""
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, buttons=1)
        self.mouse("mouseReleased", x, y)

    def drag(self, *places):
        """Press the mouse at the first place, move it through all and release it at the last."""
        self.mouse("mouseMoved", *places[0])
        # Without a wait after the press: to rest there is another gesture.
        pressed = self._send_mouse("mousePressed", *places[0], 1)
        moved = self._send_mouse("mouseMoved", *places[1], 1)
        for number in (pressed, moved):
            self._answer(number)
        for place in places[2:]:
            self.mouse("mouseMoved", *place, buttons=1)
        self.mouse("mouseReleased", *places[-1])

    def wheel(self, x, y, distance):
        """Turn the wheel of the mouse."""
        self._ask(
            "Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=distance
        )

    def frame(self):
        """Wait until the page has been drawn anew."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def screenshot(self):
        """Return what the window shows, as a PNG."""
        return b64decode(self._ask("Page.captureScreenshot")["data"])

    # -- protocol --------------------------------------------------------------------------

    def _ask(self, method, **parameters):
        return self._answer(self._send(method, **parameters))

    def _send(self, method, **parameters):
        """Send a command and return its number."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        return self._number

    def _answer(self, number):
        """Return the answer to a command. Answers come in the order of the commands."""
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(str(answer["error"]))
                return answer["result"]

    def _wait_for(self, event):
        while self._read().get("method") != event:
            pass

    def _read(self):
        """Return the next message."""
        end = time.monotonic() + _TIMEOUT_SECONDS
        parts = [self._left]
        while b"\0" not in parts[-1]:
            if not select.select([self._answers], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError(f"the browser gave no answer for {_TIMEOUT_SECONDS} s")
            part = os.read(self._answers, _CHUNK_BYTES)
            if not part:
                raise RuntimeError("the browser has ended")
            parts.append(part)
        message, _, self._left = b"".join(parts).partition(b"\0")
        message = json.loads(message)
        self._record(message)
        return message

    def _record(self, message):
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(parameters["exceptionDetails"])[:1000])
        if message.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in (
            "error",
            "warning",
        ):
            self.messages.append(json.dumps(parameters["args"])[:1000])
        if message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.messages.append(json.dumps(parameters["entry"])[:1000])
        if message.get("method") == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                self.messages.append(f"asked the network for {url}")


def _pipe():
    """Return both ends of a pipe, in numbers that do not stand in the way of the browser's."""
    ends = os.pipe()
    kept = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return kept
