"""What checkov and kube-score find in rendered manifests: nothing but what docs/manifest-findings.md explains."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.recordings import ROOT, write_project
from uv import find_uv_bin

from infra.plan.manifests.parts import COMPONENT_LABEL
from infra.project import read_stack, stack_names

HERE = Path(__file__).parent
GOLDEN = ROOT / "tests" / "golden"
EXPLAINED = ROOT / "docs" / "manifest-findings.md"
CHECKOV, AS_OF = "checkov==3.3.30", "2026-11-24"
"""And the day of what it depends on."""
FINE = 10
"""kube-score's best grade."""


class Finding(NamedTuple):
    """A check that fails, and on what: `Kind/component`."""

    check: str
    of: str


def run(*argv: str | Path, cwd: Path = ROOT) -> str:
    """A program's output; linters end with 1 when they find something."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr[-2000:]
    assert done.stdout, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder of manifests of each golden project and stack of the repository; AWS ones cannot be rendered."""
    cases = [(ROOT, stack) for stack in stack_names(ROOT) if read_stack(ROOT, stack).settings.aws is None]
    for path in sorted(GOLDEN.glob("*/Pulumi.prod.yaml")):
        if "backend: aws" in path.read_text("utf-8"):
            continue
        texts = ((path.parent / "endpoints.yaml").read_text("utf-8"), path.read_text("utf-8"))
        cases.append((write_project(tmp_path_factory.mktemp(path.parent.name), *texts), "prod"))
    folders = [tmp_path_factory.mktemp("rendered") for _ in cases]
    for (project, stack), folder in zip(cases, folders, strict=True):
        argv = ("-m", "infra.render", "--stack", stack, "--project", project, "--out", folder)
        run(sys.executable, *argv)
    return folders


@pytest.fixture(scope="module")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, in an environment of its own: it wants other versions than ours."""
    folder, uv = tmp_path_factory.mktemp("checkov") / "venv", find_uv_bin()
    subprocess.run((uv, "venv", "--quiet", "--python", sys.executable, folder), check=True)
    given = ("--quiet", "--python", folder, "--exclude-newer", AS_OF, CHECKOV)
    subprocess.run((uv, "pip", "install", *given), check=True)
    return folder / "bin" / "checkov"


def components(folder: Path) -> Mapping[str, str]:
    """The component of each object, by `Kind.namespace.name` as checkov calls it."""
    manifests = [yaml.safe_load(path.read_text("utf-8")) for path in folder.rglob("*.yaml")]
    return {
        f"{each['kind']}.{each['metadata'].get('namespace', 'default')}.{each['metadata']['name']}": str(
            each["metadata"].get("labels", {}).get(COMPONENT_LABEL, "")
        )
        for each in manifests
    }


def found_by_checkov(report: Mapping[str, Any], parts: Mapping[str, str]) -> Iterator[Finding]:
    """Its findings; a file that it could not read is none, and fails."""
    assert not report["results"].get("parsing_errors")
    for failed in report["results"]["failed_checks"]:
        kind = failed["resource"].partition(".")[0]
        yield Finding(failed["check_id"], f"{kind}/{parts[failed['resource']]}")


def found_by_kube_score(report: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Its findings, warnings too."""
    for scored in report:
        part = scored["object_meta"].get("labels", {}).get(COMPONENT_LABEL, "")
        for check in scored["checks"]:
            if not check.get("skipped") and check["grade"] < FINE:
                yield Finding(check["check"]["id"], f"{scored['type_meta']['kind']}/{part}")


def explained() -> dict[Finding, str]:
    """What the document explains, and how."""
    rows = re.findall(r"^\| `([\w-]+)` \| (`[^|]+`) \| (.+) \|$", EXPLAINED.read_text("utf-8"), re.MULTILINE)
    return {
        Finding(check, of): why for check, objects, why in rows for of in re.findall(r"`([^`]+)`", objects)
    }


def hold(found: Iterable[Finding], *, is_checkov: bool) -> None:
    """Hold what one linter finds against the document, both ways."""
    known = {finding for finding in explained() if finding.check.startswith("CKV") == is_checkov}
    seen = set(found)

    assert sorted(seen - known) == [], "mend it, or explain it in docs/manifest-findings.md"
    assert sorted(known - seen) == [], "no finding needs this line of docs/manifest-findings.md any more"


def test_every_line_of_the_document_is_read() -> None:
    """A row that the pattern misses would explain nothing."""
    rows = [line for line in EXPLAINED.read_text("utf-8").splitlines() if line.startswith("| `")]

    assert len({finding.check for finding in explained()}) == len(rows) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_checkov_finds_only_what_is_explained(rendered: list[Path], checkov: Path) -> None:
    """Each folder by itself, so that no case's objects stand in for another's."""
    flags = ("--framework", "kubernetes", "--compact", "--quiet", "--skip-download", "-o", "json")

    found: list[Finding] = []
    for folder in rendered:
        report = json.loads(run(checkov, "-d", folder, *flags))
        found += found_by_checkov(report, components(folder))

    hold(found, is_checkov=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kube_score_finds_only_what_is_explained(rendered: list[Path]) -> None:
    """The version that go.mod names, and all that it depends on by hash."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")

    found: list[Finding] = []
    for folder in rendered:
        files = sorted(folder.rglob("*.yaml"))
        text = run("go", "tool", "kube-score", "score", "--output-format", "json", *files, cwd=HERE)
        found += found_by_kube_score(json.loads(text))

    hold(found, is_checkov=False)
