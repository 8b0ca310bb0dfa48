"""Which fault codes belong to what: each is shown by the tests of its own kind of file."""

STACK_FILE = frozenset(
    {
        "cidr-form",
        "cpu-form",
        "domain-form",
        "label-form",
        "memory-form",
        "repository-form",
        "secret-clear",
        "stack-key",
        "stack-order",
        "url-form",
    }
)
"""Of `stacks/Pulumi.<stack>.yaml` alone."""
FIT = frozenset({"image-missing", "secret-source", "secret-unset", "storage-shared"})
"""Of endpoints.yaml held against a stack."""
