"""What endpoints.yaml may hold. Frozen, strict: `"0"` is no number and `1.4` is no text.

Units stand in each description; defaults are those of one small private endpoint.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from infra.spec.forms import (
    AwsSecret,
    Command,
    EnvName,
    Folder,
    Image,
    ModelName,
    Mount,
    Name,
    RateText,
    Route,
    Server,
    SizeText,
)
from infra.spec.hardware import CATALOGUE

DAY = 86_400
"""Seconds; the longest any request may wait or run."""


class Part(BaseModel):
    """A frozen mapping of endpoints.yaml; keys it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class SecretRef(Part):
    """Points to a secret by name."""

    secret: Name = Field(examples=["ghcr-token"])
    """Name of an entry of `secrets:`; never a value."""


class Registry(Part):
    """A login to pull private images."""

    server: Server = Field(examples=["ghcr.io"])
    """Host of the registry, with a port if it is not 443."""
    username: str = Field(examples=["bot"], min_length=1, max_length=256)
    """User to log in as."""
    password: SecretRef = Field(examples=["{secret: ghcr-token}"])
    """Which secret holds the password."""


class Secret(Part):
    """Where a secret's value lives; `{}` means in the stack itself, or locally in .moorage/secrets.yaml."""

    aws_secret: AwsSecret | None = Field(default=None, examples=["prod/db-url"])
    """Name or ARN of an entry of AWS Secrets Manager that holds the value."""


class Token(Part):
    """Who may call private endpoints; its value is generated and stored hashed."""

    endpoints: tuple[Name, ...] | None = Field(default=None, examples=["[embed]"])
    """Names of the endpoints it opens; without the key it opens all."""
    rate: RateText | None = Field(default=None, examples=["60/min"])
    """Most requests of this token in a second, minute, hour or day; without the key no limit."""
    priority: Literal["normal", "high"] = Field(default="normal", examples=["high"])
    """Highest `X-Priority` that this token may ask for: `high` goes before all that is not."""


class Replicas(Part):
    """How many replicas."""

    min: int = Field(default=0, ge=0, le=999, examples=["0"])
    """Fewest replicas, 0 to 999; 0 lets the endpoint cost nothing while nobody calls."""
    max: int = Field(default=1, ge=1, le=999, examples=["4"])
    """Most replicas, 1 to 999."""


class Limits(Part):
    """Bounds of one endpoint."""

    queue_seconds: int = Field(default=600, ge=1, le=DAY, examples=["600"])
    """Longest wait of a request for a replica, cold start included, in seconds, 1 to 86400."""
    request_seconds: int = Field(default=900, ge=1, le=DAY, examples=["900"])
    """Longest run of a request, in seconds, 1 to 86400; past it the model is restarted."""
    start_seconds: int = Field(default=300, ge=1, le=7200, examples=["300"])
    """Longest start of a replica until its health path answers 200, in seconds, 1 to 7200."""
    waiting: int = Field(default=1000, ge=1, le=100_000, examples=["1000"])
    """Most requests that may wait, 1 to 100000; the next one is answered 429."""
    body_mib: int = Field(default=10, ge=1, le=1024, examples=["10"])
    """Largest request body, in MiB, 1 to 1024."""


class Volume(Part):
    """A disk that outlives replicas, to keep downloaded weights for the next cold start."""

    size: SizeText = Field(examples=["50Gi"])
    """Size, as 50Gi or 1Ti (GiB once read), up to 16Ti."""
    path: Mount | None = Field(default=None, examples=["/weights"])
    """Where it is mounted; default `/octoai/<name>`."""


def _sized(value: Any) -> Any:
    return {"size": value} if isinstance(value, str) else value


VolumeOrSize = Annotated[Volume, BeforeValidator(_sized, json_schema_input_type=SizeText | Volume)]
"""A volume, or just its size."""


class Local(Part):
    """How to run it on one machine without a container engine."""

    command: Command = Field(examples=['"python serve.py --port {port}"'])
    """Command line, run in the project's folder; {port} stands for the port it must listen on."""


class Quickstart(Part):
    """Makes it a shared, always-warm endpoint of its template."""

    rate: RateText = Field(examples=["30/min"])
    """Most requests of one caller in a second, minute, hour or day."""


class Expected(Part):
    """The load that a cost is worked out for; nothing is scaled by it."""

    requests_per_hour: int = Field(ge=0, le=10_000_000, examples=["120"])
    """Requests in an average hour, 0 to 10000000."""
    seconds: Annotated[float, Field(gt=0, le=DAY)] = Field(examples=["2.5"])
    """How long one runs on average, in seconds, up to 86400."""


class Endpoint(Part):
    """A named URL with replicas and a queue."""

    name: Name = Field(examples=["embed"])
    """Part of its URL, `<name>-<account>.<domain>`; with the account up to 62 characters."""
    template: Name | None = Field(default=None, examples=["ocr"])
    """Template that it clones; every other key may be overridden."""
    image: Image | None = Field(default=None, examples=["ghcr.io/acme/embed:1.4"])
    """Container image with tag or digest."""
    python: Folder | None = Field(default=None, examples=["examples/sentiment"])
    """Folder with service.py, from endpoints.yaml: a class with setup() and infer()."""
    registry: Name | None = Field(default=None, examples=["ghcr"])
    """Name of an entry of `registries:` to pull the image with; without it the image is public."""
    port: int = Field(default=8080, ge=1, le=65535, examples=["8080"])
    """Port on which the container listens, 1 to 65535."""
    health: Route = Field(default="/healthcheck", examples=["/healthcheck"])
    """Path that answers 200 when the model can take a request; 3 failures in a row restart it."""
    hardware: str = Field(default="cpu", examples=["a10g.1"], json_schema_extra={"enum": list(CATALOGUE)})
    """Name of the hardware catalogue: instance type and GPUs of one replica; `cpu` for no GPU."""
    replicas: Replicas = Field(default=Replicas(), examples=["{min: 0, max: 4}"])
    """Fewest and most replicas."""
    timeout: int = Field(default=300, ge=0, le=DAY, examples=["300"])
    """Idle seconds after which it scales down to min, 0 to 86400; no limit of a request."""
    limits: Limits = Field(default=Limits(), examples=["{request_seconds: 900}"])
    """Bounds of waiting, running, starting and sizes."""
    access: Literal["private", "public"] = Field(default="private", examples=["private"])
    """`private` needs a token, `public` needs none."""
    ingress: Literal["public", "private"] = Field(default="public", examples=["public"])
    """`public` faces the internet, `private` is reachable only inside the network."""
    env: dict[EnvName, str] = Field(default={}, examples=["{MODE: fast}"])
    """Environment variables of the model; values are text, so quote numbers."""
    secrets: dict[EnvName, Name] = Field(default={}, examples=["{DATABASE_URL: db-url}"])
    """Environment variables whose values are secrets, by the secret's name."""
    volumes: dict[Name, VolumeOrSize] = Field(default={}, examples=["{cache: {size: 50Gi}}"])
    """Disks for downloaded weights; `cache: 50Gi` is short for `cache: {size: 50Gi}`."""
    security: Literal["baseline", "restricted"] = Field(default="baseline", examples=["baseline"])
    """`baseline`: the image's own user, no privilege, no capability; `restricted`: also non-root, read-only root."""
    egress: Literal["internet", "none"] = Field(default="internet", examples=["internet"])
    """What the model may reach: `internet` but no private address, or `none`."""
    rollout: Literal["surge", "in-place"] = Field(default="surge", examples=["surge"])
    """How a new revision replaces the old: `surge` starts it beside, `in-place` needs no spare GPU."""
    models: tuple[ModelName, ...] = Field(default=(), examples=["[acme-embed]"])
    """Names under which /v1/embeddings, /v1/chat/completions and their like find it."""
    local: Local | None = Field(default=None, examples=['{command: "python serve.py --port {port}"}'])
    """How to run it without a container engine: beside an image, or alone for this machine only."""
    quickstart: Quickstart | None = Field(default=None, examples=["{rate: 30/min}"])
    """Makes it a shared, always-warm endpoint of its template, limited per caller; min is then 1."""
    expected: Expected | None = Field(default=None, examples=["{requests_per_hour: 120, seconds: 2.5}"])
    """The load that `make plan` works out a cost for."""


class Spec(Part):
    """A whole endpoints.yaml, right in itself."""

    account: Name = Field(examples=["acme"])
    """Part of every URL, `<endpoint>-<account>.<domain>`."""
    registries: dict[Name, Registry] = Field(
        default={}, examples=["{ghcr: {server: ghcr.io, username: bot, password: {secret: ghcr-token}}}"]
    )
    """Logins to pull private images, by name."""
    secrets: dict[Name, Secret] = Field(default={}, examples=["{ghcr-token: {}}"])
    """Names of secrets and where their values live; never a value."""
    tokens: dict[Name, Token] = Field(default={}, examples=["{ci: {endpoints: [embed], rate: 60/min}}"])
    """Tokens for callers, by name."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=5000)] = Field(
        examples=["[{name: ocr, template: ocr}]"]
    )
    """The endpoints, up to 5000."""
