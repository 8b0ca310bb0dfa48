"""The program: read, load, plan, build, export. `pulumi up` runs it, and `infra.record` without an engine."""

from dataclasses import asdict
from pathlib import Path

import pulumi

from infra.build import build
from infra.cluster import Cluster, Seen
from infra.plan.facts import facts_of
from infra.plan.fit import used_secrets
from infra.plan.planner import plan_platform
from infra.plan.report.costs import bounds_of
from infra.plan.values import Plan, Specs
from infra.project import check_fit, read_specs
from infra.settings import read_secrets, read_settings
from infra.spec.errors import SpecError


def main(root: Path, cluster: Cluster) -> tuple[Specs, Plan]:
    """Turn a project's endpoints.yaml into a running platform; what was read and planned comes back."""
    config, stack = pulumi.Config(), pulumi.get_stack()
    try:
        settings = read_settings(config, stack)
        specs = read_specs(root)
        values = read_secrets(config, used_secrets(specs.spec))
        check_fit(root, specs, settings, frozenset(values))
    except SpecError as error:
        raise pulumi.RunError(str(error)) from None  # shown without a traceback
    plan = plan_platform(specs, settings, stack)
    build(plan, values, cluster)
    # What the policy pack holds the stack to: it sees resources, and no price stands in one.
    pulumi.export("bounds", asdict(bounds_of(facts_of(specs, plan))))
    return specs, plan


if __name__ == "__main__":
    main(Path(__file__).parent.parent, Seen())
