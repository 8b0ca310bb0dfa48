"""What holds of every AWS resource of every case, whatever it is."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from support.aws_cases import CASES, aws_resources
from support.aws_types import args_class, arguments

from infra.plan.recording import Recording, Resource

OWN = ("123456789012", "")
"""Accounts of ARNs: the stack's own, and none, where the service has no accounts in its ARNs."""
NAMES = (
    "alias",
    "bucket",
    "clusterName",
    "identifier",
    "name",
    "prefix",
    "replicationGroupId",
    "userGroupId",
    "userId",
)
"""Arguments that name a resource within its account."""
MADE_UP = ("bucketPrefix", "identifierPrefix", "namePrefix")
NESTED = frozenset({"aws:iam/rolePolicy:RolePolicy", "aws:route53/record:Record"})
"""Types whose names are those of a role or a zone."""

pytestmark = pytest.mark.timeout(120)  # the first one waits for the recordings


@pytest.fixture(params=CASES)
def resources(request: pytest.FixtureRequest, recorded: dict[str, Recording]) -> list[Resource]:
    """Each case's in turn."""
    return aws_resources(recorded[request.param])


def label(resource: Resource) -> str:
    """How a failed law calls it."""
    return f"{resource.type}::{resource.name}"


def test_each_is_a_child_named_after_its_component(resources: list[Resource]) -> None:
    """Its name says where it comes from, and each identity is there once."""
    strange = [
        label(each)
        for each in resources
        if not each.parent or not each.name.startswith(f"{each.parent.partition('::')[2]}-")
    ]

    assert strange == []
    assert [name for name, count in Counter(map(label, resources)).items() if count > 1] == []


def test_each_is_made_in_the_account_that_the_stack_names(resources: list[Resource]) -> None:
    """By the one provider that holds the account's number; no default one, no other region."""
    assert [label(each) for each in resources if each.provider != "aws" or "region" in each.inputs] == []


def test_each_that_takes_tags_tells_its_stack(resources: list[Resource]) -> None:
    """Costs, roles and clean-up go by it."""
    takers = [each for each in resources if "tags" in arguments(args_class(each.type))]

    untagged = [
        label(each) for each in takers if not {"Name", "moorage:stack"} <= each.inputs.get("tags", {}).keys()
    ]

    assert untagged == []
    assert len(takers) > len(resources) / 3


def test_no_name_is_made_up_by_the_cloud(resources: list[Resource]) -> None:
    """Roles, policies and ARNs of the plan name what has no name of chance."""
    assert [label(each) for each in resources if set(MADE_UP) & each.inputs.keys()] == []


def test_every_arn_is_of_the_stacks_own_account_and_region(resources: list[Resource]) -> None:
    """But for what AWS keeps for all, and what stands for an ARN that is not known yet."""
    foreign = [
        (label(each), arn)
        for each in resources
        for arn in arns(each)
        if not is_own(arn, region_of(resources))
    ]

    assert foreign == []


def arns(resource: Resource) -> Iterator[str]:
    """Every ARN in its inputs, within documents too."""
    text = json.dumps(resource.inputs).replace('\\\\"', '"').replace('\\"', '"')
    return (
        found for found in re.findall(r'arn:aws:[^"\s]*', text) if not found.startswith("arn:aws:generated")
    )


def is_own(arn: str, region: str) -> bool:
    """Whether an ARN is of this account and region, of a service without them, or of AWS."""
    _, _, service, of_region, account, *_ = [*arn.split(":"), "", "", ""]
    if of_region not in {region, "", "*"}:
        return False
    return account in OWN or (account == "aws" and service in {"iam", "eks"})


def region_of(resources: list[Resource]) -> str:
    """The region that most of the ARNs name."""
    found = Counter(arn.split(":")[3] for each in resources for arn in arns(each) if arn.count(":") > 3)
    return next(region for region, _ in found.most_common() if region)


def test_what_is_ignored_is_an_argument(resources: list[Resource]) -> None:
    """Pulumi says nothing of a path that is none, and goes on to reset what somebody else sets."""
    for each in resources:
        for path in each.ignored:
            assert path.split(".")[0] in each.inputs, label(each)


def test_two_stacks_share_an_account(recorded: dict[str, Recording]) -> None:
    """No name of one is a name of the other, where names are the account's own."""
    dev, prod = (names(aws_resources(recorded[case])) for case in ("stack-dev", "stack-prod"))

    assert sorted(dev.keys() & prod.keys()) == []
    assert len(dev) > 20


def names(resources: list[Resource]) -> Mapping[tuple[str, str], str]:
    """Which resource has which name of its type; what stands for another resource is no name."""
    others = {each.name for each in resources}
    return {
        (each.type, each.inputs[argument]): each.name
        for each in resources
        for argument in NAMES
        if each.type not in NESTED and each.inputs.get(argument, "") not in {"", *others}
    }
