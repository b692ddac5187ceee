"""A small driver for headless Chromium over the DevTools protocol: one browser, any number of tabs, deadlines.

Each tab is a browser context of its own, so that tests share nothing. What the page complains about (console errors,
exceptions, violations of the security policy, requests that fail) is collected in `Tab.complaints`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

START = 60.0
PATIENCE = 60.0
MAX_MESSAGE = 64 * 1024 * 1024
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """Where Chromium is, if it is installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def running(path: str) -> Iterator[str]:
    """A browser; gives the address of its DevTools. It ends with the block, and so do its profile and its home."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "log"
        with log.open("wb") as said:
            browser = subprocess.Popen(
                [path, *SWITCHES, f"--user-data-dir={profile}/profile", "about:blank"],
                env={**_environment(), "HOME": profile},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            yield _address(browser, Path(profile) / "profile" / "DevToolsActivePort", log)
        finally:
            browser.send_signal(signal.SIGTERM)
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait(10)


def _environment() -> dict[str, str]:
    """Without the folders of whoever runs the tests: they may be another's, or nowhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}


def _address(browser: subprocess.Popen[bytes], file: Path, log: Path) -> str:
    until = time.monotonic() + START
    while time.monotonic() < until:
        if browser.poll() is not None:
            break
        with suppress(OSError, ValueError):
            port, path = file.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.05)
    raise RuntimeError(f"Chromium did not start: {log.read_text(errors='replace')[-2000:]}")


class Chromium:
    """The connection to a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def listen(self) -> None:
        """Hands out what arrives; runs as long as the connection."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(told)
            elif tab := self._tabs.get(told.get("sessionId", "")):
                tab.happened(told["method"], told["params"])

    async def call(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command, with a deadline."""
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        asked = {"id": number, "method": method, "params": params}
        await self._socket.send_json(asked | ({"sessionId": session} if session else {}))
        async with asyncio.timeout(PATIENCE):
            told = await answer
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']}")
        return told["result"]

    @asynccontextmanager
    async def tab(self, *, javascript: bool = True) -> AsyncIterator[Tab]:
        """An empty tab that shares nothing with others."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        made = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        try:
            for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
                await tab.call(f"{domain}.enable")
            await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
            if not javascript:
                await tab.call("Emulation.setScriptExecutionDisabled", value=True)
            yield tab
        finally:
            del self._tabs[tab.session]
            await self.call("Target.disposeBrowserContext", browserContextId=context)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Chromium]:
    """A connection to the browser at `address`."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=MAX_MESSAGE, timeout=aiohttp.ClientWSTimeout(ws_close=2)) as socket,
    ):
        browser = Chromium(socket)
        listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


class Tab:
    """One page."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self.session = session
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = ()
        self.requested: list[str] = []
        self._loaded = asyncio.Event()

    def happened(self, method: str, params: dict[str, Any]) -> None:
        """Takes note of an event."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(
                    " ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"])
                )
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command to this tab."""
        return await self._browser.call(method, session=self.session, **params)

    async def open(self, address: str) -> None:
        """Loads a page and waits until it has loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=address)
        async with asyncio.timeout(PATIENCE):
            await self._loaded.wait()

    async def loads(self) -> None:
        """Waits for the next page that a click or a key has asked for. Call `expect_load` before."""
        async with asyncio.timeout(PATIENCE):
            await self._loaded.wait()

    def expect_load(self) -> None:
        """From here on, `loads` waits for another page."""
        self._loaded.clear()

    async def look(self, *, width: int = 1280, height: int = 800, dark: bool = False, mobile: bool = False) -> None:
        """The size of the window, and light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )
        await self.prefer(**{"prefers-color-scheme": "dark" if dark else "light"})

    async def prefer(self, **features: str) -> None:
        """Media features, as `prefers-color-scheme` by name."""
        named = [{"name": name, "value": value} for name, value in features.items()]
        await self.call("Emulation.setEmulatedMedia", features=named)

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        told = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in told:
            raise RuntimeError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Waits until an expression is true."""
        until = time.monotonic() + PATIENCE
        while not (value := await self.run(expression)):
            assert time.monotonic() < until, f"this never came true: {expression}"
            await asyncio.sleep(0.02)
        return value

    async def told(self, words: str, *, times: int) -> None:
        """Waits until the page has complained so often about something."""
        async with asyncio.timeout(PATIENCE):
            while sum(words in said for said in self.complaints) < times:
                await asyncio.sleep(0.02)

    async def press(self, *keys: str, shift: bool = False) -> None:
        """Keys by name: Tab, Enter, Space, ArrowDown, or a letter."""
        for key in keys:
            told = _KEYS.get(key, {"key": key, "text": key})
            modifiers = 8 if shift else 0
            await self.call("Input.dispatchKeyEvent", type="keyDown", modifiers=modifiers, **told)
            released = {name: value for name, value in told.items() if name != "text"}
            await self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **released)

    async def type(self, text: str) -> None:
        """Types into what has the focus."""
        await self.press(*text)

    async def click(self, selector: str) -> None:
        """Clicks into the middle of an element with the mouse."""
        x, y = await self.run(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView({{block: 'center'}});"
            " const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def text(self, selector: str) -> str:
        """The text of an element as it is shown."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def texts(self, selector: str) -> Sequence[str]:
        """The texts of all elements that are shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].filter((node) => node.checkVisibility())"
        return list(await self.run(f"{shown}.map((node) => node.innerText)"))

    async def screenshot(self, file: Path, *, whole: bool = True, clip: Sequence[float] | None = None) -> bytes:
        """A PNG of the whole page, of the window, or of a part (x, y, width, height)."""
        options: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if clip is not None:
            x, y, width, height = clip
            options["clip"] = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        elif whole:
            size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
            height = min(size["height"], 4000)
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1}
        png = base64.b64decode((await self.call("Page.captureScreenshot", **options))["data"])
        await asyncio.to_thread(_write, file, png)
        return png


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


_KEYS = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
    "Escape": {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27},
    "Backspace": {"key": "Backspace", "code": "Backspace", "windowsVirtualKeyCode": 8},
}
