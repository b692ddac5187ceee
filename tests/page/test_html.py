"""The page as HTML: well-formed, everything from outside escaped, nothing from elsewhere, and readable for everybody."""

import re
from functools import cache
from urllib.parse import parse_qs

import pytest
from monitor.adapters.server.resources import load_assets
from monitor.adapters.server.status_page import StatusPage, Surroundings
from monitor.core.page import Order, Standing
from monitor.core.status import Status

from tests.page import samples
from tests.page.document import Document, read
from tests.page.samples import HOSTILE, NOW, hostile, many, one, target, thirty

PAGE = StatusPage()
AROUND = Surroundings(NOW, "1.2.3", runbooks="https://runbooks.example.com")


def html(reports, around=AROUND, **given) -> str:
    made = PAGE.all(reports, {name.rstrip("_"): value for name, value in given.items()}, around, pause=lambda _: None)
    return made.body.decode()


def page(reports, around=AROUND, **given) -> Document:
    return read(html(reports, around, **given))


def about(report, around=AROUND, **given) -> Document:
    return read(PAGE.one(report, given, around).body.decode())


PAGES = {
    "none": lambda: html([]),
    "one": lambda: html(one()),
    "thirty": lambda: html(thirty()),
    "one of the thirty": lambda: html(thirty(), q="production"),
    "a class that is empty": lambda: html(one(), class_="accepted"),
    "nothing found": lambda: html(thirty(), q="nobody has this name"),
    "paused": lambda: html(thirty(), live="off"),
    "turned round": lambda: html(thirty(), sort="-expires"),
    "thousand": lambda: html(many(1000)),
    "second page": lambda: html(many(1000), page="2"),
    "hostile": lambda: html(hostile()),
    "hostile filter": lambda: html(hostile(), q=HOSTILE[0]),
    "ill": lambda: html(one(), Surroundings(NOW, "1.2.3", ill='"><script>')),
    "a target": lambda: PAGE.one(samples.PRODUCTION, {}, AROUND).body.decode(),
    "no such target": lambda: PAGE.unknown(HOSTILE[0], iter(hostile()), AROUND).body.decode(),
    "no such target and no other": lambda: PAGE.unknown("a", iter(()), AROUND).body.decode(),
    **{
        f"hostile target {index}": lambda report=report: PAGE.one(report, {}, AROUND).body.decode()
        for index, report in enumerate(hostile())
    },
    **{f"every status: {status}": lambda status=status: html([target("a", status)]) for status in Status},
}


@cache
def _made(name: str) -> str:
    return PAGES[name]()


@pytest.fixture(params=PAGES)
def any_page(request) -> str:
    return _made(request.param)


# --- HTML -------------------------------------------------------------------------------------------------------------


def test_every_page_is_well_formed(any_page):
    assert read(any_page).faults == []


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("<p><b>x</p></b>", "</p>, open is b"),
        ('<p id="a"></p><p id="a"></p>', "id a twice"),
        ('<p a="" a=""></p>', "has an attribute twice"),
        ("<p><p></p></p>", "<p> within"),
        ("<td></td>", "<td> in"),
        ('<label for="a"></label>', "for=a leads nowhere"),
        ("<p>", "never closed"),
        ("<p/>", "<p/>"),
    ],
)
def test_the_reader_of_these_tests_finds_faults(broken, fault):
    assert any(fault in found for found in read(f"<!doctype html>\n{broken}").faults)


def test_nothing_comes_from_elsewhere_and_nothing_is_inline(any_page):
    document = read(any_page)
    for element in document.elements:
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in ("src", "href", "action"):
            address = element.get(name)
            if element.name != "a" and address:
                assert re.fullmatch(r"assets/[a-z-]+\.[0-9a-f]{16}\.(css|js|svg)|#i-[a-z]+|\./", address)
    assert [element.get("src") for element in document.all("script")] == [PAGE.assets.by_name["page.js"].address]
    assert document.all("style") == document.all("iframe") == document.all("img") == []


def test_links_lead_to_this_server_or_to_the_runbooks(any_page):
    for link in read(any_page).all("a"):
        address = link.get("href")
        assert re.match(
            r"\./|\?target=|#state$|(status|healthz|metrics)($|\?)|https://runbooks\.example\.com($|/)", address
        )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_causes_from_outside_are_shown_and_do_nothing(name):
    [report] = [report for report in hostile() if report.name == name]
    document = page([report])
    assert document.faults == []
    usual = {element.name for element in page(thirty()).elements}
    assert {element.name for element in document.elements} <= usual
    [link] = [link for link in document.all("a") if link.get("href").startswith("?target=")]
    assert parse_qs(link.get("href")[1:], keep_blank_values=True, strict_parsing=True) == {"target": [name]}


def test_hidden_and_turning_characters_are_shown_as_what_they_are():
    told = html(hostile())
    assert "a\\u202egnp.exe\\u2066\\u200b" in told
    assert all(character.isprintable() or character == "\n" for character in told)


def test_what_was_looked_for_stands_in_the_field_again():
    assert page(thirty(), q='"><script>').id("q").get("value") == '"><script>'
    assert page(thirty(), q='"><script>').all("script")[0].text == ""


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reports", "title", "icon"),
    [
        ([], "no targets - Token Monitor", "none"),
        (one(), "1 refused - Token Monitor", "refused"),
        (thirty(), "2 refused, 1 cannot tell, 2 need a person - Token Monitor", "refused"),
        ([target("a"), target("b")], "all 2 accepted - Token Monitor", "accepted"),
        ([target("a", Status.UNREACHABLE)], "1 cannot tell - Token Monitor", "unknown"),
        ([target("a", Status.EXPIRING)], "1 needs a person - Token Monitor", "attention"),
    ],
)
def test_the_title_and_the_icon_carry_the_state(reports, title, icon):
    document = page(reports)
    assert document.all("title")[0].text == title
    assert document.id("icon").get("href") == PAGE.assets.by_name[f"icon-{icon}.svg"].address


def test_the_classes_are_counted_and_are_links_that_filter():
    document = page(thirty())
    told = {standing: document.id(f"only-{standing}") for standing in Standing}
    assert {standing: link.text.split() for standing, link in told.items()} == {
        Standing.REFUSED: ["2", "refused"],
        Standing.UNKNOWN: ["1", "cannot", "tell"],
        Standing.ATTENTION: ["2", "need", "a", "person"],
        Standing.ACCEPTED: ["25", "accepted"],
    }
    assert told[Standing.REFUSED].get("href") == "./?class=refused"
    chosen = page(thirty(), class_="refused").id("only-refused")
    assert (chosen.get("aria-current"), chosen.get("href")) == ("true", "./")


def test_a_troubled_target_shows_cause_and_remedy_without_a_click_and_a_calm_one_does_not():
    document = page(thirty())
    causes = [element for element in document.elements if element.get("class") == "cause"]
    assert len(causes) == 30
    assert sum("details" not in element.around for element in causes) == 5


def test_a_thousand_targets_are_shown_in_pages_and_what_is_missing_is_said():
    first, second = page(many(1000)), page(many(1000), page="2")
    assert len(first.all("tbody")) == len(second.all("tbody")) == 500
    assert first.id("count").text == "1 to 500 of 1,000 targets, worst first. Not on this page: 500 accepted."
    assert second.id("count").text.startswith(
        "501 to 1,000 of 1,000 targets, worst first. Not on this page: 7 refused,"
    )
    assert first.id("top-after").get("href") == first.id("bottom-after").get("href") == "./?page=2"
    assert second.id("top-before").get("href") == "./"


def test_what_a_filter_left_over_is_counted():
    assert page(thirty(), q="production").id("count").text == "1 of 30 targets. Show all"
    assert page(thirty(), q="nobody").id("count").text == "None of 30 targets matches. Show all"
    assert page(thirty(), q="nobody").all("table") == []
    large = page(many(1000), q="example")
    assert "of 999 targets that match (1,000 in all)" in large.id("count").text


def test_the_page_refreshes_itself_also_without_javascript_and_can_be_paused():
    document = page(thirty())
    [refresh] = [meta for meta in document.all("meta") if meta.get("http-equiv") == "refresh"]
    assert (refresh.get("content"), refresh.around[-1]) == ("60", "noscript")
    assert document.one("html").get("data-refresh") == "10"
    paused = page(thirty(), live="off")
    assert paused.one("html").get("data-refresh") == "0"
    assert paused.all("noscript") == []
    assert document.id("live").get("href") == "./?live=off"
    assert paused.id("live").get("href") == "./"
    assert about(samples.PRODUCTION).id("live").get("href") == "./?target=production&live=off"
    assert about(samples.PRODUCTION, live="off").id("live").get("href") == "./?target=production"


def test_a_very_large_fleet_is_asked_for_less_often():
    assert page(many(1000)).one("html").get("data-refresh") == "10"
    assert page(many(1001)).one("html").get("data-refresh") == "30"


def test_the_form_keeps_what_it_does_not_ask_for():
    hidden = [element for element in page(thirty(), live="off").all("input") if element.get("type") == "hidden"]
    assert [(element.get("name"), element.get("value")) for element in hidden] == [("live", "off")]
    document = page(thirty(), sort="-name", class_="refused")
    chosen = [option.get("value") for option in document.all("option") if "selected" in option.attributes]
    assert chosen == ["refused", "-name"]


def test_a_target_has_a_page_of_its_own_with_everything():
    document = about(samples.PRODUCTION)
    for words in (
        "refused: revoked",
        "2026-11-18 11:03:30 UTC",
        "The API key codefresh-2025-11 was deleted",
        "argocd account generate-token --account codefresh",
        "last 30 checks: 16 valid, 13 revoked, 1 unreachable; the latest: revoked",
        "Secret codefresh/argocd-token, key token",
        "put a new token there",
        "argocd account delete-token --account codefresh codefresh-2025-08",
    ):
        assert words in document.text
    addresses = [link.get("href") for link in document.all("a")]
    assert "status?target=production" in addresses
    assert "https://runbooks.example.com/TokenMonitorTokenRefused.md" in addresses


@pytest.mark.parametrize("nowhere", ["", "https://token-monitor.example/runbooks"])
def test_without_an_address_of_the_runbooks_their_files_are_named(nowhere):
    document = about(samples.PRODUCTION, Surroundings(NOW, "1", runbooks=nowhere))
    assert "docs/runbooks/TokenMonitorTokenRefused.md" in document.text
    assert not [link for link in document.all("a") if "://" in link.get("href")]


def test_a_monitor_that_stands_still_says_so_on_its_page():
    document = page(one(), Surroundings(NOW, "1", ill="no check was started for 30 s"))
    assert "The monitor itself is not well: no check was started for 30 s." in document.text


def test_no_targets_is_told_as_what_it_is():
    document = page([])
    assert "The configuration names none and discovery found none, so nothing is being checked." in document.text


def test_a_target_that_does_not_exist_is_told_with_some_that_do():
    told = PAGE.unknown("nope", iter(many(1000)), AROUND)
    document = read(told.body.decode())
    assert told.status == 404
    assert document.id("state").text == "There is no target nope"
    assert len([link for link in document.all("a") if link.get("href").startswith("?target=")]) == 20


# --- for everybody ----------------------------------------------------------------------------------------------------


def test_every_page_has_its_landmarks_language_and_headings_in_order(any_page):
    document = read(any_page)
    assert document.one("html").get("lang") == "en"
    document.one("main")
    document.one("header")
    document.one("footer")
    levels = [int(element.name[1]) for element in document.elements if re.fullmatch("h[1-6]", element.name)]
    assert levels[:2] == [1, 2]
    assert levels.count(1) == levels.count(2) == 1
    labelled = [nav.get("aria-label") for nav in document.all("nav")]
    assert all(labelled)
    assert len(set(labelled)) == len(labelled)


def test_the_first_thing_to_reach_by_keyboard_leads_past_the_head(any_page):
    first = next(element for element in read(any_page).elements if element.name in ("a", "input", "button", "select"))
    assert first.get("href") == "#state"


def test_every_control_has_a_name(any_page):
    document = read(any_page)
    labels = {label.get("for") for label in document.all("label")}
    for element in document.elements:
        if element.name in ("input", "select") and element.get("type") != "hidden":
            assert element.get("id") in labels
        if element.name in ("a", "button", "summary"):
            assert element.text.strip()


def test_the_table_tells_its_columns_rows_and_order():
    document = page(thirty())
    heads = [head for head in document.all("th") if head.get("scope") == "col"]
    rows = [head for head in document.all("th") if head.get("scope") == "row"]
    assert [head.text for head in heads] == [
        "Target",
        "Status",
        "Since",
        "Account",
        "Expires",
        "Last checks",
        "Rotation",
    ]
    assert len(rows) == 30
    assert document.one("caption").text.startswith("Targets, worst first")
    assert [(head.text, head.get("aria-sort")) for head in heads if head.get("aria-sort")] == [("Status", "descending")]


def test_the_parts_of_the_table_keep_their_roles_however_they_are_laid_out():
    """On a phone they are no boxes of a table, and not every browser tells readers then that they are one."""
    document = page(thirty())
    roles = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    for element in document.elements:
        if element.name == "th":
            assert element.get("role") == {"col": "columnheader", "row": "rowheader"}[element.get("scope")]
        elif element.name in roles:
            assert element.get("role") == roles[element.name]


@pytest.mark.parametrize(
    ("sort", "column", "direction"),
    [
        ("worst", "Status", "descending"),
        ("-worst", "Status", "ascending"),
        ("name", "Target", "ascending"),
        ("-name", "Target", "descending"),
        ("since", "Since", "descending"),
        ("expires", "Expires", "ascending"),
        ("account", "Account", "ascending"),
    ],
)
def test_the_sorted_column_is_told_and_its_link_turns_it_round(sort, column, direction):
    document = page(thirty(), sort=sort)
    [head] = [head for head in document.all("th") if head.get("aria-sort")]
    assert (head.text, head.get("aria-sort")) == (column, direction)
    order = sort.removeprefix("-")
    turned = order if sort.startswith("-") else f"-{order}"
    wanted = "./" if turned == Order.WORST else f"./?sort={turned}"
    assert document.id(f"by-{order}").get("href") == wanted


def test_a_status_is_told_by_a_word_and_a_shape_never_by_colour_alone():
    document = page([target(status, status) for status in Status])
    cells = [cell for cell in document.all("td") if cell.get("class") == "status"]
    uses = [use for use in document.all("use") if "tbody" in use.around]
    assert len(cells) == len(uses) == len(Status)
    for cell, use in zip(cells, uses, strict=True):
        words, status = cell.text.split(": ")
        standing = Standing(use.get("href").removeprefix("#i-"))
        assert (standing.words(), Status(status).accepted is False) == (words, standing is Standing.REFUSED)


def test_every_picture_has_words_or_is_hidden_from_readers(any_page):
    for picture in read(any_page).all("svg"):
        if picture.get("aria-hidden") == "true":
            assert not picture.text.strip()
        else:
            assert picture.get("role") == "img"
            assert picture.text.strip()


def test_changes_are_announced_politely_and_places_for_them_are_there_from_the_start(any_page):
    document = read(any_page)
    for place in ("said", "stale"):
        assert document.id(place).get("role") == "status"
        assert document.id(place).text == ""


# --- colours ----------------------------------------------------------------------------------------------------------

CSS = load_assets().by_name["page.css"].body.decode()
_FIRST, _SECOND = re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)
LIGHT = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", _FIRST))
DARK = LIGHT | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", _SECOND))
CLASSES = [standing.value for standing in Standing]
GROUNDS = ["page", "surface", "hover", *(f"{name}-soft" for name in CLASSES)]


def _light(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((_light(first), _light(second)))
    return (light + 0.05) / (dark + 0.05)


def _mixed(colour: str, ground: str, part: float) -> str:
    told = [round(int(colour[at : at + 2], 16) * part + int(ground[at : at + 2], 16) * (1 - part)) for at in (1, 3, 5)]
    return "#" + "".join(f"{value:02x}" for value in told)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_can_be_read_on_every_ground(colours, ground):
    for name in ("text", "quiet", "link", *CLASSES):
        assert contrast(colours[name], colours[ground]) >= 4.5, name
    code = _mixed(colours["text"], colours[ground], 0.08)
    assert contrast(colours["text"], code) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_edges_bars_and_the_focus_can_be_seen_on_every_ground(colours, ground):
    for name in ("edge", "focus", *(f"bar-{standing}" for standing in CLASSES)):
        assert contrast(colours[name], colours[ground]) >= 3, name


def test_light_and_dark_name_the_same_colours_and_no_other_is_used():
    named = set(re.findall(r"--([a-z-]+): #", _FIRST))
    assert named == set(re.findall(r"--([a-z-]+): #", _SECOND))
    rest = CSS.replace(_FIRST, "").replace(_SECOND, "")
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[^{]*\})", rest) == []
    assert "prefers-reduced-motion" in CSS
    assert "url(" not in CSS


# --- for many ---------------------------------------------------------------------------------------------------------


def test_others_get_their_turn_while_rows_are_made():
    pauses = []
    PAGE.all(many(1000), {}, AROUND, pause=pauses.append)
    assert len(pauses) >= 24
    assert 0 < sum(pauses) < 0.1


def test_a_page_of_five_hundred_rows_is_of_a_size_that_a_phone_can_take():
    assert len(PAGE.all(many(10_000), {}, AROUND, compressed=True, pause=lambda _: None).body) < 150_000
