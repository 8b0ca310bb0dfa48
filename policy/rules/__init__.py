"""Every rule, each pure over what it is shown."""

from policy.rule import Rule
from policy.rules import cluster, encryption, iam, pods, reach, stacks

RULES: tuple[Rule, ...] = (
    *iam.RULES,
    *encryption.RULES,
    *reach.RULES,
    *stacks.RULES,
    *pods.RULES,
    *cluster.RULES,
)
"""In the order of docs/policies.md."""
