"""Certificates that a configuration names must be there and be certificates; each file is told by its path."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from monitor.config.certificates import MAX_CERTIFICATES
from monitor.config.files import check_files
from monitor.config.load import settings_of
from monitor.config.problems import ConfigurationError
from monitor.config.settings import Settings


def issue(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    certificate = builder.not_valid_after(start + dt.timedelta(days=3650)).sign(key, hashes.SHA256())
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return cert_file, key_file


def with_tls(tls: dict[str, str], **more: object) -> Settings:
    target = {"name": "a", "url": "https://a.example.com", "tls": tls, "auth": {"type": "password"}}
    return settings_of({"targets": [target], **more})


def said(settings: Settings) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_files(settings)
    return str(caught.value)


def test_a_certificate_and_its_key_are_fine(tmp_path: Path) -> None:
    cert, key = issue(tmp_path, "one")
    tls = {"caFile": str(cert), "certFile": str(cert), "keyFile": str(key)}
    check_files(with_tls(tls, http={"tls": {"certFile": str(cert), "keyFile": str(key)}}))


def test_a_bundle_may_have_comments_in_any_script(tmp_path: Path) -> None:
    cert, _ = issue(tmp_path, "one")
    cert.write_bytes("# Főtanúsítvány\n".encode() + cert.read_bytes() * 2)
    check_files(with_tls({"caFile": str(cert)}))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "holds no readable PEM certificates"),
        (b"junk", "holds no readable PEM certificates"),
        (b"\xff\x00" * 50, "holds no readable PEM certificates"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no readable PEM certificates"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "something else in PEM"),
        (b"x" * (MAX_CERTIFICATES + 1), "is larger than 1 MiB"),
    ],
    ids=["empty", "junk", "bytes", "broken", "key", "large"],
)
def test_a_ca_file_that_is_none_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(content)
    text = said(with_tls({"caFile": str(file)}))
    assert text.startswith("targets[0].tls.caFile: ")
    assert what in text
    assert "ca.crt" in text


def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "does not exist; mount the file, or correct the path" in said(with_tls({"caFile": str(tmp_path / "no")}))


def test_a_folder_and_a_pipe_are_no_files_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in said(with_tls({"caFile": str(tmp_path / "pipe")}))
    assert "is not a regular file" in said(with_tls({"caFile": str(tmp_path)}))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    cert, _ = issue(tmp_path, "one")
    _, key = issue(tmp_path, "two")
    text = said(with_tls({"certFile": str(cert), "keyFile": str(key)}))
    assert text.startswith("targets[0].tls.keyFile: ")


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_passphrase(tmp_path: Path) -> None:
    cert, key = issue(tmp_path, "one", passphrase=b"hunter2")
    assert "without a passphrase" in said(with_tls({"certFile": str(cert), "keyFile": str(key)}))


def test_every_file_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    auth = {"type": "token", "tokenFile": "/t"}
    target = {"url": "https://a.example.com", "tls": {"caFile": str(tmp_path / "no")}, "auth": auth}
    settings = settings_of(
        {
            "kubernetes": {"kubeconfig": str(tmp_path / "kubeconfig")},
            "http": {"tls": {"certFile": str(tmp_path / "c"), "keyFile": str(tmp_path / "k")}},
            "targets": [{"name": f"t{n}", **target} for n in range(3)],
        }
    )
    paths = [line.partition(":")[0] for line in said(settings).splitlines()]
    assert paths == ["kubernetes.kubeconfig", "http.tls.certFile", "http.tls.keyFile", "targets[0].tls.caFile"]


def with_state(state_dir: Path, auth: dict[str, str]) -> Settings:
    target = {"name": "a", "url": "https://a.example.com", "auth": auth}
    return settings_of({"stateDir": str(state_dir), "targets": [target]})


def test_the_directory_of_journals_must_be_one(tmp_path: Path) -> None:
    auth = {"type": "password", "tokenFile": str(tmp_path / "token")}
    check_files(with_state(tmp_path, auth))
    text = said(with_state(tmp_path / "no", auth))
    assert text.startswith("stateDir: ")
    assert "does not exist; make it" in text
    (tmp_path / "file").write_text("")
    assert "is not a directory" in said(with_state(tmp_path / "file", auth))
    assert "is not a directory" not in said(with_state(tmp_path / "file" / "x", auth))


def test_nobody_looks_for_a_directory_of_journals_that_is_not_needed(tmp_path: Path) -> None:
    check_files(with_state(tmp_path / "no", {"type": "token", "tokenFile": "/t"}))
    check_files(with_state(tmp_path / "no", {"type": "password"}))


def test_token_files_may_come_later() -> None:
    auth = {"type": "password", "passwordFile": "/nowhere/p", "tokenFile": "/nowhere/t"}
    check_files(settings_of({"targets": [{"name": "a", "url": "https://a.example.com", "auth": auth}]}))
