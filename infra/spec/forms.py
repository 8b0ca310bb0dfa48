"""Texts of a fixed form: names, images, folders, rates, sizes. Each refuses with its own code and mend."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, LiteralString

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from infra.spec.wording import kind_of, shown

NAME = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
ENV = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
RATE = r"([1-9][0-9]{0,5})/(s|sec|second|m|min|minute|h|hour|d|day)"
SIZE = r"([1-9][0-9]{0,4})(Gi|Ti)"
ROUTE = r"/[!-~]{0,511}"
MOUNT = r"/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"
MODEL = r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}"
VAULT_ENTRY = r"[A-Za-z0-9/_+=.@:-]{1,2048}"
HOST = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
)
IMAGE = re.compile(
    rf"(?:{HOST}/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
"""An image reference. Source: the grammar in the distribution/reference package, read 2026-07."""
LONGEST = 2048
"""Characters of any text of a fixed form."""
LONGEST_PATH = 512
"""Characters of an image reference or a folder."""
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LARGEST_GIB = 16 * 1024
"""Of one volume: 16 TiB, what one gp3 disk holds. Source: Amazon EBS user guide, read 2026-07."""
RESERVED_ENV = ("MOORAGE_", "OCTOAI_REPLICA_NAME")
"""Beginnings of the variables that the platform sets in each replica."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` requests in any `seconds`."""

    count: int
    seconds: int


def refusal(code: LiteralString, what: str, mend: str) -> PydanticCustomError:
    """A fault of one value, to raise from a validator."""
    return PydanticCustomError(code, "{what} {mend}", {"what": what, "mend": mend})


def matching(
    pattern: str, code: LiteralString, what: str, mend: str
) -> tuple[AfterValidator, WithJsonSchema]:
    """Metadata of a text that must match `pattern` as a whole."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > LONGEST or compiled.fullmatch(text) is None:
            raise refusal(code, f"{shown(text)} {what}", mend)
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


def _need_text(value: Any, example: str) -> str:
    if isinstance(value, str):
        return value
    raise refusal(
        "wrong-type", f"{shown(value)} is {kind_of(value)}, not text.", f"Write for example {example}."
    )


def parse_rate(value: Any) -> Rate:
    """`30/min` as a rate."""
    found = re.fullmatch(RATE, _need_text(value, "30/min"))
    if found is None:
        mend = "Write a count from 1 to 999999 and a unit, for example 30/min (s, min, hour or day)."
        raise refusal("rate-form", f"{shown(value)} is not a rate.", mend)
    return Rate(int(found[1]), SECONDS[found[2][0]])


def parse_size(value: Any) -> int:
    """`50Gi` or `1Ti`, in GiB."""
    found = re.fullmatch(SIZE, _need_text(value, "50Gi"))
    gib = int(found[1]) * {"Gi": 1, "Ti": 1024}[found[2]] if found else 0
    if not 1 <= gib <= LARGEST_GIB:
        mend = "Write whole Gi or Ti up to 16Ti, for example 50Gi."
        raise refusal("size-form", f"{shown(value)} is not a size.", mend)
    return gib


def _check_image(text: str) -> str:
    found = IMAGE.fullmatch(text) if len(text) <= LONGEST_PATH else None
    if found is None:
        mend = "Write host/path:tag in lower case, for example ghcr.io/acme/embed:1.4."
        raise refusal("image-form", f"{shown(text)} is not an image reference.", mend)
    if not (found["tag"] or found["digest"]):
        mend = f"Add the tag you mean, for example {shown(text + ':1.0')}."
        raise refusal("image-tag", f"{shown(text)} has no tag or digest.", mend)
    return text


def image_host(image: str) -> str:
    """The registry that an image is pulled from; without a dot, colon or `localhost` it is docker.io."""
    first, slash, _ = image.partition("/")
    return first if slash and (set(first) & set(".:") or first == "localhost") else "docker.io"


def _check_folder(text: str) -> str:
    path = PurePosixPath(text)
    if ".." in path.parts or path.is_absolute() or text.startswith("~"):
        mend = "Move the folder into the project and write its path from endpoints.yaml."
        raise refusal("folder-escape", f"{shown(text)} is outside the project.", mend)
    if not path.parts or "\\" in text or not text.isprintable() or len(text) > LONGEST_PATH:
        mend = "Write a path with / from endpoints.yaml, for example examples/sentiment."
        raise refusal("folder-form", f"{shown(text)} is not a folder's path.", mend)
    return str(path)


def _check_env(name: str) -> str:
    if len(name) > LONGEST or re.fullmatch(ENV, name) is None:
        mend = "Use letters, digits and _, and begin with a letter, for example MODEL_SIZE."
        raise refusal("env-form", "this is not an environment variable's name.", mend)
    if name.startswith(RESERVED_ENV):
        raise refusal("env-reserved", f"the platform sets {name} itself.", "Choose another name.")
    return name


def _check_command(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise refusal("command-form", "this is not one command line.", "Write it on one line.")
    if "{port}" not in text:
        mend = 'Let the command listen on {port}, for example "python serve.py --port {port}".'
        raise refusal("command-port", "the command does not say {port}.", mend)
    return text


def _checked(check: Callable[[str], str], schema: dict[str, Any]) -> tuple[AfterValidator, WithJsonSchema]:
    return AfterValidator(check), WithJsonSchema({"type": "string", **schema})


Name = Annotated[
    str,
    *matching(
        NAME,
        "name-form",
        "cannot be part of a host name.",
        "Use up to 63 small letters, digits and -, and begin with a letter.",
    ),
]
"""Part of a host name (RFC 1035 label in small letters)."""
Route = Annotated[
    str, *matching(ROUTE, "path-form", "is not a path.", "Begin it with /, for example /infer.")
]
Mount = Annotated[
    str, *matching(MOUNT, "path-form", "is not a folder's path.", "Write it from /, for example /weights.")
]
ModelName = Annotated[
    str,
    *matching(
        MODEL,
        "model-form",
        "is not a model's name.",
        "Use letters, digits and . _ : / -, for example acme-embed.",
    ),
]
AwsSecret = Annotated[
    str,
    *matching(
        VAULT_ENTRY,
        "secret-form",
        "is not a name in AWS Secrets Manager.",
        "Write its name or ARN, for example prod/db-url.",
    ),
]
Server = Annotated[
    str,
    *matching(
        HOST,
        "server-form",
        "is not a registry's host.",
        "Write the host without https:// and path, for example ghcr.io.",
    ),
]
Image = Annotated[str, *_checked(_check_image, {"maxLength": LONGEST_PATH})]
Folder = Annotated[str, *_checked(_check_folder, {"maxLength": LONGEST_PATH})]
EnvName = Annotated[str, *_checked(_check_env, {"pattern": f"^{ENV}$"})]
Command = Annotated[str, *_checked(_check_command, {"pattern": r"\{port\}"})]
RateText = Annotated[
    Rate, BeforeValidator(parse_rate), WithJsonSchema({"type": "string", "pattern": f"^{RATE}$"})
]
SizeText = Annotated[
    int, PlainValidator(parse_size), WithJsonSchema({"type": "string", "pattern": f"^{SIZE}$"})
]
