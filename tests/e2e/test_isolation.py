"""Who may call what: nothing without a token, and no private endpoint by the public port."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from e2e.client import Platform

HIDDEN, SHOWN, NOBODY = "hidden", "zero", "nobody"
"""Endpoints: of the private ingress, of the public one, and none at all."""


@pytest.mark.parametrize("token", ["", "moorage_" + "x" * 43], ids=["none", "unknown"])
async def test_without_a_good_token_nothing_is_answered(platform: Platform, token: str) -> None:
    """No private endpoint on either port, nothing of the platform's API."""
    shown = await platform.client(SHOWN, token=token)
    hidden = await platform.client(HIDDEN, port="all", token=token)
    api = await platform.platform_api(token=token)

    replies = [
        await shown.post("/infer", json={}),
        await shown.post("/infer", json={}, headers={"X-OctoAI-Async": "1"}),
        await shown.get("/healthcheck"),
        await hidden.post("/infer", json={}),
        *[
            await api.get(f"/v1/{path}")
            for path in ("endpoints", f"endpoints/{SHOWN}", f"endpoints/{SHOWN}/dead")
        ],
        await api.delete(f"/v1/endpoints/{SHOWN}/dead"),
    ]

    assert [reply.status_code for reply in replies] == [401] * len(replies)


async def test_a_token_opens_its_own_endpoints_only(platform: Platform) -> None:
    """`caller` opens `secret` and `hidden`, and no other endpoint."""
    token = platform.access.tokens["caller"]

    refused = await (await platform.client(SHOWN, token=token)).post("/infer", json={})
    looked = await (await platform.platform_api(token=token)).get(f"/v1/endpoints/{SHOWN}")
    listed = await (await platform.platform_api(token=token)).get("/v1/endpoints")

    assert [refused.status_code, looked.status_code] == [403, 403]
    assert {each["name"] for each in listed.json()["endpoints"]} == {"secret", HIDDEN}


async def test_a_private_endpoint_answers_at_the_private_port(platform: Platform) -> None:
    """It is there, for whoever is inside."""
    client = await platform.client(HIDDEN, port="all")

    reply = await client.post("/infer", json={"echo": "inside"})

    assert reply.status_code == 200, reply.text
    assert reply.json()["echo"] == "inside"


async def test_no_host_leads_to_a_private_endpoint_by_the_public_port(platform: Platform) -> None:
    """Whatever Host, forwarding headers and path say, with the owner's token."""
    host = _host(platform, HIDDEN)
    hosts = [host, host.upper(), f"{host}.", f"{host}:443", f"{host}:8484", f"x@{host}"]
    nobody = {"Host": _host(platform, NOBODY)}
    tricks = [
        {"X-Forwarded-Host": host},
        {"X-Original-Host": host},
        {"X-Host": host},
        {"Forwarded": f"host={host}"},
        {"moorage-ingress": "all"},
    ]
    client = await platform.client(HIDDEN)

    replies = [await client.post("/infer", json={}, headers={"Host": each}) for each in hosts]
    replies += [await client.post("/infer", json={}, headers=nobody | trick) for trick in tricks]
    replies += [await client.post("/infer", json={}, headers=trick) for trick in tricks]

    assert {reply.status_code for reply in replies} <= {400, 404}, [reply.text for reply in replies]


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        ("http://{hidden}/infer", ["{nobody}"]),
        ("/infer", ["{nobody}", "{hidden}"]),
        ("/infer", ["{hidden}", "{nobody}"]),
        ("/infer", ["  {hidden} "]),
        ("//{hidden}/infer", ["{platform}"]),
        ("/e/hidden/infer", ["{platform}"]),
        ("/v1/../e/hidden/infer", ["{platform}"]),
        ("/hidden/infer", ["{platform}"]),
    ],
)
async def test_no_odd_request_leads_there_either(platform: Platform, target: str, hosts: list[str]) -> None:
    """A whole URL in place of a path, two Host headers, a path of the local platform."""
    names = {
        "hidden": _host(platform, HIDDEN),
        "nobody": _host(platform, NOBODY),
        "platform": f"api.{platform.access.domain}",
    }

    status, answer = await _raw(platform, target.format(**names), [host.format(**names) for host in hosts])

    assert status in {400, 404}, answer


async def test_the_public_port_says_of_a_private_endpoint_what_it_says_of_none(platform: Platform) -> None:
    """In the same words, on its host and in all of `/v1`."""
    asked = [(await platform.client(name)).post("/infer", json={}) for name in (HIDDEN, NOBODY)]
    api = await platform.platform_api(port="public")

    replies = [await call for call in asked]
    for path in ("{}", "{}/dead", "{}/events"):
        replies += [await api.get(f"/v1/endpoints/{path.format(name)}") for name in (HIDDEN, NOBODY)]
    listed = (await api.get("/v1/endpoints")).json()["endpoints"]

    assert HIDDEN not in {each["name"] for each in listed}
    for of_hidden, of_nobody in zip(replies[::2], replies[1::2], strict=True):
        assert of_hidden.status_code == 404
        assert _words(of_hidden, HIDDEN) == _words(of_nobody, NOBODY)


async def test_the_public_port_knows_no_request_of_a_private_endpoint(platform: Platform) -> None:
    """Its requests are unknown there: neither state, nor answer, nor cancelling."""
    inside = await platform.client(HIDDEN, port="all")
    accepted = await inside.post("/infer", json={}, headers={"X-OctoAI-Async": "1"})
    identity = accepted.json()["response_id"]
    api = await platform.platform_api(port="public")

    replies = [
        await api.get(f"/v1/requests/{identity}"),
        await api.get(f"/v1/responses/{identity}"),
        await api.delete(f"/v1/requests/{identity}"),
        await api.post(f"/v1/requests/{identity}/replay"),
    ]

    assert [reply.status_code for reply in replies] == [404] * len(replies)


def _host(platform: Platform, endpoint: str) -> str:
    return f"{endpoint}-{platform.access.account}.{platform.access.domain}"


def _words(reply: httpx.Response, name: str) -> str:
    """An error without what is each reply's own."""
    error = reply.json()["error"]
    return f"{error['code']} {error['message']}".replace(name, "NAME")


async def _raw(platform: Platform, target: str, hosts: Sequence[str]) -> tuple[int, str]:
    """Status and rest of the answer to a request that no well-behaved client sends."""
    url = (await platform.client(SHOWN)).base_url
    lines = [
        f"POST {target} HTTP/1.1",
        *[f"Host: {host}" for host in hosts],
        f"Authorization: Bearer {platform.access.token}",
        "Content-Type: application/json",
        "Content-Length: 2",
        "Connection: close",
    ]
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write("\r\n".join([*lines, "", "{}"]).encode())
        answer = (await reader.read()).decode(errors="replace")
        writer.close()
        await writer.wait_closed()
    return int(answer.split(maxsplit=2)[1]), answer
