"""An address of an uptime service that is called while the monitor works: healthchecks.io, Uptime Kuma and the like.

The address may be a secret (whoever knows it can pretend that the monitor lives): it is in no text that leaves here.
"""

from __future__ import annotations

from pathlib import Path

from yarl import URL

from monitor.adapters.file_reading import NotAFileError, in_words, read_file, shown
from monitor.adapters.http_call import HttpCaller, Method
from monitor.core.model import Fault
from monitor.core.secret import Secret

MAX_URL = 2048


class PingedService:
    """The uptime service behind one address. url: the address, or the file that holds it, read at every call."""

    def __init__(self, url: Secret | Path, method: Method, caller: HttpCaller) -> None:
        self._url = url
        self._method = method
        self._caller = caller

    async def beat(self) -> str | None:
        """Calls the address. Returns what went wrong and what to do."""
        found = self._address()
        if isinstance(found, str):
            return found
        answer = await self._caller.call(self._method, found)
        if isinstance(answer, Fault):
            # Without its details, which may quote the address.
            return f"the uptime service cannot be reached: {answer.kind.value}: check heartbeat.url and the way there"
        if 200 <= answer.status < 300:
            return None
        if 300 <= answer.status < 400:
            return (
                f"the uptime service sends elsewhere ({answer.status}): give the address to which heartbeat.url leads"
            )
        return f"the uptime service answered {answer.status}: check heartbeat.url and heartbeat.method"

    def _address(self) -> URL | str:
        if isinstance(self._url, Secret):
            text = self._url.reveal()
        else:
            where = f"heartbeat.urlFile {shown(self._url)}"
            try:
                text = read_file(self._url, MAX_URL).data.decode().strip()
            except FileNotFoundError:
                return f"{where} does not exist: mount it, or correct the path"
            except NotAFileError:
                return f"{where} is not a regular file: give the path of a file"
            except OSError as error:
                return f"{where} cannot be read: {in_words(error, 'let the monitor read it')}"
            except ValueError:
                return f"{where} is not text: write the address alone into it"
        return parsed(text) or "the address of the heartbeat is none: write it like https://hc-ping.com/UUID"


def parsed(text: str) -> URL | None:
    """An address that can be called; None for anything else."""
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        return None
    try:
        url = URL(text, encoded=True)
        usable = url.scheme in ("http", "https") and url.host and url.port and url.user is None
    except ValueError:
        return None
    return url if usable else None
