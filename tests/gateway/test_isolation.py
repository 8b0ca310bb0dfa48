"""The public port and endpoints of private ingress: nothing of them is reached there, nor that they exist.

Each hostile request is sent twice, once for an endpoint that is hidden and once for one that does not exist.
Both answers must be the same but for the name.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record, write_tokens

from runtime.queue.port import ReplicaState
from runtime.wire import AccountRecord, TokenGrant, new_request_id

DOMAIN = "moorage.example"
HIDDEN, ABSENT = "hidden-one", "absent-one"
IS_ASYNC = {"x-octoai-async": "1"}
ONLY_HIDDEN = "moorage_only-hidden"
"""A token that opens the hidden endpoint and the one that does not exist."""
BEARERS = {
    "owner": {"authorization": f"Bearer {OWNER}"},
    "other": {"authorization": f"Bearer {EMBED_ONLY}"},
    "its own": {"authorization": f"Bearer {ONLY_HIDDEN}"},
    "wrong": {"authorization": "Bearer moorage_guess"},
    "none": {},
}
GRANTS = {
    OWNER: TokenGrant(name="owner", priority="high"),
    EMBED_ONLY: TokenGrant(name="ci", endpoints=("embed",)),
    ONLY_HIDDEN: TokenGrant(name="ops", endpoints=(HIDDEN, ABSENT)),
}


@pytest.fixture(params=["domain", "one machine"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """A gateway with an endpoint that faces the internet and one that does not, with and without a domain."""
    records = [record("embed", access="private"), record(HIDDEN, ingress="private")]
    domain = DOMAIN if request.param == "domain" else None
    async with gateway_stage(tmp_path, *records, domain=domain) as stage:
        stage.places.account.write_text(AccountRecord(account="acme").model_dump_json())
        write_tokens(stage.places, GRANTS)
        await stage.refresh()
        await stage.queue.join(HIDDEN, "r1", "1")
        await stage.queue.beat(HIDDEN, "r1", ReplicaState.READY)
        yield stage


async def send(stage: Stage, text: str, port: int | None = None) -> str:
    """The whole answer to a request as it is written here, to the public port unless told otherwise."""
    connection = await stage.connect(port or stage.public_port)
    connection.write(text.encode("latin-1"))
    return (await connection.read_rest()).decode("latin-1")


def request(target: str, host: str, method: str = "GET", **headers: str) -> str:
    """A request that ends its connection."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"{method} {target} HTTP/1.1", f"host: {host}", "connection: close", *lines]
    return "\r\n".join([*head, "", ""])


def but_for_the_name(answer: str) -> str:
    """The answer without what may differ: the name that was asked for, and ids; the names are of one length."""
    return re.sub(r"[0-9a-f]{32}", "<id>", re.sub(f"{HIDDEN}|{ABSENT}", "<name>", answer))


HOSTS = [
    f"{{name}}-acme.{DOMAIN}",
    f"{{name}}-acme.{DOMAIN}:443",
    f"{{name}}-acme.{DOMAIN}.",
    f"{{name}}-acme.{DOMAIN}.:8484",
    f"{{name}}-ACME.{DOMAIN.upper()}",
    "{name}.localhost",
    "{name}.LOCALHOST:8484",
    "{name}",
    f"embed-acme.{DOMAIN}, {{name}}-acme.{DOMAIN}",
    f"user@{{name}}-acme.{DOMAIN}",
    f"{{name}}-acme.{DOMAIN}/x",
    "127.0.0.1",
    f"api.{DOMAIN}",
]
TARGETS = [
    "/infer",
    "/healthcheck",
    "/e/{name}/infer",
    "//e/{name}/infer",
    "/e/{name}",
    "/E/{name}/infer",
    "/e/embed/../{name}/infer",
    "/e/embed/..%2f{name}/infer",
    "/e/%68idden-one/infer",
    f"http://{{name}}-acme.{DOMAIN}/infer",
    f"http://{{name}}-acme.{DOMAIN}:8484/e/{{name}}/infer",
    f"https://api.{DOMAIN}/v1/endpoints/{{name}}",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_hidden_endpoint_is_not_told_from_an_absent_one(stage: Stage, target: str) -> None:
    """Whatever Host and request line say; and nothing is enqueued, nor woken."""
    before = await stage.queue.look(HIDDEN)
    method = "POST" if "infer" in target else "GET"

    answers = {
        name: [
            but_for_the_name(
                await send(
                    stage, request(target.format(name=name), host.format(name=name), method, **IS_ASYNC)
                )
            )
            for host in HOSTS
        ]
        for name in (HIDDEN, ABSENT)
    }

    assert answers[HIDDEN] == answers[ABSENT]
    after = await stage.queue.look(HIDDEN)
    assert (after.demand, after.needed) == (0, before.needed)


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-host", "x-host", "forwarded", "x-original-host", "x-forwarded-server", "moorage-ingress"],
)
async def test_no_header_of_a_proxy_opens_it(stage: Stage, header: str) -> None:
    """Only Host and path decide, and the port decides over them."""
    values = {
        "forwarded": f"host={HIDDEN}-acme.{DOMAIN}",
        "moorage-ingress": "all",
    }
    value = values.get(header, f"{HIDDEN}-acme.{DOMAIN}")
    for host, target in ((f"{HIDDEN}-acme.{DOMAIN}", "/infer"), ("127.0.0.1", f"/e/{HIDDEN}/infer")):
        text = request(target, host, "POST", **{header: value, **BEARERS["owner"]})
        answer = await send(stage, text)

        assert answer.startswith("HTTP/1.1 404 ")
    assert (await stage.queue.look(HIDDEN)).demand == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/endpoints"),
        ("GET", "/v1/endpoints/{name}"),
        ("GET", "//v1/endpoints/{name}"),
        ("GET", "/v1/endpoints/{name}/events"),
        ("GET", "/v1/endpoints/{name}/events?request={id}"),
        ("GET", "/v1/endpoints/{name}/dead"),
        ("DELETE", "/v1/endpoints/{name}/dead"),
        ("DELETE", "/v1/endpoints/{name}/dead/{id}"),
        ("POST", "/v1/requests/{id}/replay"),
        ("GET", "/v1/requests/{id}"),
        ("DELETE", "/v1/requests/{id}"),
        ("GET", "/v1/responses/{id}"),
        ("HEAD", "/v1/responses/{id}"),
        ("GET", "/v1/endpoints/embed/events?request={id}"),
        ("DELETE", "/v1/endpoints/embed/dead/{id}"),
    ],
)
async def test_api_of_the_public_port_does_not_know_it(stage: Stage, method: str, path: str) -> None:
    """Endpoints, events, dead letters, requests and responses, with every kind of token."""
    known = await accepted(stage)
    ids = {HIDDEN: known, ABSENT: new_request_id(ABSENT)}

    answers = {
        name: [
            but_for_the_name(
                await send(
                    stage, request(path.format(name=name, id=ids[name]), f"api.{DOMAIN}", method, **bearer)
                )
            )
            for bearer in BEARERS.values()
        ]
        for name in ids
    }

    assert answers[HIDDEN] == answers[ABSENT]
    view = await stage.queue.find(known)
    assert view is not None
    assert view.state == "waiting"


async def test_other_port_serves_it(stage: Stage) -> None:
    """Data path and API."""
    known = await accepted(stage)

    shown = await stage.client.get(
        f"/v1/endpoints/{HIDDEN}", headers={"host": f"api.{DOMAIN}", **BEARERS["owner"]}
    )
    polled = await stage.client.get(f"/v1/requests/{known}", headers={"host": f"api.{DOMAIN}"})

    assert (shown.status_code, polled.status_code) == (200, 202)


async def test_near_miss_is_named_only_among_what_is_to_be_seen(stage: Stage) -> None:
    """A guess that is close to a hidden name tells nothing."""
    hosts = (f"{HIDDEN}x-acme.{DOMAIN}", f"{HIDDEN}x.localhost")
    answers = [await send(stage, request("/infer", host)) for host in hosts]

    assert not any("Did you mean" in answer for answer in answers)


async def test_figures_are_not_on_the_public_port(stage: Stage) -> None:
    """They name every endpoint."""
    for host in (f"api.{DOMAIN}", "127.0.0.1"):
        assert (await send(stage, request("/metrics", host))).startswith("HTTP/1.1 404 ")
    assert HIDDEN in (await stage.inner.get("/metrics")).text


async def test_inner_routes_are_on_no_clients_port(stage: Stage) -> None:
    """Workers' answers come in elsewhere."""
    target = f"/answers/{new_request_id('embed')}"
    for port in (stage.public_port, stage.port):
        answer = await send(stage, request(target, f"api.{DOMAIN}", "POST"), port)

        assert answer.startswith("HTTP/1.1 404 ")


async def accepted(stage: Stage) -> str:
    """The id of an async request that the hidden endpoint has, by the other port."""
    host = f"{HIDDEN}-acme.{DOMAIN}"
    for path in ("/infer", f"/e/{HIDDEN}/infer"):
        answer = await stage.client.post(path, headers={"host": host, "x-octoai-async": "1"})
        if answer.status_code == 201:
            return str(answer.json()["response_id"])
    raise AssertionError(answer.text)


async def test_change_of_ingress_is_seen_at_once(stage: Stage) -> None:
    """Both ways, without a restart."""
    changed = record(HIDDEN, ingress="public")
    (stage.places.endpoints / f"{HIDDEN}.json").write_text(changed.model_dump_json())
    await stage.refresh()
    text = request("/infer", f"{HIDDEN}.localhost", "POST", x_octoai_async="1")
    if "Nothing answers" in await send(stage, text):
        text = request("/infer", f"{HIDDEN}-acme.{DOMAIN}", "POST", x_octoai_async="1")
    opened = await send(stage, text)

    (stage.places.endpoints / f"{HIDDEN}.json").write_text(
        record(HIDDEN, ingress="private").model_dump_json()
    )
    await stage.refresh()
    closed = await send(stage, text)

    assert opened.startswith("HTTP/1.1 201 ")
    assert closed.startswith("HTTP/1.1 404 ")
