"""The log: one bounded line an event, the same for every library, and never a credential."""

import asyncio
import io
import json
import logging
import sys
import traceback
import warnings

import pytest
import structlog
from monitor.adapters import logs
from monitor.core.secret import Secret

HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
TOKEN = f"{HEADER}.eyJpc3MiOiJhcmdvY2QiLCJzdWIiOiJhZG1pbjphcGlLZXkifQ.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"
PIECES = [HEADER, *TOKEN.split(".")[1:], TOKEN[5:40]]
LIBRARIES = [
    "aiohttp.client",
    "aiohttp.server",
    "aiohttp.access",
    "aiohttp.web",
    "kubernetes_asyncio",
    "kubernetes_asyncio.client.rest",
    "apscheduler.scheduler",
    "apscheduler.executors.default",
    "urllib3.connectionpool",
    "asyncio",
    "py.warnings",
    "some.other.library",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = {name: logging.getLogger(name) for name in (*logs.QUIET, logs.NEVER_DEBUG)}
    before = {name: (logger.level, logger.filters[:]) for name, logger in named.items()}
    yield
    root.handlers[:], root.level = handlers, level
    for name, (old, filters) in before.items():
        named[name].setLevel(old)
        named[name].filters[:] = filters
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def in_json(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure("json", level, stream)
    return stream


def test_a_line_is_one_json_object_with_time_level_event_and_logger():
    stream = in_json()
    structlog.get_logger("monitor.services.fleet").warning("verdict changed", target="production", accepted=False)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "verdict changed",
        "logger": "monitor.services.fleet",
        "target": "production",
        "accepted": False,
    }
    assert list(json.loads(stream.getvalue()))[:3] == ["timestamp", "level", "event"]


def test_the_time_is_rfc_3339_in_utc():
    stream = in_json()
    record = logging.LogRecord("x", logging.INFO, "f", 1, "said", None, None)
    record.created = 1_795_000_000.25
    logging.getLogger().handle(record)
    assert lines(stream)[0]["timestamp"] == "2026-11-18T11:06:40.250Z"


def test_lines_of_libraries_look_like_ours():
    stream = in_json()
    logging.getLogger("some.library").warning("retried %d times", 3)
    line = lines(stream)[0]
    assert (line["event"], line["level"], line["logger"]) == ("retried 3 times", "warning", "some.library")


def test_less_than_the_level_is_not_written():
    stream = in_json("warning")
    structlog.get_logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")
    structlog.get_logger("ours").error("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_to_configure_again_replaces_and_does_not_add():
    in_json()
    stream = in_json()
    structlog.get_logger("ours").info("once")
    logging.getLogger("theirs").info("once")
    assert len(lines(stream)) == 2


@pytest.mark.parametrize("library", logs.QUIET)
def test_talkative_libraries_are_heard_from_warning_on_unless_all_was_asked_for(library):
    stream = in_json("info")
    logger = logging.getLogger(f"{library}.part")
    logger.info("chatter")
    logger.warning("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"]
    stream = in_json("debug")
    logger.debug("chatter")
    assert [line["event"] for line in lines(stream)] == ["chatter"]


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_bodies_of_the_kubernetes_api_are_never_written_even_when_somebody_lowers_the_level_later(level):
    stream = in_json(level)
    logger = logging.getLogger("kubernetes_asyncio.client.rest")
    logger.debug("response body: %s", {"data": {"token": "c2VjcmV0"}})
    logger.setLevel(logging.DEBUG)
    logger.debug("response body: %s", {"data": {"token": "c2VjcmV0"}})
    assert stream.getvalue() == ""


def test_the_filter_is_put_on_once_however_often_logging_is_configured():
    for _ in range(3):
        in_json()
    ours = [found for found in logging.getLogger(logs.NEVER_DEBUG).filters if isinstance(found, logs._NeverDebug)]
    assert len(ours) == 1


# The canary: a token handed to every library's logger in every way appears nowhere.


def _said_by(name: str) -> None:
    logger = logging.getLogger(name)
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        logger.log(level, TOKEN)
        logger.log(level, "sent %s to %r", TOKEN, {"Authorization": f"Bearer {TOKEN}"})
        logger.log(level, "headers: %s", [("authorization", b"Bearer " + TOKEN.encode())])
        logger.log(level, "cut off: %s", TOKEN[:60])
        logger.log(level, "in an object: %s", Secret(TOKEN), extra={"token": TOKEN})
    try:
        try:
            raise ValueError(f"no good: {TOKEN}")
        except ValueError as error:
            error.add_note(f"it was {TOKEN}")
            raise RuntimeError("Authorization: Bearer opaque-and-secret") from error
    except RuntimeError:
        logger.exception("failed with %s", TOKEN, stack_info=True)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_no_library_can_make_the_log_show_a_token(name, form, capfd):
    stream = Terminal() if form == "console" else io.StringIO()
    logs.configure(form, "debug", stream)
    _said_by(name)
    written = stream.getvalue()
    assert "***" in written
    shown = written + "".join(capfd.readouterr())
    assert not [piece for piece in (*PIECES, "opaque-and-secret") if piece in shown]


@pytest.mark.parametrize("form", ["json", "console"])
def test_our_own_lines_never_show_a_token(form):
    stream = io.StringIO()
    logs.configure(form, "debug", stream)
    log = structlog.get_logger("monitor")
    token = TOKEN
    log.info(
        token, token=token, secret=Secret(token), nested={"a": [{token: (token, Secret(token))}]}, raw=token.encode()
    )
    log.info("deep", deep=[[[[[[token]]]]]], **{token: 1})
    log.info("base64", data={"token": "ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5"})
    try:
        raise KeyError(token)
    except KeyError:
        log.exception("failed")
    written = stream.getvalue()
    assert "***" in written
    assert not [piece for piece in (*PIECES, "ZXlKaGJHY2") if piece in written]


def test_a_huge_token_leaves_no_part_where_the_line_is_cut():
    stream = in_json()
    huge = f"{HEADER}.{'QUJD' * 50_000}.{'c2ln' * 1000}"
    try:
        raise ValueError(huge)
    except ValueError:
        structlog.get_logger("monitor").exception("failed with", value=huge, more="x" * 10_000 + huge)
    assert "QUJDQUJD" not in stream.getvalue()
    assert "c2lnc2ln" not in stream.getvalue()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"got {TOKEN}, hm", "got ***, hm"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("'authorization': 'bearer abc'", "'authorization': 'bearer ***'"),
        ("?h=Bearer%20abc", "?h=Bearer *** ".rstrip()),
        ("the forbearance of eyJ", "the forbearance of eyJ"),
        ("target production is valid", "target production is valid"),
    ],
    ids=["jwt", "bearer", "quoted bearer", "bearer in a url", "no credential", "plain words"],
)
def test_what_looks_like_a_credential_becomes_stars(said, written):
    assert logs.redact(said) == written


def test_a_traceback_shows_where_and_what_but_no_local_variables():
    stream = in_json()
    password = "correct horse battery staple"  # noqa: F841 - what must not be shown
    try:
        raise OSError("no such file")
    except OSError:
        structlog.get_logger("monitor").exception("failed")
    told = lines(stream)[0]["exception"]
    assert told.startswith("Traceback")
    assert told.endswith("OSError: no such file")
    assert "correct horse battery staple" not in told.replace('password = "correct horse battery staple"', "")


# Bounds and forgery


HUGE = {
    "message": {"event": "x" * 1_000_000},
    "value": {"event": "said", "value": "y" * 1_000_000},
    "many values": {"event": "said", **{f"key{n}": "z" * 500 for n in range(500)}},
    "many items": {"event": "said", "items": list(range(100_000))},
    "keys": {"event": "said", "map": {"k" * 5_000 + str(n): n for n in range(100)}},
    "emoji": {"event": "said", "value": "\N{SPARKLES}" * 4000},
    "deep": {"event": "said", "deep": [[[["a" * 100] * 60] * 60] * 60]},
    "number": {"event": "said", "value": 10**10_000},
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("event", HUGE.values(), ids=HUGE)
def test_a_line_is_never_longer_than_8_kib(event, form):
    stream = io.StringIO()
    logs.configure(form, "info", stream)
    structlog.get_logger("monitor").info(**event)
    written = stream.getvalue()
    assert 0 < len(written.encode()) <= logs.MAX_LINE + 1
    if form == "json":
        assert lines(stream)[0]["event"][:4] == event["event"][:4]


def test_a_long_traceback_keeps_its_end():
    stream = in_json()
    try:
        raise ValueError("a" * 20_000 + " and that is why")
    except ValueError:
        structlog.get_logger("monitor").exception("failed")
    assert lines(stream)[0]["exception"].endswith("and that is why")


FORGED = "ok\n2026-01-01T00:00:00Z [error] forged\r\x1b[2Jgone \u202eesrever \u2028next"


def test_nobody_who_is_quoted_can_forge_a_line():
    stream = in_json()
    structlog.get_logger("monitor").info(FORGED, **{"bad\nkey": FORGED})
    logging.getLogger("library").warning("said %s", FORGED)
    assert stream.getvalue().count("\n") == 2
    assert not set("\x1b\r\u202e\u2028") & set(stream.getvalue())
    assert "\\n2026" in lines(stream)[0]["event"]  # escaped also for those who print the value


def test_on_a_terminal_a_quoted_line_break_starts_no_line():
    stream = Terminal()
    logs.configure("console", "info", stream)
    structlog.get_logger("monitor").info(FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("monitor").exception("failed")
    assert not [line for line in stream.getvalue().splitlines() if line.startswith("2026-01-01")]
    assert "\x1b[2J" not in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
    ],
    ids=["terminal", "NO_COLOR", "dumb terminal", "no terminal"],
)
def test_colours_are_for_terminals_that_want_them(stream, environment, coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = stream()
    logs.configure("console", "info", out)
    structlog.get_logger("monitor").info("said")
    assert ("\x1b[" in out.getvalue()) is coloured
    assert "said" in out.getvalue()


def test_auto_is_for_people_on_a_terminal_and_json_elsewhere():
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        logs.configure("auto", "info", stream)
        structlog.get_logger("monitor").info("said")
    assert not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["event"] == "said"


def test_a_stream_that_knows_ascii_only_gets_ascii():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    logs.configure("console", "info", stream)
    structlog.get_logger("monitor").info("Zażółć", account="\udcff")
    assert b"Za\\u017c" in raw.getvalue()


class Spiteful:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_an_object_that_cannot_be_shown_does_not_stop_the_line():
    stream = in_json()
    structlog.get_logger("monitor").info("said", it=Spiteful(), nan=float("nan"))
    line = lines(stream)[0]
    assert (line["it"], line["nan"]) == ("(Spiteful that cannot be shown)", "nan")


def test_a_line_that_cannot_be_made_says_so_without_its_arguments(capfd):
    stream = in_json()
    logging.getLogger("library").warning("%d times", TOKEN)
    assert lines(stream)[0]["event"] == "a log line could not be written"
    assert HEADER not in stream.getvalue() + "".join(capfd.readouterr())


def test_a_closed_stream_is_survived_in_silence(capfd):
    stream = in_json()
    stream.close()
    structlog.get_logger("monitor").info("said")
    assert capfd.readouterr() == ("", "")


def test_warnings_of_python_go_to_the_log():
    stream = in_json()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old way, {TOKEN}", DeprecationWarning, stacklevel=1)
    assert lines(stream)[0]["logger"] == "py.warnings"
    assert HEADER not in stream.getvalue()


def test_what_asyncio_reports_goes_to_the_log():
    stream = in_json()

    async def loses_an_error() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ValueError(TOKEN)})

    asyncio.run(loses_an_error())
    assert lines(stream)[0]["logger"] == "asyncio"
    assert HEADER not in stream.getvalue()


def test_tracebacks_hide_what_the_standard_ones_show():
    """The comparison that keeps the canary honest: unredacted, the same traceback does hold the token."""
    try:
        raise ValueError(TOKEN)
    except ValueError:
        assert HEADER in "".join(traceback.format_exception(*sys.exc_info()))
