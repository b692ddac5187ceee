"""Pictures of the page in headless Chromium, to be looked at: `build/screenshots`.

The two of the README are made anew by `README_IMAGES=docs/images pytest tests/page/test_screenshots.py`.
"""

import os
from pathlib import Path

import pytest

from tests.page.conftest import SCREENSHOTS
from tests.page.pictures import squeezed
from tests.page.samples import hostile, many, one, thirty

pytestmark = pytest.mark.slow

LARGEST = 120_000
FLEETS = {"1": one, "30": thirty, "1000": lambda: many(1000)}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("count", FLEETS)
async def test_any_number_of_targets_light_and_dark_narrow_and_wide(count, width, dark, stage, tab):
    stage.targets = FLEETS[count]()
    narrow = width < 700
    await tab.look(width=width, height=844 if narrow else 900, dark=dark, mobile=narrow)
    await tab.open(stage.address)
    name = f"{count}-{'narrow' if narrow else 'wide'}-{'dark' if dark else 'light'}.png"
    assert await tab.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    await tab.screenshot(SCREENSHOTS / name, whole=count != "1000")


@pytest.mark.parametrize("width", [390, 1280])
async def test_one_target_in_depth(width, stage, tab):
    await tab.look(width=width, dark=width > 700, mobile=width < 700)
    await tab.open(f"{stage.address}?target=production")
    await tab.screenshot(SCREENSHOTS / f"target-{width}.png")


async def test_open_details_a_filter_and_a_page_that_is_not_refreshed(stage, tab):
    tab.forgiven = ("net::ERR_CONNECTION_REFUSED", "/assets/icon-")
    await tab.open(f"{stage.address}?q=eu&sort=name")
    await tab.run("document.querySelectorAll('details').forEach((node, index) => { node.open = index < 2; })")
    await tab.run("document.querySelectorAll('summary')[2].focus()")
    await stage.stop()
    await tab.run("window.dispatchEvent(new Event('online'))")
    await tab.until("document.documentElement.classList.contains('stale')")
    await tab.screenshot(SCREENSHOTS / "details-stale.png", whole=False)


async def test_names_from_somebody_who_wants_to_break_the_page(stage, tab):
    stage.targets = hostile()
    await tab.open(stage.address)
    await tab.screenshot(SCREENSHOTS / "hostile.png")


async def test_no_targets_and_a_monitor_that_stands_still(stage, tab):
    stage.targets, stage.ill = [], "no check was started for 30 s: the scheduler stands still"
    await tab.look(height=400)
    await tab.open(stage.address)
    await tab.screenshot(SCREENSHOTS / "nothing-ill.png")


@pytest.mark.parametrize(
    ("name", "path", "height", "dark"),
    [("status-page.png", "", 760, False), ("status-page-target.png", "?target=production", 740, True)],
)
async def test_the_pictures_of_the_readme_are_small(name, path, height, dark, stage, tab):
    file = Path(os.environ.get("README_IMAGES", SCREENSHOTS)) / name
    await tab.look(width=1180, height=height, dark=dark)
    await tab.open(f"{stage.address}{path}")
    small = squeezed(await tab.screenshot(file, whole=False))
    file.write_bytes(small)
    assert len(small) < LARGEST
