"""`python -m infra.local`: what it writes, what it says, and what it refuses."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.folders import MOST_FILES, content_hash
from infra.local import main
from infra.project import read_project
from infra.spec.errors import SpecError
from runtime.wire.places import Places
from runtime.wire.records import EndpointRecord, TemplateRecord

ROOT = Path(__file__).parent.parent.parent
TEXT = """account: acme
endpoints:
  - name: mine
    python: code
  - name: other
    image: ghcr.io/acme/other:1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one folder and one image."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "service.py").write_text("class Service: ...\n")
    (tmp_path / "endpoints.yaml").write_text(TEXT)
    return tmp_path


def run(project: Path, *more: str) -> int:
    """The command, in this process."""
    return main(["--project", str(project), *more])


def record(project: Path, name: str) -> EndpointRecord:
    """What the platform would read."""
    path = Places(project / ".moorage").endpoints / f"{name}.json"
    return EndpointRecord.model_validate_json(path.read_bytes())


def codes_of(project: Path) -> list[str]:
    """Codes of what is wrong with a project."""
    with pytest.raises(SpecError) as caught:
        read_project(project)
    return [fault.code for fault in caught.value.faults]


def test_records_are_written_where_the_platform_reads_them(project: Path) -> None:
    """One file an endpoint, and the account's."""
    assert run(project) == 0

    places = Places(project / ".moorage")
    assert sorted(path.name for path in places.endpoints.iterdir()) == ["mine.json", "other.json"]
    assert places.account.is_file()
    assert record(project, "mine").name == "mine"


def test_second_run_touches_nothing(project: Path) -> None:
    """Readers that watch files see no change."""
    run(project)
    before = {path: path.stat().st_mtime_ns for path in (project / ".moorage").rglob("*.json")}

    run(project)

    assert {path: path.stat().st_mtime_ns for path in (project / ".moorage").rglob("*.json")} == before


def test_edit_of_one_endpoint_rewrites_only_its_file(project: Path) -> None:
    """The rest keeps running."""
    run(project)
    other = Places(project / ".moorage").endpoints / "other.json"
    before = other.stat().st_mtime_ns

    (project / "endpoints.yaml").write_text(TEXT.replace("python: code", "python: code\n    timeout: 5"))
    run(project)

    assert record(project, "mine").scaling.timeout == 5
    assert other.stat().st_mtime_ns == before


def test_changes_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Added, changed, unchanged and removed, one line each."""
    run(project)
    (project / "endpoints.yaml").write_text(
        TEXT.replace("other", "new").replace("python: code", "python: code\n    timeout: 5")
    )
    capsys.readouterr()

    run(project)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["mine", "python", "code", "0-1", "private", "changed"],
        ["new", "image", "ghcr.io/acme/new:1", "0-1", "private", "added"],
        ["other", "removed"],
    ]


def test_removed_endpoint_leaves_no_file(project: Path) -> None:
    """Nor does an interrupted writing."""
    run(project)
    endpoints = Places(project / ".moorage").endpoints
    (endpoints / ".mine.json.1.part").write_text("half")

    (project / "endpoints.yaml").write_text("account: acme\nendpoints: []\n")
    run(project)

    assert list(endpoints.iterdir()) == []


def test_edit_of_the_code_is_a_new_revision(project: Path) -> None:
    """The replicas of the old code are replaced."""
    run(project)
    before = record(project, "mine").revision

    (project / "code" / "service.py").write_text("class Service: pass\n")
    run(project)

    assert record(project, "mine").revision != before


def test_check_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It only says that the file is right."""
    assert run(project, "--check") == 0

    assert capsys.readouterr().out == "endpoints.yaml is right: 2 endpoints.\n"
    assert not (project / ".moorage").exists()


def test_faults_go_to_stderr_without_a_traceback(project: Path) -> None:
    """Plain text in a pipe, exit status 1, and nothing written."""
    (project / "endpoints.yaml").write_text("account: acme\nendpoints:\n  - name: x\n    acces: public\n")

    done = subprocess.run(
        [sys.executable, "-m", "infra.local", "--project", str(project)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "endpoints.yaml:3: endpoints[0]: nothing says what to run.\n"
        "  Add one of template, image or python, or local for this machine only.  [source-missing]\n"
        'endpoints.yaml:4: endpoints[0].acces: "acces" is not a key of this place.\n'
        '  Did you mean "access"?  [unknown-key]\n'
        "2 faults. Nothing was changed.\n"
    )
    assert not (project / ".moorage").exists()


def test_state_folder_is_its_owners_alone(project: Path) -> None:
    """Tokens and secrets will lie in it."""
    run(project)

    assert stat.S_IMODE((project / ".moorage").stat().st_mode) == 0o700


def test_missing_endpoints_file_names_the_mend(tmp_path: Path) -> None:
    """Most often the wrong folder."""
    assert codes_of(tmp_path) == ["file-missing"]


def test_endpoints_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """No traceback."""
    (tmp_path / "endpoints.yaml").mkdir()

    assert codes_of(tmp_path) == ["file-unreadable"]


def test_missing_folder_is_refused(project: Path) -> None:
    """With the line that names it."""
    (project / "endpoints.yaml").write_text(TEXT.replace("code", "cod"))

    with pytest.raises(SpecError) as caught:
        read_project(project)

    assert str(caught.value) == (
        'endpoints.yaml:4: endpoints[0].python: there is no folder "cod".\n'
        "  Make it, or mend the path.  [folder-missing]"
    )


def test_folder_without_a_service_is_refused(project: Path) -> None:
    """There is nothing to run in it."""
    (project / "code" / "service.py").rename(project / "code" / "main.py")

    assert codes_of(project) == ["file-missing"]


def test_link_out_of_the_folder_is_refused(project: Path) -> None:
    """What it points to would not be in the image."""
    (project / "code" / "model.bin").symlink_to("/etc/hostname")

    assert codes_of(project) == ["folder-link"]


def test_folder_that_is_a_link_out_of_the_project_is_refused(project: Path) -> None:
    """The same, one level up."""
    (project / "endpoints.yaml").write_text(TEXT.replace("code", "linked"))
    (project / "linked").symlink_to("/usr")

    assert codes_of(project) == ["folder-link"]


def test_folder_of_too_many_files_is_refused(project: Path) -> None:
    """A virtual environment or a data set, most often."""
    for at in range(MOST_FILES):
        (project / "code" / f"{at}.txt").touch()

    assert codes_of(project) == ["folder-large"]


def test_caches_and_hidden_files_do_not_count(project: Path) -> None:
    """Running the code is no edit of it."""
    code = project / "code"
    before = content_hash(code)

    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "service.cpython-311.pyc").write_bytes(b"\0")
    (code / ".venv").mkdir()
    (code / ".venv" / "x.py").touch()

    assert content_hash(code) == before


@pytest.mark.parametrize("change", ["rename", "mode", "empty"])
def test_names_and_modes_count(project: Path, change: str) -> None:
    """A script that became executable is another one."""
    code = project / "code"
    (code / "run.sh").write_text("x")
    before = content_hash(code)

    match change:
        case "rename":
            (code / "run.sh").rename(code / "walk.sh")
        case "mode":
            (code / "run.sh").chmod(0o755)
        case "empty":
            (code / "more.py").touch()

    assert content_hash(code) != before


def test_template_without_service_or_example_file_is_refused(project: Path) -> None:
    """All faults of it at once."""
    folder = project / "templates" / "ocr"
    folder.mkdir(parents=True)
    (folder / "template.yaml").write_text(
        "title: t\ndescription: d\nroute: /infer\noutput: json\nlicense: {name: MIT, source: s}\n"
        "input: {type: object}\nexamples: [{title: e, body: {image: {$file: gone.png}}}]\n"
    )

    assert codes_of(project) == ["file-missing", "file-missing"]


def test_this_projects_own_files_are_right() -> None:
    """The endpoints.yaml that everybody starts from."""
    records = read_project(ROOT).records

    assert [endpoint.name for endpoint in records.endpoints] == [
        "embeddings",
        "ocr",
        "sentiment",
        "transcribe",
    ]
    assert all(endpoint.scaling.min == 0 for endpoint in records.endpoints)
    assert all(TemplateRecord.model_validate(template.model_dump()) for template in records.templates)


def test_unwritable_state_is_told_without_a_traceback(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where the folder should be."""
    blocked = project / "state"
    blocked.write_text("")

    assert run(project, "--state", str(blocked)) == 1

    assert "cannot be written" in capsys.readouterr().err
