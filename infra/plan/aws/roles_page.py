"""The page that tells of every role what it may do, and why."""

from collections.abc import Iterable, Iterator, Mapping

from infra.plan.aws.roles import SERVICES, RolePlan, Statement

HEAD = """# Roles in an AWS account

Every IAM role that the AWS backend can make, with each of its statements and the reason for it. It is written from the
plan itself, for a stack called `prod` in the account 123456789012; a test fails when a role may do more than stands here.
Which of them a stack has follows from its settings. Pods take roles by EKS Pod Identity, each by its own service account.
"""


def roles_page(roles: Iterable[RolePlan]) -> str:
    """All roles as Markdown, ending in a new line."""
    return "\n".join([HEAD, *(line for role in roles for line in _role(role))]) + "\n"


def _role(role: RolePlan) -> Iterator[str]:
    yield f"## {role.name}"
    yield ""
    yield f"{role.reason} Taken by {_takers(role)}."
    yield ""
    if role.managed:
        yield (
            "Policies that AWS keeps: "
            + ", ".join(f"`{arn.rpartition('/')[2]}`" for arn in role.managed)
            + "."
        )
        yield ""
    for statement in role.statements:
        yield from _statement(statement)


def _takers(role: RolePlan) -> str:
    if role.service_accounts:
        return ", ".join(f"`{account.namespace}/{account.name}`" for account in role.service_accounts)
    return f"`{SERVICES[role.trust]}`"


def _statement(statement: Statement) -> Iterator[str]:
    yield f"- **{statement.sid}**: {statement.reason}"
    yield f"  - may: {_listed(statement.actions)}"
    yield f"  - on: {_listed(statement.resources)}"
    if statement.conditions:
        yield f"  - only if: {'; '.join(_conditions(statement.conditions))}"
    yield ""


def _conditions(conditions: Mapping[str, Mapping[str, str | tuple[str, ...]]]) -> Iterator[str]:
    for operator, tests in sorted(conditions.items()):
        for key, value in sorted(tests.items()):
            values = value if isinstance(value, tuple) else (value,)
            yield f"{operator} `{key}`: {_listed(values)}"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)
