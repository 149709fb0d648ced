"""Others at the jobs' API from a browser: an existing page's script, and somebody with a token of their own."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.browser.conftest import Watched
from tests.browser.test_jobs import PAGE, TRAINING, row
from tests.support.job_servers import Site, site_at

pytestmark = pytest.mark.browser

EXISTING = """() => {
    window.rows = new Map();
    window.heard = [];
    async function refresh(question = '') {
        const answer = await fetch('/api/cloud/jobs' + question);
        const { jobs, total } = await answer.json();
        for (const job of jobs) window.rows.set(job.job_id, { ...window.rows.get(job.job_id), ...job });
        window.total = total;
    }
    async function progress() {
        for (const job of window.rows.values()) {
            if (job.status !== 'running') continue;
            const answer = await fetch(`/api/cloud/jobs/${job.job_id}/inline-progress`);
            window.rows.set(job.job_id, { ...job, inline: await answer.json() });
        }
    }
    refresh();
    setInterval(progress, 5000);
    setInterval(() => refresh('?sync_active=true'), 30000);
    const source = new EventSource('/api/events');
    source.addEventListener('message', (event) => {
        const data = JSON.parse(event.data);
        if (data.type === 'job_status_changed') {
            window.heard.push([data.job_id, data.status]);
            refresh();
        }
    });
}"""
"""What the page of a neighbouring tool does, as the issue describes it."""


def test_an_existing_pages_script_works_unchanged(site: Site, visit_site: Callable[..., Watched]) -> None:
    id, external = site.running(TRAINING)
    page = visit_site(f"{site.server.url}/").page
    page.clock.install()
    page.evaluate(EXISTING)
    page.wait_for_function("() => window.rows.size === 1 && window.total === 1")
    page.clock.fast_forward(5000)
    page.wait_for_function("(id) => window.rows.get(id).inline", arg=id)
    said = page.evaluate("(id) => window.rows.get(id).inline", id)
    assert (said["job_id"], said["stage"], said["progress"]) == (id, "Training", 30.0)
    assert said["last_log"].startswith("Epoch 1/100, Steps: 30%")
    site.fake.set(external, status="succeeded", webhook=False)
    with page.expect_response(lambda answer: "sync_active=true" in answer.url):
        page.clock.fast_forward(25_000)
    page.wait_for_function("(id) => window.rows.get(id).status === 'completed'", arg=id)
    page.wait_for_function("(id) => JSON.stringify(window.heard) === JSON.stringify([[id, 'completed']])", arg=id)
    other = site.submit(inputs={"prompt": "x"})
    site.fake.set(other["external_id"], status="processing", webhook=False)
    assert site.webhook(site.fake.render(site.fake.objects[other["external_id"]])).status_code == 200
    page.wait_for_function("(id) => window.rows.get(id)?.status === 'running'", arg=other["job_id"])
    assert page.evaluate("window.heard.at(-1)") == [other["job_id"], "running"]


def test_anothers_token_sees_nothing_of_my_jobs(tmp_path: Path, browser: Browser) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with open_tokens(folder) as tokens:
        mine, others = (tokens.create(Scope.WRITE, None, name=name) for name in ("ann", "bob"))
    with site_at(folder) as site:
        answer = httpx.post(
            f"{site.server.url}/api/cloud/jobs/submit?provider=replicate",
            json={"config_name": "secret plans", "inputs": {"prompt": "secret"}},
            headers={"Authorization": f"Bearer {mine}"},
        )
        job = answer.json()["job"]
        site.fake.set(job["external_id"], status="processing", logs="a secret line\n")
        pages = {}
        for name, token in (("ann", mine), ("bob", others)):
            context = browser.new_context()
            page = pages[name] = context.new_page()
            page.goto(f"{site.server.url}{PAGE}")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Log in").click()
            expect(page.locator("#live")).to_have_text("live")
            page.evaluate("""() => {
                window.heard = [];
                new EventSource('/api/events').addEventListener('message', ({ data }) => window.heard.push(data));
            }""")
            page.wait_for_timeout(300)
        ann, bob = pages["ann"], pages["bob"]
        expect(row(ann, job["job_id"])).to_contain_text("secret plans")
        expect(bob.get_by_text("No jobs yet.")).to_be_visible()
        body = site.fake.render(site.fake.objects[job["external_id"]])
        assert site.webhook(body).status_code == 200
        expect(row(ann, job["job_id"]).locator(".state")).to_have_text("running", timeout=2000)
        row(ann, job["job_id"]).get_by_role("button", name="secret plans", exact=True).click()
        expect(ann.locator(".log pre")).to_contain_text("a secret line")
        bob.goto(f"{site.server.url}{PAGE}&job={job['job_id']}")
        expect(bob.get_by_role("heading", name="There is no such job")).to_be_visible()
        time.sleep(1)
        assert job["job_id"] in "".join(ann.evaluate("window.heard"))
        assert bob.evaluate("window.heard") == []
        found = bob.evaluate(
            """async (id) => {
                const paths = ['', '/logs', '/logs/stream', '/inline-progress'].map((path) => `jobs/${id}${path}`);
                const told = await Promise.all(['jobs', 'metrics', ...paths].map((path) => fetch(`/api/cloud/${path}`)));
                return Promise.all(told.map(async (answer) => [answer.status, await answer.text()]));
            }""",
            job["job_id"],
        )
        assert [status for status, _ in found] == [200, 200, 404, 404, 404, 404]
        assert json.loads(found[0][1]) == {"jobs": [], "total": 0}
        assert "secret" not in "".join(text for _, text in found)
        for context in browser.contexts:
            context.close()
