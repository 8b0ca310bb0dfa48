"""Makes components without a cloud, in a process of their own, and tells all that they registered.

A process of their own, for Pulumi's runtime keeps its state in the module and its providers take seconds to read.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from support.recordings import ROOT

SECONDS = 90
"""Longest that one may take; about 6 s on an idle core."""
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""How Pulumi marks a secret on the wire. Source: sdk/python/lib/pulumi/runtime/rpc.py, 3.272."""
PROGRAM = """
import json, sys
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

MADE = []


class Cloud(mocks.Mocks):
    def new_resource(self, args):
        MADE.append({"kind": args.typ, "name": args.name, "inputs": args.inputs})
        proof = {"resourceRecordName": "_x.m", "resourceRecordType": "CNAME", "resourceRecordValue": "_y.aws"}
        own = {
            "arn": f"arn:{args.name}",
            "dnsName": f"{args.name}.elb",
            "domainValidationOptions": [proof],
            "fqdn": "_x.m",
            "nameServers": ["ns1"],
            "zoneId": f"Z{args.name}",
        }
        return args.name, {**own, **args.inputs}

    def call(self, args):
        raise NotImplementedError(args.token)


mocks.set_mocks(Cloud(), project="moorage", stack="prod", preview=False)
_sync_await(run_pulumi_func(build))
print(json.dumps(MADE))
"""


@dataclass(frozen=True, slots=True)
class Made:
    """One resource, as its provider was asked for it."""

    kind: str
    name: str
    inputs: dict[str, Any]


def made_by(source: str) -> tuple[Made, ...]:
    """What is made by a source text that defines `build()`, in order of their names."""
    done = subprocess.run(
        [sys.executable, "-c", source + PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tuple(sorted((Made(**each) for each in json.loads(done.stdout)), key=lambda each: each.name))
