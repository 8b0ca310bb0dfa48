"""Secrets on AWS: which entries are made, and who may read which."""

import fnmatch
from collections.abc import Mapping

import pytest
from support.made_in_aws import SECONDS, SECRET, SIGNATURE, made_by

from infra.plan.aws.database import login_statements, plan_database
from infra.plan.aws.fitting import settled
from infra.plan.aws.operators import external_secrets, external_secrets_roles, secret_arn
from infra.plan.aws.scope import Scope, scope_of
from infra.plan.aws.vault import cluster_secret_store, plan_vault
from infra.plan.fit import used_secrets
from infra.plan.secrets import plan_secrets
from infra.spec.model import Spec
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws

PLACE = "arn:aws:secretsmanager:eu-central-1:123456789012:secret"
FOREIGN = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:shared/key-AbCdEf"
AWS = Aws.model_validate({"account": "123456789012", "region": "eu-central-1"})
STACK = Stack(backend="aws", domain="models.example.com", secrets="external", aws=AWS)
SECRETS = {
    "own": {},
    "login": {},
    "unused": {},
    "named": {"aws_secret": "prod/db-url"},
    "foreign": {"aws_secret": FOREIGN},
    "unused-named": {"aws_secret": "prod/other"},
}


def scope(name: str = "prod") -> Scope:
    """Where a stack lives."""
    return scope_of(STACK, AWS, name)


def spec_of(read: Mapping[str, str], registry: str | None = "ghcr") -> Spec:
    """One endpoint that reads secrets, and pulls its image by a login where it has one."""
    server = {"server": "ghcr.io", "username": "bot", "password": {"secret": "login"}}
    endpoint = {"name": "embed", "image": "ghcr.io/acme/embed:1", "registry": registry, "secrets": dict(read)}
    given = {
        "account": "acme",
        "registries": {"ghcr": server},
        "secrets": SECRETS,
        "endpoints": (endpoint,),
    }
    return Spec.model_validate(given)


ALL = spec_of({"A": "own", "B": "named", "C": "foreign"})


def readable(spec: Spec) -> list[str]:
    """Patterns of the secrets whose values External Secrets may read."""
    return [
        pattern
        for role in external_secrets_roles(scope(), spec)
        for statement in role.statements
        if "secretsmanager:GetSecretValue" in statement.actions
        for pattern in statement.resources
    ]


def may_read(spec: Spec, arn: str) -> bool:
    """Whether one of them is that."""
    return any(fnmatch.fnmatchcase(arn, pattern) for pattern in readable(spec))


def test_entries_are_the_used_secrets_whose_values_the_stack_holds() -> None:
    """Neither somebody else's nor what no endpoint reads."""
    plan = plan_vault(scope(), ALL, used_secrets(ALL))

    assert [(each.secret, each.entry) for each in plan.entries] == [
        ("login", "moorage/prod/login"),
        ("own", "moorage/prod/own"),
    ]


def test_external_secrets_look_where_entries_are() -> None:
    """The names that are made are the names that are read, and the store's too."""
    stack = settled(STACK, scope(), AWS)
    plan = plan_vault(scope(), ALL, used_secrets(ALL))

    looked = {secret.remote for secret in plan_secrets(ALL, stack)}

    assert {each.entry for each in plan.entries if each.secret == "own"} <= looked
    assert looked - {each.entry for each in plan.entries} == {"prod/db-url", FOREIGN}
    assert stack.secret_store is not None
    assert (stack.secret_store.name, stack.secret_store.prefix) == (plan.store_name, plan.prefix)


def test_without_secrets_nothing_is_made_or_allowed() -> None:
    """No entry, no store, no role."""
    spec = spec_of({}, registry=None)

    plan = plan_vault(scope(), spec, used_secrets(spec))

    assert (plan.entries, plan.is_read) == ((), False)
    assert external_secrets_roles(scope(), spec) == ()


@pytest.mark.parametrize(
    "arn",
    [
        f"{PLACE}:moorage/prod/own-AbCdEf",
        f"{PLACE}:moorage/prod/login-AbCdEf",
        f"{PLACE}:prod/db-url-AbCdEf",
        FOREIGN,
    ],
)
def test_every_secret_that_endpoints_need_may_be_read(arn: str) -> None:
    """The stack's own, and each that is named."""
    assert may_read(ALL, arn)


@pytest.mark.parametrize(
    "arn",
    [
        f"{PLACE}:prod/other-AbCdEf",
        f"{PLACE}:prod/db-url-replica-AbCdEf",
        f"{PLACE}:moorage/prod2/own-AbCdEf",
        f"{PLACE}:moorage/dev/own-AbCdEf",
        f"{FOREIGN}-AbCdEf",
        f"{PLACE}:rds!db-1-AbCdEf",
    ],
)
def test_no_other_secret_may_be_read(arn: str) -> None:
    """Not the next stack's, not one whose name begins alike, not one that no endpoint reads."""
    assert not may_read(ALL, arn)


def test_external_secrets_read_the_password_of_this_stack_s_database_alone() -> None:
    """RDS names each entry by chance; the tag that it puts on one tells whose it is."""
    aws = Aws.model_validate({**AWS.model_dump(), "database": {}})
    database, spec = plan_database(scope(), aws), spec_of({}, registry=None)
    assert database is not None

    (role,) = external_secrets_roles(scope(), spec, login_statements(scope(), aws))

    decrypting, reading = role.statements
    own = f"arn:aws:rds:eu-central-1:123456789012:db:{database.name}"
    assert reading.actions == ("secretsmanager:GetSecretValue",)
    assert reading.resources == (f"{PLACE}:rds!db-*",)
    assert reading.conditions == {"StringEquals": {"aws:ResourceTag/aws:rds:primaryDBInstanceArn": own}}
    assert decrypting.actions == ("kms:Decrypt",)
    assert decrypting.conditions["ForAnyValue:StringEquals"] == {
        "kms:ResourceAliases": "alias/moorage-prod-data"
    }
    assert decrypting.conditions["StringLike"] == {"kms:EncryptionContext:SecretARN": f"{PLACE}:rds!db-*"}
    assert login_statements(scope(), AWS) == ()


def test_store_is_there_for_the_database_s_password_too() -> None:
    """Where no endpoint has a secret; and no entry is made, for RDS makes it."""
    spec = spec_of({}, registry=None)

    plan = plan_vault(scope(), spec, used_secrets(spec), has_database=True)

    assert (plan.entries, plan.is_read) == ((), True)
    assert "moorage" in plan.namespaces


def test_stack_that_holds_no_value_reads_nothing_of_its_own() -> None:
    """All that its endpoints need is named."""
    spec = spec_of({"B": "named"}, registry=None)

    assert readable(spec) == [f"{PLACE}:prod/db-url-??????"]


def test_keys_decrypt_these_secrets_only() -> None:
    """By Secrets Manager, whatever key an entry has."""
    statements = external_secrets_roles(scope(), ALL)[0].statements
    decrypting = [each for each in statements if "kms:Decrypt" in each.actions]

    assert len(decrypting) == 1
    conditions = decrypting[0].conditions
    assert conditions["StringEquals"] == {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
    assert sorted(conditions["StringLike"]["kms:EncryptionContext:SecretARN"]) == sorted(readable(ALL))
    assert decrypting[0].resources == (
        "arn:aws:kms:eu-central-1:123456789012:key/*",
        "arn:aws:kms:eu-central-1:210987654321:key/*",
    )


def test_arn_without_its_ending_counts_with_any() -> None:
    """As Secrets Manager itself takes it."""
    assert secret_arn(f"{PLACE}:prod/db", scope()) == f"{PLACE}:prod/db-??????"


def test_role_is_taken_by_the_account_that_the_chart_makes() -> None:
    """Under that very name."""
    chart, role = external_secrets(), external_secrets_roles(scope(), ALL)[0]

    assert [(each.namespace, each.name) for each in role.service_accounts] == [
        (chart.namespace, chart.values["serviceAccount"]["name"])
    ]


def test_store_serves_the_stack_s_namespaces_only() -> None:
    """An ExternalSecret of anybody else's namespace reads nothing by it."""
    plan = plan_vault(scope(), ALL, used_secrets(ALL))

    assert cluster_secret_store(plan)["spec"]["conditions"] == [
        {"namespaces": ["moorage", "moorage-baseline", "moorage-restricted"]}
    ]


@pytest.mark.parametrize("is_protected", [True, False])
def test_name_of_a_deleted_entry_is_free_at_once(*, is_protected: bool) -> None:
    """The stack file has the value still, and whoever needs it again makes it under the same name."""
    stack = STACK.model_copy(update={"protect": is_protected})

    plan = plan_vault(scope_of(stack, AWS, "prod"), ALL, used_secrets(ALL))

    assert plan.recovery_days == 0


BUILD = """
from pulumi import Output
from components.aws.vault import Vault
from infra.plan.aws.scope import scope_of
from infra.plan.aws.vault import plan_vault
from infra.spec.model import Spec
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws


def build():
    aws = Aws.model_validate({"account": "123456789012", "region": "eu-central-1"})
    stack = Stack(backend="aws", domain="models.example.com", aws=aws)
    given = {"account": "acme", "secrets": {"own": {}, "named": {"aws_secret": "a"}}, "endpoints": ()}
    plan = plan_vault(scope_of(stack, aws, "prod"), Spec.model_validate(given), frozenset({"own", "named"}))
    Vault("vault", plan, {"own": Output.secret("planted")}, key_arn="arn:key")
"""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_vault_makes_entry_and_value_under_the_stack_s_key_and_one_store() -> None:
    """The value as a secret; nothing of what is somebody else's."""
    found = {each.name: each.inputs for each in made_by(BUILD)}

    assert set(found) == {"vault", "vault-own", "vault-own-value", "vault-store"}
    assert found["vault-own"]["kmsKeyId"] == "arn:key"
    assert found["vault-own-value"]["secretString"] == {SIGNATURE: SECRET, "value": "planted"}
    assert found["vault-store"]["spec"]["provider"]["aws"]["service"] == "SecretsManager"
