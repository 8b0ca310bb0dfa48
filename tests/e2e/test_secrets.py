"""Secrets and logins: they reach the container that reads them, roll nothing else, and stand nowhere in clear."""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from e2e.client import Platform
from e2e.cluster_api import Object
from e2e.figures import Figures
from e2e.installation import SECRETS, Installation
from e2e.load import Entry, Fate, Load
from e2e.stories import all_pods, busy_with, play, spaces, statuses, told

from runtime.wire.cluster import LABEL_ENDPOINT

STORY_SECONDS = 300.0
HELD_SECONDS = 8.0
"""Run of the request under which the pod is replaced."""
ROLL_SECONDS = 90.0
LEAST_CHARACTERS = 8
"""Shorter values stand anywhere by chance."""
BESIDE = "steady"
NEWER = "what only the newer model may know"


@dataclass(frozen=True, slots=True)
class Story:
    """A secret with one value, then with another."""

    before: Entry
    meanwhile: list[Entry]
    """Requests while the new value was applied."""
    held: Entry
    """The request that ran when the pod was replaced."""
    after: Entry
    pod: Object
    """The pod of the old value."""
    rolls_by_itself: bool
    """Whether the new value alone has pods replaced."""
    others: Object
    """What the pods of everything else are made from, before the new value and after its readers rolled."""
    others_after: Object


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """What this file's tests look at."""
    return play(installation, lambda platform: _story(platform, installation), STORY_SECONDS)


def test_a_secret_reaches_the_model_that_reads_it(story: Story) -> None:
    """The model tells the SHA-256 of the value that was set."""
    assert story.before.fate is Fate.ANSWERED, told([story.before])
    assert story.before.answer["secret_sha256"] == _sha256(SECRETS["message"])


def test_an_image_of_a_private_registry_is_pulled_with_its_login(
    story: Story, installation: Installation
) -> None:
    """The pod names its login, and runs the registry's image."""
    registry = installation.parts.registry["address"]
    images = [each["image"] for each in story.pod["status"]["containerStatuses"]]

    assert {"name": "registry-private"} in story.pod["spec"]["imagePullSecrets"]
    assert all(image.startswith(f"{registry}/") for image in images), images


def test_a_new_value_reaches_the_model_with_a_new_pod(story: Story, figures: Figures) -> None:
    """The next pod has the new value; the request under which the old one left was finished with its own."""
    ran_with = NEWER if story.rolls_by_itself else SECRETS["message"]

    assert story.held.fate is story.after.fate is Fate.ANSWERED, told([story.held, story.after])
    assert story.held.answer["secret_sha256"] == _sha256(ran_with)
    assert all(each.fate is Fate.ANSWERED for each in story.meanwhile), told(story.meanwhile)
    assert story.after.answer["secret_sha256"] == _sha256(NEWER)
    assert story.after.answer["pod"] != story.before.answer["pod"]
    figures.add("a new value rolls its readers by itself", "yes" if story.rolls_by_itself else "no")


def test_a_new_value_rolls_its_readers_only(story: Story, installation: Installation) -> None:
    """By itself where the stack holds it; where Secrets are somebody else's, its readers roll when told to."""
    assert story.rolls_by_itself == installation.holds_secrets
    assert {"steady", "queue", "gateway"} <= story.others.keys()
    assert story.others_after == story.others


@pytest.mark.usefixtures("story")
async def test_nothing_secret_stands_in_a_log(platform: Platform, installation: Installation) -> None:
    """Of any container of the platform and of its endpoints, its former life's too."""
    values = await _secret_values(platform, installation)

    logs = await _logs(platform)
    lives = {name.partition(" ")[2] for name in logs}

    assert any("gateway" in name for name in logs)
    assert {"secret/model", "secret/worker"} <= lives
    assert _found(values, logs) == []


@pytest.mark.usefixtures("story")
async def test_nothing_secret_stands_in_a_log_of_the_cluster(
    platform: Platform, installation: Installation, own_cluster: Path
) -> None:
    """What its control plane and its nodes wrote."""
    values = await _secret_values(platform, installation)
    logs = {path.name: path.read_text(errors="replace") for path in (own_cluster / "logs").glob("*.log")}

    assert {"kube-apiserver.log", "node1-kubelet.log", "node1-containerd.log"} <= logs.keys()
    assert _found(values, logs) == []


@pytest.mark.usefixtures("story")
async def test_what_is_secret_would_be_found(platform: Platform, installation: Installation) -> None:
    """Where it does stand: each value is in a Secret, in base64."""
    values = await _secret_values(platform, installation)
    words = ("get", "secrets", f"--namespace={platform.access.endpoint_namespaces[1]}", "-o", "yaml")

    found = _found(values, {"secrets": await platform.kubectl(*words)})

    assert f"value {values.index(NEWER)} in secrets" in found


@pytest.mark.usefixtures("story")
async def test_nothing_secret_stands_in_an_object(
    platform: Platform, installation: Installation, figures: Figures
) -> None:
    """Of any kind but Secrets: specs, records, events, whatever was noted on them."""
    values = await _secret_values(platform, installation)

    objects = await _objects(platform)

    assert "kind: Event" in "".join(objects.values())
    assert _found(values, objects) == []
    figures.add("secret values searched for in logs, objects, files", len(values))


@pytest.mark.usefixtures("story")
async def test_nothing_secret_stands_in_what_is_rendered(
    platform: Platform, installation: Installation
) -> None:
    """Nor in any other file of the project, nor in what the API says of endpoints."""
    values = await _secret_values(platform, installation)
    files = {str(path): path.read_text(errors="replace") for path in _files(installation.folder)}
    files["/v1/endpoints"] = (await (await platform.platform_api()).get("/v1/endpoints")).text

    assert len(files) > 1
    assert _found(values, files) == []


async def _story(platform: Platform, installation: Installation) -> Story:
    load = Load(platform, "secret", deadline_seconds=STORY_SECONDS)
    beside = Load(platform, BESIDE, deadline_seconds=STORY_SECONDS)
    before, _ = await load.send(seconds=0), await beside.send(seconds=0)
    (pod,) = await platform.pods("secret")
    others, template = await _other_templates(platform), await _template(platform)
    installation.values["message"] = NEWER
    await _apply_under_requests(installation, load, beside)
    rolls_by_itself = await _template(platform) != template
    async with asyncio.TaskGroup() as group:
        held = group.create_task(load.send(seconds=HELD_SECONDS))
        await busy_with(platform, "secret", 1)
        if not rolls_by_itself:
            await platform.restart("secret")
        await platform.rolled_out("secret", ROLL_SECONDS)
    after, others_after = await load.send(seconds=0), await _other_templates(platform)
    return Story(
        before, load.ledger.entries[1:-2], held.result(), after, pod, rolls_by_itself, others, others_after
    )


async def _apply_under_requests(installation: Installation, *loads: Load) -> None:
    """Apply the project, and keep its replicas busy meanwhile, so that none goes because it is idle."""
    applied = asyncio.ensure_future(asyncio.to_thread(installation.apply))
    while not applied.done():
        async with asyncio.TaskGroup() as group:
            for load in loads:
                group.create_task(load.send(seconds=1))
    await applied


async def _template(platform: Platform) -> Object:
    """What pods of the endpoint are made from: another one replaces them."""
    template: Object = (await platform.deployment("secret"))["spec"]["template"]
    return template


async def _other_templates(platform: Platform) -> Object:
    """What pods are made from, of all but the endpoint: pods themselves come and go with their number."""
    owners = [
        owner
        for kind in ("deployments", "statefulsets")
        for space in spaces(platform)
        for owner in await platform.api.list(kind, space)
    ]
    return {
        owner["metadata"]["name"]: owner["spec"]["template"]
        for owner in owners
        if owner["metadata"]["name"] != "secret"
    }


async def _secret_values(platform: Platform, installation: Installation) -> list[str]:
    """Every value that must be in clear nowhere: those of the project, and those that the platform made."""
    made = [secret for space in spaces(platform) for secret in await platform.api.list("secrets", space)]
    values = {*SECRETS.values(), NEWER, installation.parts.registry["password"]}
    values |= {platform.access.token, *platform.access.tokens.values(), platform.access.queue_password}
    values |= {value for secret in made for value in _clear(secret)}
    return sorted(value for value in values if len(value) >= LEAST_CHARACTERS)


def _clear(secret: Object) -> Iterator[str]:
    """What of a Secret is secret: passwords in addresses, keys and values; no hash of one."""
    for key, encoded in (secret.get("data") or {}).items():
        text = base64.b64decode(encoded).decode(errors="replace")
        if key.endswith("-url"):
            yield text.partition("://")[2].partition("@")[0].partition(":")[2]
        elif key in {"value", "worker-key"}:
            yield text
        elif key == ".dockerconfigjson":
            yield from (str(login["auth"]) for login in json.loads(text)["auths"].values())


def _forms(value: str) -> set[str]:
    """A value as it may stand in a text: as it is, in base64, percent-encoded, within JSON."""
    return {value, base64.b64encode(value.encode()).decode(), quote(value, safe=""), json.dumps(value)[1:-1]}


def _found(values: list[str], texts: dict[str, str]) -> list[str]:
    """Where a value stands; the value itself is not told."""
    forms = {form: number for number, value in enumerate(values) for form in _forms(value)}
    return sorted(
        {
            f"value {number} in {name}"
            for name, text in texts.items()
            for form, number in forms.items()
            if form in text
        }
    )


async def _logs(platform: Platform) -> dict[str, str]:
    """What each container wrote, and in its former life, by pod, component or endpoint, and container."""
    logs = {}
    for pod in await all_pods(platform):
        metadata = pod["metadata"]
        owner = metadata["labels"].get(LABEL_ENDPOINT, metadata["labels"]["app.kubernetes.io/component"])
        for status in statuses(pod):
            for is_former in (False, True) if status["restartCount"] else (False,):
                text = await platform.api.log(
                    metadata["name"], status["name"], metadata["namespace"], is_former=is_former
                )
                assert text is not None or not is_former, f"{owner}/{status['name']} has no former log"
                if text is not None:
                    life = ", its former life" if is_former else ""
                    logs[f"{metadata['name']} {owner}/{status['name']}{life}"] = text
    return logs


async def _objects(platform: Platform) -> dict[str, str]:
    """All objects of our namespaces but Secrets, and the cluster's own that name them, by where they are."""
    listed = await platform.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name")
    kinds = ",".join(kind for kind in listed.split() if kind != "secrets")
    texts = {"cluster": await platform.kubectl("get", "namespaces,persistentvolumes", "-o", "yaml")}
    for space in spaces(platform):
        texts[space] = await platform.kubectl("get", kinds, f"--namespace={space}", "-o", "yaml")
    return texts


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, links not followed; without the key that everything is made from."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names if name != "key")


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
