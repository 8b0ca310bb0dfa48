"""The reference names every key, code and piece of hardware, so that it cannot fall behind."""

import re
from pathlib import Path

from pydantic import BaseModel

from infra.plan.rendering import FIRST, NEEDED, RELEASES
from infra.spec.codes import CODES
from infra.spec.fields import every_field
from infra.spec.hardware import CATALOGUE
from infra.spec.model import Spec
from infra.spec.schema import schema_text
from infra.spec.stack import Stack
from infra.spec.templates import Card
from runtime.gateway.errors import GatewayError
from runtime.gateway.metrics import Metrics

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LIST = ".rendered"
"""As in `infra.render`, which loads Pulumi."""
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


def test_every_key_of_a_stack_file_has_a_heading() -> None:
    """`### stack: gateway.min` and the like."""
    assert {f"stack: {path}" for path, _ in every_field(Stack)} - HEADINGS == set()


def test_every_key_is_told_in_the_words_of_its_model() -> None:
    """Editors and the reference say the same of each key."""
    kinds: dict[str, type[BaseModel]] = {"": Spec, "stack: ": Stack, "template: ": Card}

    stale = [
        f"{kind}{path}"
        for kind, root in kinds.items()
        for path, info in every_field(root)
        if (info.description or "?") not in section(f"{kind}{path}")
    ]

    assert stale == []


def test_every_remark_and_risk_of_a_plan_has_a_heading() -> None:
    """What a report marks with a code is explained under it."""
    sources = [ROOT / "infra/plan/remarks.py", ROOT / "infra/plan/report/report.py"]
    codes = {
        code
        for path in sources
        for code in re.findall(r'(?:Remark|Risk)\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
    }

    assert {"hold-capped", "made-public"} <= codes
    assert codes - HEADINGS == set()


def test_every_file_of_a_plan_and_a_rendering_is_explained() -> None:
    """What lies in OUT."""
    plan, rendering = chapter("make plan"), chapter("make render")

    assert all(f"`{name}`" in plan for name in ("plan.md", "plan.json", "resources.json"))
    assert all(f"`{name}`" in rendering for name in (NEEDED, RELEASES, LIST))
    assert f"`{FIRST}/" in rendering
    assert "not what runs" in plan


def test_every_error_code_has_a_heading() -> None:
    """A user who searches for a code finds it."""
    assert set(CODES) - HEADINGS == set()


def test_every_default_stands_under_its_heading() -> None:
    """A default that changes in the model changes in the reference."""
    defaults = {
        f"{kind}{path}": str(info.default).lower() if isinstance(info.default, bool) else info.default
        for kind, root in (("", Spec), ("stack: ", Stack))
        for path, info in every_field(root)
        if isinstance(info.default, str | int) and info.default != "" and not info.is_required()
    }
    for key in ("stack: queue.disk", "stack: aws.database.disk"):
        defaults[key] = f"{defaults[key]}Gi"

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
    silent = [
        path for root in (Spec, Card, Stack) for path, info in every_field(root) if not info.description
    ]

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


def chapter(title: str) -> str:
    """What stands under a heading of the second level."""
    return REFERENCE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table_row(name: str) -> str:
    """The catalogue's line of one name."""
    return REFERENCE.partition(f"| `{name}` |")[2].partition("\n")[0]
