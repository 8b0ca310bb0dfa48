"""What the plan tells the running platform: one record an endpoint, a template, the account.

Each is one JSON file under `.moorage/records/` locally and one ConfigMap in a cluster.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A frozen value; keys that a newer plan added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Rate(Record):
    """At most `count` requests in any `seconds`."""

    count: int
    seconds: int


class Limits(Record):
    """Bounds of one endpoint."""

    queue_seconds: int
    """Longest wait for a replica, a cold start included, in seconds."""
    request_seconds: int
    """Longest run on a replica, in seconds; past it the model is restarted."""
    start_seconds: int
    """Longest start of a replica until its health path answers 200, in seconds."""
    waiting: int
    """Most requests that may wait."""
    body_mib: int
    """Largest request body, in MiB."""


class Scaling(Record):
    """How many replicas, and how long an idle one stays."""

    min: int
    max: int
    timeout: int
    """Idle seconds before scaling down to `min`."""


class PythonSource(Record):
    """A folder with service.py, run by `runtime.replica` in a virtual environment of its own."""

    kind: Literal["python"] = "python"
    folder: str
    """Absolute, or relative to the folder of endpoints.yaml."""


class CommandSource(Record):
    """A shell-like command line; `{port}` stands for the port it must listen on."""

    kind: Literal["command"] = "command"
    command: str


class RegistryLogin(Record):
    """Where a private image lives; `password_secret` names a secret, it is no value."""

    server: str
    username: str
    password_secret: str


class ImageSource(Record):
    """A container image, for docker or podman."""

    kind: Literal["image"] = "image"
    image: str
    registry: RegistryLogin | None = None


Source = Annotated[PythonSource | CommandSource | ImageSource, Field(discriminator="kind")]


class EndpointRecord(Record):
    """All that gateway, worker and scaler need to know of one endpoint."""

    name: str
    source: Source
    port: int
    """Port of the model inside its container; locally each replica gets a free one."""
    health: str
    hardware: str
    scaling: Scaling
    limits: Limits
    access: Literal["private", "public"]
    ingress: Literal["private", "public"]
    env: dict[str, str] = {}
    secrets: dict[str, str] = {}
    """Environment variable to the name of the secret it takes its value from."""
    models: tuple[str, ...] = ()
    template: str | None = None
    """The template it is a clone or quickstart of."""
    quickstart: Rate | None = None
    revision: str
    """Hash of all that a running replica was made from; another one means new replicas."""


class TokenGrant(Record):
    """Who may call: a token's name, the endpoints it opens (empty: all), its rate and its highest priority."""

    name: str
    endpoints: tuple[str, ...] = ()
    rate: Rate | None = None
    priority: Literal["normal", "high"] = "normal"


class SecretEntry(Record):
    """A secret's name and where its value lives; never the value."""

    name: str
    aws_secret: str | None = None


class AccountRecord(Record):
    """What all endpoints of one endpoints.yaml share."""

    account: str
    tokens: tuple[TokenGrant, ...] = ()
    secrets: tuple[SecretEntry, ...] = ()


class TemplateRecord(Record):
    """A template as the web page and the API show it."""

    name: str
    title: str
    description: str
    route: str
    output: Literal["json", "text", "image", "audio", "video", "stream"]
    license_name: str
    license_source: str
    input_schema: dict[str, Any]
    examples: tuple[dict[str, Any], ...] = ()
    """Each `{"title": …, "body": …}`; a value `{"$file": name}` stands for that file's base64."""
    folder: str
