"""The server's certificate, exchanged while it serves.

The listening context stays the same and hands each new handshake to the present one, so a certificate and a key
that do not belong together are never in use, not even while the files are being replaced.
"""

from __future__ import annotations

import hashlib
import ssl

from monitor.adapters.file_reading import NotAFileError, read_file
from monitor.adapters.server.errors import TlsFilesError
from monitor.config.certificates import no_passphrase

MAX_FILE = 1024 * 1024


class ServerTls:
    """A certificate chain and its key, from two PEM files."""

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._digest = self._read_digest()
        self._present = self._make()
        self.listening = self._make()
        self.listening.sni_callback = self._choose

    def reload(self) -> bool:
        """Reads the files again. True when they hold something new, which is now in use.

        Raises TlsFilesError when they cannot be used; the old certificate then stays.
        """
        digest = self._read_digest()
        if digest == self._digest:
            return False
        self._present = self._make()
        self._digest = digest
        return True

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, listening: ssl.SSLContext) -> None:
        connection.context = self._present

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._cert_file, self._key_file, password=no_passphrase)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise self._unusable(error) from None
        return context

    def _read_digest(self) -> bytes:
        digest = hashlib.sha256()
        for name in (self._cert_file, self._key_file):
            try:
                data = read_file(name, MAX_FILE).data
            except NotAFileError:
                raise self._unusable(ValueError("it is not a regular file"), name) from None
            except OSError as error:
                raise self._unusable(error, name) from None
            if len(data) > MAX_FILE:
                raise self._unusable(ValueError(f"it is larger than {MAX_FILE // 1024 // 1024} MiB"), name)
            digest.update(hashlib.sha256(data).digest())
        return digest.digest()

    def _unusable(self, error: Exception, name: str | None = None) -> TlsFilesError:
        where = name or f"{self._cert_file} and {self._key_file}"
        if isinstance(error, ssl.SSLError):
            what = (error.reason or "not readable as PEM").replace("_", " ").lower()
        else:
            what = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return TlsFilesError(
            f"{where}: cannot serve https with these files: {what}. Give a PEM certificate chain (http.tls.certFile) "
            "and its unencrypted PEM key (http.tls.keyFile)."
        )
