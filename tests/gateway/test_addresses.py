"""Hosts of a domain: which endpoint a request is for, and what is on the platform's host only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateway_stage import OWNER, Stage, gateway_stage, record

from runtime.wire import AccountRecord

DOMAIN = "moorage.example"
OWN = {"authorization": f"Bearer {OWNER}"}
PLATFORM = {"host": f"api.{DOMAIN}"}
EMBED = {"host": f"embed-acme.{DOMAIN}"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A gateway of a domain with `embed` and `embed-acme`, which reads like an account twice."""
    async with gateway_stage(tmp_path, record("embed"), record("embed-acme"), domain=DOMAIN) as stage:
        stage.places.account.write_text(AccountRecord(account="acme").model_dump_json())
        await stage.refresh()
        yield stage


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        (f"embed-acme.{DOMAIN}", "embed"),
        (f"EMBED-Acme.{DOMAIN}", "embed"),
        (f"embed-acme.{DOMAIN}.", "embed"),
        (f"embed-acme.{DOMAIN}:8443", "embed"),
        (f"embed-acme-acme.{DOMAIN}", "embed-acme"),
    ],
)
async def test_endpoint_answers_at_its_own_host(stage: Stage, host: str, endpoint: str) -> None:
    """However a client writes it."""
    answer = await stage.client.post("/x", headers={"host": host, "x-octoai-async": "1"})

    assert answer.status_code == 201
    assert answer.json()["response_id"].startswith(f"{endpoint}.")


@pytest.mark.parametrize("path", ["/e/embed/x?y=1", "/v1/endpoints", "/healthz", "/metrics", "/a//b%2Fc"])
async def test_host_of_an_endpoint_passes_every_path_through(stage: Stage, path: str) -> None:
    """Also those that mean something elsewhere, as they came."""
    await stage.client.get(path, headers={**EMBED, "x-octoai-async": "1"})

    assert (await stage.take()).head.target == path


@pytest.mark.parametrize(
    "host",
    [
        DOMAIN,
        f"embed.{DOMAIN}",
        f"-acme.{DOMAIN}",
        f"embed-other.{DOMAIN}",
        "embed.localhost",
        f"api.{DOMAIN}.evil.example",
        "10.0.0.7:8484",
        "[::1]",
    ],
)
async def test_other_host_is_unknown(stage: Stage, host: str) -> None:
    """With where to go instead."""
    answer = await stage.client.get("/e/embed/x", headers={"host": host})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-host")
    assert "https://<endpoint>-<account>.moorage.example" in answer.json()["error"]["message"]


async def test_platform_host_has_health_and_api_only(stage: Stage) -> None:
    """No `/e/…`, no figures."""
    found = {
        path: (await stage.client.get(path, headers=PLATFORM | OWN)).status_code
        for path in ("/healthz", "/v1/endpoints", "/e/embed/x", "/metrics", "/")
    }

    assert found == {"/healthz": 200, "/v1/endpoints": 200, "/e/embed/x": 404, "/metrics": 404, "/": 404}


async def test_addresses_told_are_those_of_the_domain(stage: Stage) -> None:
    """Of the platform's host, whatever host the client used; for an endpoint's has no `/v1`."""
    shown = (await stage.client.get("/v1/endpoints/embed", headers=PLATFORM | OWN)).json()
    accepted = (await stage.client.post("/x", headers={**EMBED, "x-octoai-async": "1"})).json()

    assert (shown["url"], shown["urls"]) == (f"http://embed-acme.{DOMAIN}", [f"http://embed-acme.{DOMAIN}"])
    assert accepted["poll_url"] == f"http://api.{DOMAIN}/v1/requests/{accepted['response_id']}"


async def test_endpoints_have_no_host_before_the_account_is_known(tmp_path: Path) -> None:
    """A gateway that has not read it yet guesses nothing."""
    async with gateway_stage(tmp_path, domain=DOMAIN) as stage:
        answer = await stage.client.get("/x", headers=EMBED)

        assert answer.json()["error"]["code"] == "unknown-host"


async def test_arrivals_are_counted_by_port_and_destination(stage: Stage) -> None:
    """Traffic for hosts that do not exist shows a scan, or a missing record."""
    await stage.client.post("/x", headers={**EMBED, "x-octoai-async": "1"})
    await stage.client.get("/healthz", headers=PLATFORM)
    await stage.client.get("/", headers={"host": "x.example"})

    figures = (await stage.inner.get("/metrics")).text

    for destination in ("endpoint", "platform", "unknown"):
        line = f'moorage_port_requests_total{{destination="{destination}",ingress="all"}} 1.0'
        assert line in figures
