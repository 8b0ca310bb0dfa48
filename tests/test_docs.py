"""The reference names every key, code and piece of hardware, so that it cannot fall behind."""

import re
from pathlib import Path

from infra.spec.codes import CODES
from infra.spec.fields import every_field
from infra.spec.hardware import CATALOGUE
from infra.spec.model import Spec
from infra.spec.schema import schema_text
from infra.spec.templates import Card
from runtime.gateway.errors import GatewayError
from runtime.gateway.metrics import Metrics

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
INTERNAL = {"MOORAGE_PROCESS", "MOORAGE_SECRET", "MOORAGE_SECRET_DB_URL"}
"""A mark by which strays are found, a prefix, and an example in a text."""
HEADINGS = set(re.findall(r"^#{2,4} `?(.+?)`?$", REFERENCE, re.MULTILINE))


def test_every_key_of_endpoints_yaml_has_a_heading() -> None:
    """`### endpoints[].replicas.min` and the like."""
    assert {path for path, _ in every_field(Spec)} - HEADINGS == set()


def test_every_key_of_a_template_has_a_heading() -> None:
    """`### template: title` and the like."""
    assert {f"template: {path}" for path, _ in every_field(Card)} - HEADINGS == set()


def test_every_error_code_has_a_heading() -> None:
    """A user who searches for a code finds it."""
    assert set(CODES) - HEADINGS == set()


def test_every_default_stands_under_its_heading() -> None:
    """A default that changes in the model changes in the reference."""
    defaults = {
        path: info.default
        for path, info in every_field(Spec)
        if isinstance(info.default, str | int) and not info.is_required()
    }

    stale = [path for path, default in defaults.items() if f"Default: `{default}`" not in section(path)]

    assert stale == []


def test_hardware_table_holds_the_catalogue() -> None:
    """Name, instance type and price of every row."""
    missing = [
        row.name
        for row in CATALOGUE.values()
        if not re.search(rf"^\| `{re.escape(row.name)}` \| {row.instance_type} \|", REFERENCE, re.MULTILINE)
        or f"{row.dollars_per_hour or '—'}" not in table_row(row.name)
    ]

    assert missing == []


def test_every_key_says_what_it_is() -> None:
    """Editors show the description; bounds stand in it with their unit."""
    silent = [path for root in (Spec, Card) for path, info in every_field(root) if not info.description]

    assert silent == []


def test_schema_of_the_file_is_current(update_golden: bool) -> None:
    """Rewrite it with `python -m infra.spec.schema > docs/endpoints.schema.json`."""
    path = DOCS / "endpoints.schema.json"

    if update_golden:
        path.write_text(schema_text(), encoding="utf-8")

    assert path.read_text(encoding="utf-8") == schema_text()


def test_every_error_of_the_gateway_has_a_heading_with_its_status() -> None:
    """Clients and operators look codes up."""
    errors: list[type[GatewayError]] = [GatewayError, *GatewayError.__subclasses__()]

    missing = [error.code for error in errors if f"### `{error.code}`\n\n{error.status}. " not in REFERENCE]

    assert missing == []


def test_every_setting_is_named() -> None:
    """Whatever the code reads from the environment."""
    read = {
        name
        for path in (DOCS.parent / "runtime").rglob("*.py")
        for name in re.findall(r"MOORAGE_[A-Z][A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }

    assert {name for name in read - INTERNAL if f"`{name}`" not in REFERENCE} == set()


def test_every_metric_is_named() -> None:
    """As a scrape shows it."""
    exposed = Metrics().expose({}).decode()
    names = set(re.findall(r"^# TYPE (\w+) ", exposed, re.MULTILINE)) - {"moorage_requests_created"}

    assert {name for name in names if f"`{name}`" not in REFERENCE and not name.endswith("_created")} == set()


def section(path: str) -> str:
    """What stands under a key's heading."""
    return REFERENCE.partition(f"### `{path}`\n")[2].partition("\n#")[0]


def table_row(name: str) -> str:
    """The catalogue's line of one name."""
    return REFERENCE.partition(f"| `{name}` |")[2].partition("\n")[0]
