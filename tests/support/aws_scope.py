"""A stack in an account, made up of the settings that a test is about."""

import json

from infra.plan.aws.scope import Scope, scope_of
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws


def scope_for(*, name: str = "prod", protect: bool = True, **settings: object) -> tuple[Scope, Aws]:
    """The scope of a stack in Frankfurt, and its account with those settings of `moorage:aws`."""
    aws = {"account": "123456789012", "region": "eu-central-1", **settings}
    stack = Stack.model_validate_json(
        json.dumps({"backend": "aws", "domain": "models.example.com", "protect": protect, "aws": aws})
    )
    assert stack.aws is not None
    return scope_of(stack, stack.aws, name), stack.aws
