"""From a record to a command line and an environment."""

from pathlib import Path

import pytest
from support.records import make_record

from runtime.local.engines import Engines, container_launch, login_file
from runtime.local.environments import Environments, installer_environment, read_recipe
from runtime.local.errors import PrepareError, SecretError
from runtime.local.notes import Launch
from runtime.local.secret_values import SecretValues
from runtime.local.settings import Settings
from runtime.local.sources import Sources, command_launch, filled, model_environment
from runtime.wire import CommandSource, ImageSource, PythonSource, RegistryLogin

PLAIN = Launch(argv=("serve", "--port={port}", "{container}"), cwd="/")


def sources_of(settings: Settings) -> Sources:
    """Sources without secrets."""
    values = SecretValues(settings.places.secrets, {})
    return Sources(settings, values, Environments(settings), Engines(settings, values))


def test_a_command_line_is_split_as_a_shell_splits_it(settings: Settings) -> None:
    """Its program is looked up on PATH, and it starts in the project's folder."""
    launch = command_launch('sh -c "sleep {port}"', settings)

    assert Path(launch.argv[0]).name == "sh"
    assert filled(launch, 8001, "c") == (launch.argv[0], "-c", "sleep 8001")
    assert launch.cwd == str(settings.root)


def test_only_a_container_has_a_container_name() -> None:
    """A user's own braces stay."""
    assert filled(PLAIN, 1, "moorage-a") == ("serve", "--port=1", "{container}")
    assert filled(PLAIN.model_copy(update={"container": True}), 1, "m-a")[-1] == "m-a"


@pytest.mark.parametrize(
    ("command", "told"),
    [("no-such-program x", "'no-such-program' is not on PATH"), ('"', "cannot be read"), (" ", "is empty")],
)
def test_a_wrong_command_names_its_fault(settings: Settings, command: str, told: str) -> None:
    """Before anything is started."""
    with pytest.raises(PrepareError, match=told):
        command_launch(command, settings)


def test_a_model_sees_the_record_and_little_of_ours() -> None:
    """PORT is the replica's; secrets of other endpoints, tokens of the cloud are not there."""
    environ = {"PATH": "/bin", "HOME": "/h", "MOORAGE_SECRET_OTHER": "v", "AWS_SESSION_TOKEN": "v"}
    record = make_record(env={"MODE": "fast", "PATH": "/own"})

    env = model_environment(environ, record, PLAIN, 8001, {"DB": "s"})

    assert env == {
        "HOME": "/h",
        "PATH": "/own",
        "MODE": "fast",
        "DB": "s",
        "PORT": "8001",
        "PYTHONUNBUFFERED": "1",
    }


async def test_a_missing_secret_stops_the_preparation(settings: Settings) -> None:
    """Nothing is installed for it."""
    record = make_record(source=CommandSource(command="sh"), secrets={"DB": "db-url"})

    with pytest.raises(SecretError, match="secret db-url is missing"):
        await sources_of(settings).prepare(record, settings.root / "log")


async def test_a_folder_without_service_names_it(settings: Settings) -> None:
    """Not the installer's words."""
    record = make_record(source=PythonSource(folder="nowhere"))

    with pytest.raises(PrepareError, match=r"nowhere has no service\.py"):
        await sources_of(settings).prepare(record, settings.root / "log")


def test_a_recipe_changes_with_any_requirements_file(tmp_path: Path) -> None:
    """And with the runner's."""
    runner = tmp_path / "runner.txt"
    runner.write_text("uvicorn\n")
    folder = tmp_path / "service"
    folder.mkdir()
    keys = [read_recipe(folder, runner).key]

    for name in ("service/requirements.txt", "service/requirements-gpu.txt", "runner.txt"):
        (tmp_path / name).write_text("numpy\n")
        keys.append(read_recipe(folder, runner).key)

    assert len(set(keys)) == 4


def test_requirements_with_hashes_stand_alone(tmp_path: Path) -> None:
    """They must name the runner's needs too, for pip refuses to mix."""
    runner = tmp_path / "runner.txt"
    runner.write_text("uvicorn\n")
    own = tmp_path / "requirements.txt"
    own.write_text("numpy==2\n")
    assert read_recipe(tmp_path, runner).requirements == (own, runner)

    own.write_text("numpy==2 --hash=sha256:00\n")

    assert read_recipe(tmp_path, runner).requirements == (own,)
    assert read_recipe(tmp_path, runner).hashed


def test_the_installer_sees_proxies_but_no_secrets() -> None:
    """Its own settings too."""
    environ = {"PATH": "/bin", "HTTPS_PROXY": "p", "UV_INDEX_URL": "u", "MOORAGE_SECRET_X": "v"}

    env = installer_environment(environ)

    assert env["HTTPS_PROXY"] == "p"
    assert env["UV_INDEX_URL"] == "u"
    assert "MOORAGE_SECRET_X" not in env


def test_a_container_names_its_secrets_without_values() -> None:
    """No privilege, no capability, reachable on loopback only."""
    record = make_record(env={"MODE": "fast"}, secrets={"DATABASE_URL": "db-url"}, hardware="cpu")

    argv = filled(container_launch("/bin/docker", record, "acme/embed:1", Path("/p"), gpus=True), 8001, "m")

    line = " ".join(argv)
    assert line.startswith("/bin/docker run --rm --name m ")
    assert "-p 127.0.0.1:8001:8080" in line
    assert "--cap-drop ALL --security-opt no-new-privileges" in line
    assert "-e MODE=fast" in line
    assert "-e DATABASE_URL acme/embed:1" in line
    assert "--gpus" not in line


FAKE_ENGINE = """#!/bin/sh
echo "$@" >> {calls}
cat "$DOCKER_CONFIG/config.json" >> {calls} 2>/dev/null
case "$1" in info) exit {info};; image) exit 1;; pull) exit 0;; esac
"""


def fake_engine(settings: Settings, info: int) -> Path:
    """A docker on PATH that notes how it is called."""
    calls = settings.root / "calls"
    program = settings.root / "docker"
    program.write_text(FAKE_ENGINE.format(calls=calls, info=info))
    program.chmod(0o755)
    settings.environ["PATH"] = f"{settings.root}:/usr/bin:/bin"  # type: ignore[index]  # a dict in tests
    return calls


async def test_an_engine_that_does_not_answer_is_named(settings: Settings) -> None:
    """With both ways out."""
    fake_engine(settings, info=1)
    record = make_record(source=ImageSource(image="acme/embed:1"))

    with pytest.raises(PrepareError, match=r"^docker does not answer: .* local\.command"):
        await sources_of(settings).prepare(record, settings.root / "log")


async def test_an_image_is_pulled_with_a_login_that_is_gone_afterwards(settings: Settings) -> None:
    """The password stands in no command line."""
    calls = fake_engine(settings, info=0)
    login = RegistryLogin(server="registry.test", username="bot", password_secret="key")
    values = SecretValues(settings.places.secrets, {"MOORAGE_SECRET_KEY": "pw"})

    engine = await Engines(settings, values).prepare(
        ImageSource(image="acme/embed:1", registry=login), settings.root / "log"
    )

    told = calls.read_text()
    assert engine == str(settings.root / "docker")
    assert "pull acme/embed:1\n" + login_file(login, "pw") in told
    assert "pw" not in told.replace(login_file(login, "pw"), "")
