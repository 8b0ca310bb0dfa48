"""Reads a project folder: endpoints.yaml, templates/ and the folders of `python:` endpoints."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.folders import MOST_BYTES, MOST_FILES, FolderTooLargeError, OutsideLinkError, content_hash
from infra.plan.aws.scope import stack_name_findings
from infra.plan.fit import fit_findings, unset_secrets
from infra.plan.records import plan_records, python_folders
from infra.plan.values import Records, Specs
from infra.spec.errors import Fault, SpecError
from infra.spec.load import load
from infra.spec.load_stack import StackFile, load_stack
from infra.spec.model import Spec
from infra.spec.source import Finding, Source, decode, parse
from infra.spec.stack import Stack
from infra.spec.templates import Template, parse_template
from infra.spec.wording import shown

ENDPOINTS_FILE = "endpoints.yaml"
SERVICE_FILE = "service.py"
RUNTIME_PARTS = (
    "images/runtime",
    "images/tools/requirements.txt",
    "pyproject.toml",
    "requirements/cluster.txt",
    "runtime",
)
"""All that the platform's own image is made from."""
RUNNER_PARTS = ("images/python", "images/tools/requirements.txt", "runtime/replica")
"""All that the image of a `python:` endpoint holds beside its folder."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder, read and right."""

    spec: Spec
    templates: Mapping[str, Template]
    contents: Mapping[str, str]
    """Hash of the content of each `python:` folder."""

    @property
    def records(self) -> Records:
        """The plan of one machine."""
        return plan_records(self.spec, self.templates, self.contents)


def read_project(folder: Path) -> Project:
    """Read a project.

    Raises:
        SpecError: every fault of its templates, else of endpoints.yaml, else of the folders it names.
    """
    templates = read_templates(folder)
    text = _read(folder, ENDPOINTS_FILE)
    spec = load(text, ENDPOINTS_FILE, templates)
    contents, findings = _contents(folder, spec)
    if findings:
        source = parse(text, ENDPOINTS_FILE)
        raise SpecError(source.fault(finding) for finding in findings)
    return Project(spec, templates, contents)


def read_specs(folder: Path) -> Specs:
    """A project as the plan of a stack reads it.

    Raises:
        SpecError: as `read_project`.
    """
    return specs_of(folder, read_project(folder))


def specs_of(folder: Path, project: Project) -> Specs:
    """A project that was read, as the plan of a stack reads it."""
    runtime, runner = _parts_hash(folder, RUNTIME_PARTS), _parts_hash(folder, RUNNER_PARTS)
    return Specs(project.spec, project.templates, project.contents, runtime, runner)


def read_stack(folder: Path, stack: str) -> StackFile:
    """A stack's file.

    Raises:
        SpecError: every fault of it.
    """
    name = f"stacks/Pulumi.{stack}.yaml"
    if not (folder / name).is_file():
        known = ", ".join(stack_names(folder)) or "none"
        what = "there is no such stack file."
        raise SpecError([Fault(name, 1, 1, "", what, f"Known stacks: {known}.", "file-missing")])
    found = load_stack(_read(folder, name), name)
    if found.settings.aws is not None and (wrong := list(stack_name_findings(stack))):
        raise SpecError(Fault(name, 1, 1, "", each.what, each.mend, each.code) for each in wrong)
    return found


def stack_names(folder: Path) -> list[str]:
    """Every stack that the project has a file of, sorted."""
    return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in folder.glob("stacks/Pulumi.*.yaml"))


def check_fit(folder: Path, specs: Specs, stack: Stack, values: frozenset[str]) -> None:
    """Hold the endpoints against the stack; `values` names the secrets that it has a value of.

    Raises:
        SpecError: every fault, at its line of endpoints.yaml.
    """
    findings = [*fit_findings(specs.spec, stack), *unset_secrets(specs.spec, stack, values)]
    if findings:
        source = parse(_read(folder, ENDPOINTS_FILE), ENDPOINTS_FILE)
        raise SpecError(source.fault(finding) for finding in findings)


def _parts_hash(folder: Path, parts: Sequence[str]) -> str:
    """SHA-256 over files and folders of the project, in hex; what is not there does not count."""
    digest = hashlib.sha256()
    for part in parts:
        path = folder / part
        if path.is_dir():
            digest.update(f"{part} {content_hash(path)}\n".encode())
        elif path.is_file():
            digest.update(f"{part} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def read_templates(folder: Path) -> dict[str, Template]:
    """The templates of a project by name, sorted.

    Raises:
        SpecError: all faults of all templates.
    """
    found: dict[str, Template] = {}
    faults: list[Fault] = []
    for path in sorted((folder / "templates").glob("*/template.yaml")):
        place = path.parent.relative_to(folder).as_posix()
        try:
            text = _read(folder, f"{place}/template.yaml")
            template = parse_template(text, place)
            _check_files(folder, text, template)
            found[template.name] = template
        except SpecError as exc:
            faults += exc.faults
    if faults:
        raise SpecError(faults)
    return found


def _read(folder: Path, name: str) -> str:
    try:
        return decode((folder / name).read_bytes(), name)
    except FileNotFoundError:
        what, mend, code = "there is no such file here.", "Run this in the project's folder.", "file-missing"
    except OSError as exc:
        what, mend = f"it cannot be read: {exc.strerror}.", "Make it a readable file."
        code = "file-unreadable"
    raise SpecError([Fault(name, 1, 1, "", what, mend, code)])


def _check_files(folder: Path, text: str, template: Template) -> None:
    """Refuse a template whose service or example files are not there."""
    here = folder / template.folder
    findings = [
        Finding(path, f"there is no file {shown(name)} in the folder.", "Add it.", "file-missing")
        for path, name in template.files
        if not (here / name).is_file()
    ]
    if template.defaults.get("python") == template.folder and not (here / SERVICE_FILE).is_file():
        what = f"there is no {SERVICE_FILE} in the folder, and no image."
        findings.append(Finding(("defaults",), what, f"Add {SERVICE_FILE}, or an image.", "file-missing"))
    if findings:
        source: Source = parse(text, f"{template.folder}/template.yaml")
        raise SpecError(source.fault(finding) for finding in findings)


def _contents(folder: Path, spec: Spec) -> tuple[dict[str, str], list[Finding]]:
    contents: dict[str, str] = {}
    findings: list[Finding] = []
    for name in python_folders(spec):
        try:
            contents[name] = _content(folder, name)
        except _UnusableFolderError as exc:
            findings += (Finding(path, exc.what, exc.mend, exc.code) for path in _users(spec, name))
    return contents, findings


def _users(spec: Spec, name: str) -> Iterator[tuple[str | int, ...]]:
    for at, endpoint in enumerate(spec.endpoints):
        if endpoint.python == name:
            yield ("endpoints", at, "python")


class _UnusableFolderError(Exception):
    """A `python:` folder that cannot be run."""

    def __init__(self, what: str, mend: str, code: str) -> None:
        self.what, self.mend, self.code = what, mend, code
        super().__init__(what)


def _content(project: Path, name: str) -> str:
    """Hash of one folder's content.

    Raises:
        _UnusableFolderError: it is missing, leaves the project, has no service or is too large.
    """
    folder = project / name
    if not folder.is_dir():
        raise _UnusableFolderError(
            f"there is no folder {shown(name)}.", "Make it, or mend the path.", "folder-missing"
        )
    if not folder.resolve().is_relative_to(project.resolve()):
        raise _UnusableFolderError(
            f"{shown(name)} leads out of the project.", "Move the folder into the project.", "folder-link"
        )
    if not (folder / SERVICE_FILE).is_file():
        raise _UnusableFolderError(
            f"there is no {SERVICE_FILE} in {shown(name)}.",
            "Add it: a class with setup() and infer().",
            "file-missing",
        )
    try:
        return content_hash(folder)
    except FolderTooLargeError:
        what = f"{shown(name)} holds more than {MOST_FILES} files or {MOST_BYTES // MIB} MiB."
        mend = "Keep code there; put weights into a volume, a package or an image."
        raise _UnusableFolderError(what, mend, "folder-large") from None
    except OutsideLinkError as exc:
        what = f"the link {shown(exc.path)} leaves the folder."
        raise _UnusableFolderError(what, "Copy the file into the folder.", "folder-link") from None
    except OSError as exc:
        what = f"{shown(name)} cannot be read: {exc.strerror}."
        raise _UnusableFolderError(what, "Make its files readable.", "file-unreadable") from None
