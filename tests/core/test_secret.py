"""A Secret prints nowhere, by whatever way somebody tries."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from monitor.core.secret import Secret

VALUE = "eyJhbGciOi.not-to-be-seen.k3Vd0m9Zt1q"


@dataclass(frozen=True, slots=True)
class Holder:
    token: Secret
    others: tuple[Secret, ...] = ()


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(ascii, id="ascii"),
        pytest.param(lambda s: f"{s}", id="f-string"),
        pytest.param(lambda s: f"{s!r:>50}", id="f-string with repr"),
        pytest.param(lambda s: f"{s:>50}", id="f-string with a format"),
        pytest.param(lambda s: format(s, ""), id="format"),
        pytest.param("{}".format, id="str.format"),
        pytest.param(lambda s: "%s %r" % (s, s), id="percent"),  # noqa: UP031 - old code prints so
        pytest.param(lambda s: string.Template("$s").substitute(s=s), id="Template"),
        pytest.param(pprint.pformat, id="pprint"),
        pytest.param(lambda s: repr([s, {"token": s}, (s,)]), id="in containers"),
        pytest.param(lambda s: repr(Holder(s, (s,))), id="in a dataclass"),
        pytest.param(lambda s: json.dumps({"token": s}, default=str), id="json with default=str"),
        pytest.param(lambda s: json.dumps({"token": s}, default=repr), id="json with default=repr"),
    ],
)
def test_it_shows_stars(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(VALUE))
    assert "***" in shown
    assert not any(part in shown for part in VALUE.split("."))


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(json.dumps, id="json"),
        pytest.param(pickle.dumps, id="pickle"),
        pytest.param(lambda s: pickle.dumps(Holder(s)), id="pickle of its holder"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(bytes, id="bytes"),
        pytest.param(list, id="list"),
        pytest.param(vars, id="vars"),
        pytest.param("".join, id="join"),
    ],
)
def test_it_refuses_to_leave(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leave(Secret(VALUE))
    assert VALUE not in str(caught.value)


def test_a_traceback_with_local_variables_shows_stars() -> None:
    def fail(token: Secret) -> None:
        raise ValueError(f"cannot use {token}")

    with pytest.raises(ValueError, match=r"cannot use Secret\(\*\*\*\)") as caught:
        fail(Secret(VALUE))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "token = Secret(***)" in shown
    # The frame of this test has the value in no local variable, so it can stand nowhere.
    assert VALUE not in shown


def test_logging_shows_stars() -> None:
    stream = io.StringIO()
    logger = logging.Logger("secret")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("token %s %r", Secret(VALUE), [Secret(VALUE)], extra={"token": Secret(VALUE)})
    assert stream.getvalue() == "token Secret(***) [Secret(***)]\n"


def test_equality_is_that_of_the_values() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800é") == Secret("\ud800é")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_secret_is_false_and_only_reveal_gives_the_value() -> None:
    assert not Secret("")
    assert Secret(VALUE)
    assert len(Secret(VALUE)) == len(VALUE)
    assert Secret(VALUE).reveal() == VALUE


def test_the_fingerprint_tells_values_apart_and_holds_none_of_them() -> None:
    assert Secret(VALUE).fingerprint() == Secret(VALUE).fingerprint() != Secret(VALUE + "x").fingerprint()
    assert len(Secret("\ud800").fingerprint()) == 12
    assert Secret(VALUE).fingerprint() not in VALUE
