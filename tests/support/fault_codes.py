"""Which fault codes belong to what: each is shown by the tests of its own kind of file."""

STACK_FILE = frozenset(
    {
        "account-form",
        "arn-form",
        "cidr-form",
        "cidr-open",
        "cpu-form",
        "domain-form",
        "id-form",
        "instance-form",
        "label-form",
        "mail-form",
        "memory-form",
        "region-form",
        "repository-form",
        "secret-clear",
        "stack-key",
        "stack-made",
        "stack-order",
        "tag-form",
        "url-form",
    }
)
"""Of `stacks/Pulumi.<stack>.yaml` alone."""
FIT = frozenset(
    {
        "image-missing",
        "queue-users",
        "secret-region",
        "secret-source",
        "secret-unset",
        "storage-shared",
        "subnets-missing",
    }
)
"""Of endpoints.yaml held against a stack."""
