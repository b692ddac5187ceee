"""The compact recordings say what the originals say: nothing missing, nothing different.

The originals are not part of the repository. Where `../shared/argocd/recordings` lies beside it, every exchange is
compared; elsewhere only the compact files are looked at for themselves.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.recordings.load import VERSIONS, Exchange, encode_jwt, load, read, scenario

ORIGINALS = Path(__file__).parents[2].parent / "shared" / "argocd" / "recordings"
LEFT_OUT = {"grpc-metadata-content-type"}  # on every JSON answer, always "application/grpc"
needs_originals = pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the original recordings are not here")


def originals(version: str) -> dict[str, Any]:
    contents = [json.loads(path.read_text("utf-8")) for path in sorted((ORIGINALS / version).glob("*.json"))]
    return {content["scenario"]: content for content in contents}


@needs_originals
@pytest.mark.parametrize("version", VERSIONS)
def test_every_original_scenario_and_exchange_is_kept_in_its_order(version: str) -> None:
    kept = {found.name: [exchange.label for exchange in found.exchanges] for found in load(version)}
    assert kept == {
        name: [exchange["label"] for exchange in original["exchanges"]] for name, original in originals(version).items()
    }


@needs_originals
@pytest.mark.parametrize("version", VERSIONS)
def test_every_exchange_says_what_the_original_says(version: str) -> None:
    for name, original in originals(version).items():
        kept = scenario(version, name)
        assert kept.about == original["about"]
        assert read(version)[name].get("counts") == original.get("counts")
        for exchange, recorded in zip(kept.exchanges, original["exchanges"], strict=True):
            request, response = recorded["request"], recorded["response"]
            where = f"{version}/{name}/{exchange.label}"
            assert exchange.method == request["method"], where
            assert exchange.path == request["path"], where
            assert exchange.authorization == request["authorization"], where
            assert exchange.request_body == request["body"], where
            assert exchange.transport_error == response.get("transport_error"), where
            assert exchange.status == response.get("status", 0), where
            assert exchange.headers == without_left_out(response.get("headers", {})), where
            # A body that is no text was recorded with U+FFFD for each byte that UTF-8 does not know.
            assert exchange.body.decode("utf-8", "replace") == response.get("body", ""), where


def without_left_out(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in LEFT_OUT}


def test_a_token_is_rebuilt_letter_by_letter() -> None:
    header, claims, signature = encode_jwt({"jwt": {"iss": "argocd", "jti": "é"}}).split(".")
    assert header == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    assert base64.urlsafe_b64decode(claims + "==").decode() == '{"iss":"argocd","jti":"é"}'
    assert signature == "c2lnbmF0dXJl"


def test_the_body_that_came_compressed_without_saying_so_is_kept_as_bytes() -> None:
    body = scenario("3.6", "root-path").exchange("wrong-root-path-on-plain-server").body
    assert gzip.decompress(body) == b"404 page not found\n"


def test_a_wrong_label_is_named() -> None:
    with pytest.raises(KeyError, match="no single exchange 'nothing'"):
        scenario("3.6", "login").exchange("nothing")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_exchange_is_either_answered_or_a_transport_error(version: str) -> None:
    def is_one(exchange: Exchange) -> bool:
        return (exchange.status == 0) == (exchange.transport_error is not None)

    assert all(is_one(exchange) for found in load(version) for exchange in found.exchanges)


def test_the_compact_files_stay_small() -> None:
    here = Path(__file__).parent
    assert sum((here / f"{version}.json").stat().st_size for version in VERSIONS) < 250_000
