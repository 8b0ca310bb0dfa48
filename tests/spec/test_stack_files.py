"""Stack files: what a bad one says, exactly, and what a right one gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fault_codes import STACK_FILE

from infra.spec.codes import CODES
from infra.spec.errors import Fault, SpecError
from infra.spec.fields import every_field
from infra.spec.load_stack import PREFIX, check_settings, load_stack
from infra.spec.source import parse
from infra.spec.stack import Stack

GOLDEN = Path(__file__).parent.parent / "golden"
BAD = GOLDEN / "bad-stack"
CASES = sorted(BAD.glob("*.yaml"))
NAME = "stacks/Pulumi.prod.yaml"
FULL = (GOLDEN / "every-field" / "Pulumi.prod.yaml").read_text("utf-8")
AWS = "".join(path.read_text("utf-8") for path in sorted(GOLDEN.glob("aws-*/Pulumi.prod.yaml")))
HEAD = "config:\n  moorage:backend: kubernetes\n  moorage:domain: models.example.com\n"
PIECES = [
    *FULL.split(),
    "  ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "&a",
    "*a",
    "null",
    "-1",
    "9" * 30,
    "yes",
    ": ",
    "secure",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(sorted(Stack.model_fields)) | st.sampled_from(["secrets.a", "min", "cpu", "name"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def error_of(text: str) -> SpecError:
    """What a bad file raises."""
    with pytest.raises(SpecError) as caught:
        load_stack(text, NAME)
    return caught.value


def faults_of(read: Callable[[], object]) -> tuple[Fault, ...]:
    """What a reading refuses; nothing where the text is right."""
    try:
        read()
    except SpecError as error:
        return error.faults
    return ()


def test_at_least_sixty_stack_files_are_bad() -> None:
    """The collection does not shrink by accident."""
    assert len(CASES) >= 60


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_bad_stack_file_gives_its_exact_message(path: Path, update_golden: bool) -> None:
    """The message is read in review; each fault has a line of the file, a known code and a mend."""
    golden = path.with_suffix(".txt")

    error = error_of(path.read_text(encoding="utf-8"))

    if update_golden:
        golden.write_text(f"{error}\n", encoding="utf-8")
    lines = path.read_bytes().count(b"\n") + 1
    assert all(1 <= fault.line <= lines and fault.column >= 1 for fault in error.faults)
    assert all(fault.code in CODES and fault.mend and fault.what for fault in error.faults)
    assert f"{error}\n" == golden.read_text(encoding="utf-8")


def test_bad_stack_files_show_every_code_of_their_own() -> None:
    """No code is without a file that shows it."""
    shown = {fault.code for path in CASES for fault in error_of(path.read_text("utf-8")).faults}

    assert STACK_FILE - shown == set()


def test_no_message_of_a_stack_file_shows_a_secret() -> None:
    """The bad files hold made-up secrets; the messages hold none."""
    leaking = [
        path.name
        for path in BAD.glob("*.txt")
        if any(secret in path.read_text("utf-8") for secret in ("hunter2", "4711"))
    ]

    assert leaking == []


def test_full_stack_file_holds_every_key() -> None:
    """So the golden case of every field is one; an issuer and a secret exclude each other."""
    missing = [
        path
        for path, _ in every_field(Stack)
        if f"{path.replace('[]', '').rpartition('.')[2]}:" not in (AWS if path.startswith("aws") else FULL)
    ]

    assert missing == ["ingress.tls.issuer"]


def test_names_of_encrypted_secrets_are_read_and_values_are_not() -> None:
    """Only the engine opens them."""
    found = load_stack(f"{HEAD}  moorage:secrets.db-url: {{secure: 'v1:abc'}}\n", NAME)

    assert found.secrets == {"db-url"}
    assert "v1:abc" not in repr(found)


def test_keys_of_other_projects_are_left_alone() -> None:
    """`aws:region` and the like are their providers' affair."""
    found = load_stack(f"{HEAD}  aws:region: eu-central-1\n  kubernetes:context: {{a: 1}}\n", NAME)

    assert found.settings.domain == "models.example.com"


def test_defaults_are_a_safe_small_stack() -> None:
    """Data is protected and journalled, two gateways, nothing installed, the platform's own scaler."""
    settings = load_stack(HEAD, NAME).settings

    assert (settings.protect, settings.queue.fsync, settings.gateway.min) == (True, "always", 2)
    assert set(settings.addons.model_dump().values()) == {"present"}
    assert (settings.scaler, settings.secrets, settings.ingress.hosts) == ("own", "pulumi", "wildcard")


@pytest.mark.parametrize(
    ("instance_type", "is_taken"),
    [
        ("m7i.large", True),
        ("m7g.large", False),
        ("m7i-flex.large", True),
        ("c6gn.xlarge", False),
        ("g6.xlarge", True),
        ("x2gd.medium", False),
        ("a1.large", False),
        ("im4gn.large", False),
    ],
)
def test_system_nodes_are_of_the_images_architecture(instance_type: str, is_taken: bool) -> None:
    """A g behind the generation is Graviton; the family g is none."""
    aws = {
        "account": "123456789012",
        "region": "eu-central-1",
        "cluster": {"system": {"instance_type": instance_type}},
    }
    _, findings = check_settings({"backend": "aws", "domain": "a.example", "aws": aws})

    assert [found.code for found in findings] == ([] if is_taken else ["instance-form"])


@given(key=KEYS, value=VALUES)
def test_any_value_of_any_setting_is_read_or_refused(key: str, value: object) -> None:
    """Whatever the engine or a file gives, faults come as findings."""
    settings, findings = check_settings({"backend": "kubernetes", "domain": "a.example", key: value})

    assert (settings is None) <= bool(findings)
    assert all(found.what and found.mend and found.code in CODES for found in findings)


@given(text=st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map(" ".join))
def test_any_stack_text_is_read_or_refused(text: str) -> None:
    """Nothing but its own error."""
    assert all(fault.line >= 1 and fault.mend for fault in faults_of(lambda: load_stack(text, NAME)))


@given(data=st.data())
def test_any_mutation_of_a_right_stack_file_is_read_or_refused(data: st.DataObject) -> None:
    """A right file with pieces cut, repeated or replaced."""
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES]) | st.text(max_size=3)) + text[end:]

    assert all(fault.line >= 1 and fault.mend for fault in faults_of(lambda: load_stack(text, NAME)))


def test_every_setting_of_the_full_file_is_another_than_its_default() -> None:
    """A key that the loader forgot would show here."""
    full, plain = load_stack(FULL, NAME).settings, load_stack(HEAD, NAME).settings
    same = {"aws", "backend", "domain"}

    kept = {key for key in Stack.model_fields if getattr(full, key) == getattr(plain, key)}

    assert kept == same
    assert {key for key in parse(FULL, NAME).value["config"] if key.startswith(PREFIX)} == {
        f"{PREFIX}{key}" for key in Stack.model_fields.keys() - {"aws"}
    }
