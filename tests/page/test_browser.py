"""The page in real headless Chromium: it refreshes, filters and sorts by itself, and works without JavaScript.

No test waits for the page's own ten seconds: a shorter interval, or an event that asks for a refresh, is given to it.
"""

from __future__ import annotations

import json

import pytest
from monitor.adapters.server.limits import Limits
from monitor.core.status import Status

from tests.page.conftest import OpenTab, Stage
from tests.page.samples import hostile, many, one, target, thirty

pytestmark = pytest.mark.slow

REFRESH = "window.dispatchEvent(new Event('online'))"
NAMES = "tbody:not([hidden]) th a"
REFUSED_CONNECTION = "net::ERR_CONNECTION_REFUSED"


async def refreshed(tab, stage: Stage) -> None:
    """Lets the page ask once more, and waits until it shows the new time. (It may have asked by itself, too.)"""
    shown = await tab.text("#as-of")
    stage.now += 1
    await tab.run(REFRESH)
    await tab.until(f"document.getElementById('as-of').textContent !== {json.dumps(shown)}")


def asked(tab, stage: Stage) -> int:
    """How often the page itself was asked for: a browser fetches an icon when it likes."""
    return sum("/assets/" not in address for address in tab.requested if address.startswith(stage.address))


async def names(tab) -> list[str]:
    return list(await tab.texts(NAMES))


async def in_order(tab, *wanted: str) -> None:
    """Waits until the shown targets begin with these."""
    shown = f"[...document.querySelectorAll({NAMES!r})].map((link) => link.textContent).slice(0, {len(wanted)}).join()"
    await tab.until(f"{shown} === {','.join(wanted)!r}")


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_the_page_loads_its_style_and_script_and_nothing_else(stage, tab):
    await tab.open(stage.address)
    assert await tab.run("document.documentElement.classList.contains('js')")
    assert await tab.run("getComputedStyle(document.querySelector('table')).tableLayout") == "fixed"
    hosts = {address.split("/")[2] for address in tab.requested if address.startswith("http")}
    assert hosts == {stage.address.split("/")[2]}
    assert await tab.run("document.title") == "2 refused, 1 cannot tell, 2 need a person - Token Monitor"


async def test_whatever_gets_into_the_page_runs_no_script(stage, tab):
    tab.forgiven = ("Content Security Policy",)
    await tab.open(stage.address)
    await tab.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.com/x.png\" onerror=\"window.ran = 1\">');"
        " const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script)"
    )
    await tab.told("Content Security Policy", times=2)
    assert await tab.run("window.ran") is None


async def test_hostile_names_do_nothing_in_a_real_browser(stage, tab):
    stage.targets = hostile()
    await tab.open(stage.address)
    assert len(await names(tab)) == len(stage.targets)
    assert await tab.run("document.querySelectorAll('main script, main img').length") == 0
    await refreshed(tab, stage)
    await tab.click("tbody th a")
    await tab.until("document.querySelector('article') !== null")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
@pytest.mark.parametrize("fleet", [one, thirty, hostile], ids=lambda fleet: fleet.__name__)
async def test_nothing_sticks_out_to_the_side(fleet, width, stage, tab):
    stage.targets = fleet()
    await tab.look(width=width, mobile=width < 700)
    for path in ("", f"?target={'production' if fleet is not hostile else 'javascript:alert(1)'}"):
        await tab.open(f"{stage.address}{path}")
        await tab.run("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
        assert await tab.run("document.documentElement.scrollWidth") <= width


# --- refreshing -------------------------------------------------------------------------------------------------------


async def test_the_page_refreshes_itself_title_icon_and_rows(stage, tab):
    stage.targets = [target("a"), target("b")]
    await tab.open(stage.address)
    assert await tab.run("document.title") == "all 2 accepted - Token Monitor"
    icon = await tab.run("document.getElementById('icon').href")
    stage.targets[1] = target("b", Status.REVOKED)
    # The timer of the page, with a shorter time than ten seconds.
    await tab.run(
        "document.documentElement.dataset.refresh = '0.05'; document.dispatchEvent(new Event('visibilitychange'))"
    )
    await tab.until("document.title === '1 refused - Token Monitor'")
    assert await names(tab) == ["b", "a"]
    assert await tab.text("#t-b .status b") == "revoked"
    assert await tab.run("document.getElementById('icon').href") != icon
    assert await tab.run("document.documentElement.dataset.refresh") == "10"


async def test_what_changed_is_announced_once_and_politely(stage, tab):
    stage.targets = [target("a"), target("b")]
    await tab.open(stage.address)
    await refreshed(tab, stage)
    assert await tab.run("document.getElementById('said').textContent") == ""
    stage.targets[1] = target("b", Status.REVOKED)
    await refreshed(tab, stage)
    assert await tab.run("document.getElementById('said').textContent") == "b: refused: revoked."
    assert await tab.run("document.getElementById('said').getAttribute('role')") == "status"


async def test_a_refresh_keeps_the_focus_open_details_typed_text_and_the_place_on_the_screen(stage, tab):
    stage.targets = many(200)
    await tab.look(height=500)
    await tab.open(stage.address)
    await tab.run(
        "window.row = document.querySelectorAll('tbody')[60]; row.querySelector('details').open = true;"
        " row.scrollIntoView(); row.querySelector('summary').focus(); window.top0 = row.getBoundingClientRect().top"
    )
    # Three targets from below break, and come to stand above the row.
    shown = await names(tab)
    broken = {shown[index] for index in (100, 120, 140)}
    stage.targets = [target(old.name, Status.REVOKED) if old.name in broken else old for old in stage.targets]
    await refreshed(tab, stage)
    assert await tab.run("document.querySelectorAll('tbody')[63] === row")
    assert await tab.run("row.querySelector('details').open")
    assert await tab.run("document.activeElement === row.querySelector('summary')")
    assert abs(await tab.run("row.getBoundingClientRect().top - top0")) <= 1


async def test_the_focus_goes_with_a_row_that_moves(stage, tab):
    stage.targets = many(100)
    await tab.look(height=500)
    await tab.open(stage.address)
    name = (await names(tab))[80]
    await tab.run("window.link = document.querySelectorAll('tbody')[80].querySelector('th a'); link.focus()")
    stage.targets = [target(name, Status.REVOKED, since=1) if old.name == name else old for old in stage.targets]
    await refreshed(tab, stage)
    assert (await names(tab))[0] == name
    assert await tab.run("document.activeElement === link")
    assert await tab.run("link.getBoundingClientRect().top > 0 && link.getBoundingClientRect().top < innerHeight")


async def test_at_the_top_of_the_page_a_new_refusal_comes_into_sight(stage, tab):
    stage.targets = [target(f"t{number}") for number in range(60)]
    await tab.look(height=500)
    await tab.open(stage.address)
    stage.targets[59] = target("t59", Status.REVOKED)
    await refreshed(tab, stage)
    assert await tab.run("window.scrollY") == 0
    assert await tab.run("document.querySelector('#t-t59').getBoundingClientRect().bottom < window.innerHeight")


async def test_a_target_that_is_removed_or_added_comes_and_goes(stage, tab):
    stage.targets = [target("a"), target("b")]
    await tab.open(stage.address)
    stage.targets = [target("b"), target("c")]
    await refreshed(tab, stage)
    assert await names(tab) == ["b", "c"]
    stage.targets = []
    await tab.run(REFRESH)
    await tab.until("document.title === 'no targets - Token Monitor'")


async def test_a_hidden_page_asks_nothing_and_asks_at_once_when_it_is_seen_again(stage, tab):
    await tab.open(stage.address)
    stage.now += 60
    await tab.run(
        "Object.defineProperty(document, 'visibilityState', {get: () => window.seen, configurable: true});"
        " window.seen = 'hidden'; document.documentElement.dataset.refresh = '0.02';"
        " document.dispatchEvent(new Event('visibilitychange')); new Promise((done) => setTimeout(done, 300))"
    )
    assert await tab.text("#as-of") == "11:06:40 UTC"
    await tab.run("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
    await tab.until("document.getElementById('as-of').textContent === '11:07:40 UTC'")


async def test_when_the_monitor_does_not_answer_the_page_says_since_when_and_recovers(stage, tab):
    tab.forgiven = (REFUSED_CONNECTION, "/assets/icon-")
    await tab.open(stage.address)
    await stage.stop()
    await tab.run(REFRESH)
    await tab.until("document.documentElement.classList.contains('stale')")
    told = await tab.text("#stale")
    assert told.startswith("Not refreshed since 11:06:40 UTC: the monitor does not answer. What is shown may be old.")
    assert len(await names(tab)) == 30
    await stage.start()
    await refreshed(tab, stage)
    assert await tab.text("#stale") == ""
    assert not await tab.run("document.documentElement.classList.contains('stale')")


async def test_an_answer_that_is_not_the_page_is_not_taken_for_it(stage, tab):
    tab.forgiven = ("503", "/assets/icon-")
    await tab.open(stage.address)
    stage.limits = Limits(requests=0)
    await stage.stop()
    await stage.start()
    await tab.run(REFRESH)
    await tab.until("document.getElementById('stale').textContent.includes('the monitor answered 503')")
    assert len(await names(tab)) == 30


async def test_a_page_whose_machine_slept_says_that_it_is_old_before_any_answer(stage, tab):
    await tab.open(stage.address)
    await tab.run("(() => { const real = Date.now; Date.now = () => real() + 600000; })()")
    await tab.until("document.getElementById('stale').textContent.startsWith('Not refreshed since 11:06:40 UTC')")


async def test_a_paused_page_asks_nothing_by_itself_and_can_go_on(stage, tab):
    await tab.open(stage.address)
    await tab.click("#live")
    await tab.until("document.documentElement.dataset.refresh === '0'")
    assert "paused" in await tab.text(".as-of")
    before = asked(tab, stage)
    await tab.run(f"{REFRESH}; document.dispatchEvent(new Event('visibilitychange'))")
    await tab.run("new Promise((done) => setTimeout(done, 100))")
    assert asked(tab, stage) == before
    await tab.click("#live")
    await tab.until("document.documentElement.dataset.refresh === '10'")


async def test_another_version_of_the_monitor_is_loaded_as_a_whole(stage, tab):
    await tab.open(stage.address)
    await tab.run("document.documentElement.dataset.build = 'older'; window.kept = true")
    tab.expect_load()
    await tab.run(REFRESH)
    await tab.loads()
    assert await tab.run("window.kept") is None


# --- filter and sort --------------------------------------------------------------------------------------------------


async def test_typing_filters_at_once_and_the_server_has_the_last_word(stage, tab):
    await tab.open(stage.address)
    await tab.run("document.getElementById('q').focus()")
    await tab.type("prod")
    assert await names(tab) == ["production"]  # before any answer
    # Who types slowly is asked for in between: the address is that of the last letter only in the end.
    await tab.until("location.search === '?q=prod'")
    await tab.until("document.querySelectorAll('tbody').length === 1")
    assert await tab.text("#count") == "1 of 30 targets. Show all"
    assert await tab.run("document.activeElement.id") == "q"
    assert "1 of 30 targets" in await tab.run("document.getElementById('said').textContent")
    await tab.press(*["Backspace"] * 4)
    await tab.until("location.search === ''")
    await tab.until("document.querySelectorAll('tbody').length === 30")


async def test_a_thousand_targets_are_filtered_over_all_pages(stage, tab):
    stage.targets = many(1000)
    last = stage.targets[-1].name
    await tab.open(stage.address)
    await tab.run("document.getElementById('q').focus()")
    await tab.type(last)
    await in_order(tab, last)
    await tab.until("document.getElementById('count').textContent.includes('of 1,000 targets')")


async def test_the_filter_stays_over_refreshes_and_reloads(stage, tab):
    await tab.open(f"{stage.address}?q=-portal&class=accepted")
    assert await tab.run("[q.value, document.getElementById('class').value].join()") == "-portal,accepted"
    shown = await names(tab)
    assert shown == ["us-east-portal", "us-west-portal"]
    await refreshed(tab, stage)
    assert await names(tab) == shown


async def test_a_class_is_chosen_by_its_count_or_by_the_list_and_back_undoes_it(stage, tab):
    await tab.open(stage.address)
    await tab.run("window.kept = true")
    await tab.click("#only-refused")
    await tab.until("document.querySelectorAll('tbody').length === 2")
    assert await tab.run("document.getElementById('class').value") == "refused"
    assert await tab.run("document.getElementById('only-refused').getAttribute('aria-current')") == "true"
    await tab.run(
        "const list = document.getElementById('class'); list.value = 'unknown'; list.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    await tab.until("document.querySelectorAll('tbody').length === 1")
    await tab.run("history.back()")
    await tab.until("document.querySelectorAll('tbody').length === 2")
    await tab.run("history.back()")
    await tab.until("document.querySelectorAll('tbody').length === 30")
    assert await tab.run("window.kept")


async def test_a_column_sorts_and_a_second_click_turns_it_round(stage, tab):
    await tab.open(stage.address)
    await tab.click("#by-name")
    await in_order(tab, "apac-billing", "apac-checkout", "apac-orders")
    assert await tab.run("document.querySelector('[aria-sort]').ariaSort") == "ascending"
    assert await tab.run("document.activeElement.id") == "by-name"
    await tab.click("#by-name")
    await in_order(tab, "us-west-search", "us-west-portal")
    assert await tab.run("document.querySelector('[aria-sort]').ariaSort") == "descending"
    assert await tab.run("location.search") == "?sort=-name"


async def test_the_next_page_is_shown_from_its_top(stage, tab):
    stage.targets = many(1000)
    await tab.open(stage.address)
    await tab.click("#bottom-after")
    await tab.until("document.getElementById('count').textContent.startsWith('501 to 1,000')")
    await tab.until("document.activeElement.id === 'state'")
    assert await tab.run("document.getElementById('count').getBoundingClientRect().top < window.innerHeight")


# --- keyboard ---------------------------------------------------------------------------------------------------------


async def test_everything_can_be_reached_and_used_by_keyboard(stage, tab):
    stage.targets = one()
    await tab.open(stage.address)
    reached = []
    for _ in range(40):
        await tab.press("Tab")
        told = await tab.run(
            "(() => { const node = document.activeElement; return [node.id || node.textContent.trim() || node.nodeName,"
            " getComputedStyle(node).outlineStyle, node.checkVisibility(), node.nodeName]; })()"
        )
        if told[3] == "BODY":
            break
        reached.append(told[0])
        assert told[1] != "none", f"the focus is not seen on {told[0]}"
        assert told[2]
    assert reached == [
        "Skip to the content",
        "Token Monitor",
        *("Health", "JSON", "Metrics", "Runbooks"),
        *("only-refused", "only-unknown", "only-attention", "only-accepted"),
        *("q", "class", "sort", "live"),
        *("by-name", "by-worst", "by-since", "by-account", "by-expires"),
        "production",
        "Details of production",
    ]


async def test_details_open_by_keyboard_and_the_skip_link_skips(stage, tab):
    await tab.open(stage.address)
    await tab.press("Tab", "Enter")
    await tab.until("location.hash === '#state'")
    await tab.until("document.activeElement.id === 'state'")
    await tab.run("document.querySelector('summary').focus()")
    await tab.press("Space")
    await tab.until("document.querySelector('details').open")
    assert "Secret codefresh/argocd-token" in await tab.text("details dl")
    await tab.press("Enter")
    await tab.until("!document.querySelector('details').open")


async def test_a_link_to_a_row_shows_it_below_the_heads_of_the_columns(stage, tab):
    await tab.look(height=420)
    await tab.open(f"{stage.address}#t-us-east-billing")
    row, heads = "document.getElementById('t-us-east-billing')", "document.querySelector('thead th')"
    await tab.until("window.scrollY > 0")
    assert await tab.run(f"{row}.getBoundingClientRect().top >= {heads}.getBoundingClientRect().bottom")


# --- readers ----------------------------------------------------------------------------------------------------------


async def test_a_screen_reader_finds_landmarks_the_table_and_its_names(stage, tab):
    await tab.open(stage.address)
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    told = {}
    for node in nodes:
        if not node.get("ignored"):
            told.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert {"banner", "main", "contentinfo", "search", "navigation", "table"} <= told.keys()
    assert told["navigation"] == ["Other views", "Targets by class"]
    assert told["table"] == ["Targets, worst first. The names of columns sort."]
    heads = ["Target", "Status", "Since", "Account", "Expires", "Last checks", "Rotation"]
    assert told["columnheader"] == heads
    assert len(told["rowheader"]) == 30
    assert told["searchbox"] == ["Filter"]
    assert told["combobox"] == ["Class", "Sort"]
    assert "last 30 checks: 16 valid, 13 revoked, 1 unreachable; the latest: revoked" in told["image"]
    assert "Details of production" in told["DisclosureTriangle"]


async def test_on_a_phone_a_table_is_still_a_table_for_a_screen_reader(stage, tab):
    await tab.look(width=390, mobile=True)
    await tab.open(stage.address)
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node.get("ignored")]
    assert roles.count("table") == 1
    assert roles.count("rowheader") == 30
    assert roles.count("row") == 60


async def test_nothing_moves_for_those_who_asked_for_less_motion(stage, tab):
    await tab.prefer(**{"prefers-reduced-motion": "reduce"})
    await tab.open(stage.address)
    moving = "[...document.querySelectorAll('*')].filter((node) => getComputedStyle(node).transitionDuration !== '0s')"
    assert await tab.run(f"{moving}.length") == 0


async def test_with_forced_colours_classes_can_still_be_told_apart(stage, tab):
    await tab.prefer(**{"forced-colors": "active"})
    await tab.open(stage.address)
    assert await tab.run("getComputedStyle(document.querySelector('tbody.refused')).outlineStyle") == "solid"


# --- without JavaScript -----------------------------------------------------------------------------------------------


async def test_without_javascript_the_page_shows_filters_sorts_and_opens_details(stage, new_tab: OpenTab):
    tab = await new_tab(javascript=False)
    await tab.open(stage.address)
    assert not await tab.run("document.documentElement.classList.contains('js')")
    assert len(await names(tab)) == 30
    assert "refreshed every minute" in await tab.text(".as-of")
    await tab.click("summary")
    await tab.until("document.querySelector('details').open")
    await tab.run("document.getElementById('q').focus()")
    await tab.type("-portal")
    tab.expect_load()
    await tab.click("button")
    await tab.loads()
    assert await tab.run("location.search") == "?q=-portal&class=&sort=worst"
    assert len(await names(tab)) >= 2
    tab.expect_load()
    await tab.click("#by-name")
    await tab.loads()
    assert await tab.run("location.search") == "?q=-portal&sort=name"
    tab.expect_load()
    await tab.click("tbody th a")
    await tab.loads()
    assert await tab.text("h2") == "us-east-portal"


async def test_a_page_of_one_target_refreshes_itself_too(stage, tab):
    await tab.open(f"{stage.address}?target=us-east-portal")
    assert await tab.run("document.title") == "us-east-portal: valid - Token Monitor"
    index = next(i for i, report in enumerate(stage.targets) if report.name == "us-east-portal")
    stage.targets[index] = target("us-east-portal", Status.EXPIRED)
    await refreshed(tab, stage)
    assert await tab.run("document.title") == "us-east-portal: expired - Token Monitor"
    assert "refused: expired" in await tab.text(".badge")
    del stage.targets[index]
    await tab.run(REFRESH)
    await tab.until("document.title === 'no such target - Token Monitor'")
    tab.forgiven = ("404",)
