"""The page of a real monitor over a simulated Argo CD: somebody deletes a key, the page tells, and it is mended."""

import pytest
from monitor.demo.stage import stage as demo

from tests.page.conftest import OpenTab

pytestmark = pytest.mark.slow

# Asks for a refresh now and then, instead of every ten seconds. Not so often that the next question overtakes the answer
# of a busy machine: only the last one's counts.
WATCH = "setInterval(() => window.dispatchEvent(new Event('online')), 1000)"


async def test_the_page_of_a_running_monitor_tells_a_deleted_key_and_that_it_is_mended(tmp_path, new_tab: OpenTab):
    async with demo(tmp_path, 0) as playing:
        tab = await new_tab()
        await tab.open(f"{playing.daemon.address}/")
        await tab.run(WATCH)
        await tab.until("document.title === 'all 3 accepted - Token Monitor'")
        playing.argocd.revoke_key("admin", playing.keys["production"])
        await tab.until("document.title === '1 refused - Token Monitor'")
        row = await tab.text("#t-production")
        assert "revoked" in row
        assert "The API key production-1 was deleted from account admin." in row
        assert "argocd account generate-token --account admin" in row
        strip = await tab.run("document.querySelector('#t-production .strip title').textContent")
        assert "valid" in strip
        assert strip.endswith("the latest: revoked")
        key = playing.new_key("production")
        await tab.until("document.title === 'all 3 accepted - Token Monitor'")
        await tab.open(f"{playing.daemon.address}/?target=production")
        assert key in await tab.text("article")
