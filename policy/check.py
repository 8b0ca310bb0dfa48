"""Holds the recorded plan of a stack to every rule, without an engine, a cluster or credentials.

`python -m policy.check --stack NAME [--project DIR]` prints each breach as a block of two lines: where, what, how to
mend it and which rule says so. It ends with 1 where a mandatory rule is broken.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi

from infra.brief import live_briefly
from infra.plan.recording import Recording
from infra.plan.report.costs import bounds_of
from infra.record import record
from infra.spec.errors import SpecError
from policy.rule import judge
from policy.rules import RULES
from policy.seen import Seen, Subject


def subject_of(recording: Recording) -> Subject:
    """A recorded plan as rules look at it."""
    seen = tuple(
        Seen(each.type, each.name, each.inputs, frozenset(each.dependencies), each.protect)
        for each in recording.resources
    )
    return Subject(seen, bounds_of(recording.facts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is broken; 1 where that is mandatory, or where there is no plan."""
    parser = argparse.ArgumentParser(prog="python -m policy.check", description=__doc__)
    parser.add_argument("--stack", required=True, help="as in stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of endpoints.yaml (this one)")
    chosen = parser.parse_args(arguments)
    try:
        recording = record(chosen.project, chosen.stack)
    except (SpecError, pulumi.RunError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    findings = judge(RULES, subject_of(recording))
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    broken = sum(finding.level == "mandatory" for finding in findings)
    counts = f"{len(RULES)} rules, {len(recording.resources)} resources"
    sys.stdout.write(f"{chosen.stack}: {counts}: {broken} mandatory, {len(findings) - broken} advisory.\n")
    return 1 if broken else 0


if __name__ == "__main__":
    live_briefly()
    sys.exit(main())
