"""The cluster's programs are built once for each state of their sources, and a failed build leaves nothing."""

import fcntl
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cluster.binaries import LOCK_POLL_SECONDS, UNUSED_DAYS, Workshop, build
from cluster.go_build import BuildError
from cluster.go_modules import (
    MODULES,
    OWN,
    SOURCES,
    Copied,
    GoModule,
    linker_flags,
    name_by_go,
    source_key,
)
from cluster.places import find_places

KUBERNETES = next(module for module in MODULES if module.name == "kubernetes")
FAKE_GO = """#!/bin/sh
case "$1" in
env) echo "go1.26.8 linux amd64"; exit ;;
list) echo "$PWD/required"; exit ;;
esac
echo "$PWD" >>"$(dirname "$0")/builds"
while [ "$1" != -o ]; do shift; done
into=$2; shift 2
. "$PWD/behaviour"
for package; do
  [ "$package" = . ] && package=$PWD
  echo program >"$into$(basename "$package")"
done
"""
"""Told by the file `behaviour` in the module's folder what to do before it makes the programs."""
SERVER = GoModule("server", {"serve": "example.com/serving/cmd/daemon", "server": OWN}, 1, 20.0)
CLIENT = GoModule("client", {"client": OWN}, 1, 20.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """Two modules, a compiler that does as it is told, and an empty cache."""

    folder: Path
    told: list[str] = field(default_factory=list)

    def shop(self, *modules: GoModule, heartbeat_seconds: float = 30.0) -> Workshop:
        """Builds the modules; none given, both."""
        return Workshop(
            cache=self.folder / "cache",
            sources=self.folder,
            modules=modules or (SERVER, CLIENT),
            go=str(self.folder / "go"),
            say=self.told.append,
            heartbeat_seconds=heartbeat_seconds,
        )

    def behave(self, name: str, script: str) -> None:
        """What the compiler does in a module, in the shell's words."""
        (self.folder / name / "behaviour").write_text(script)

    @property
    def builds(self) -> list[str]:
        """The modules that the compiler was started in."""
        path = self.folder / "builds"
        return [Path(line).name for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def kept(self) -> list[Path]:
        """What the cache holds, but for the lock."""
        return [path for path in (self.folder / "cache").iterdir() if path.name != ".lock"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Both modules build."""
    go = tmp_path / "go"
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    made = Scene(tmp_path)
    for module in (SERVER, CLIENT):
        folder = tmp_path / module.name
        folder.mkdir()
        (folder / "go.mod").write_text(f"module example.com/{module.name}\n")
        (folder / "main.go").write_text("package main\n")
        made.behave(module.name, "")
    return made


def key(folder: Path, module: GoModule = SERVER, compiler: str = "go1.26.8") -> str:
    """The key as of now."""
    return source_key(folder, module, compiler)


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "inner/more.go"])
def test_a_changed_source_changes_the_key(scene: Scene, name: str) -> None:
    """Versions, checksums and own code each make another build."""
    folder = scene.folder / "server"
    before = key(folder)

    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("changed\n")

    assert key(folder) != before


def test_what_no_build_reads_leaves_the_key(scene: Scene) -> None:
    """Go's tests and notes are no part of the programs."""
    folder = scene.folder / "server"
    before = key(folder)

    (folder / "main_test.go").write_text("package main\n")
    (folder / "README.md").write_text("notes\n")

    assert key(folder) == before


def test_compiler_and_flags_change_the_key(scene: Scene) -> None:
    """The same sources make other programs then."""
    folder = scene.folder / "server"

    keys = {
        key(folder),
        key(folder, compiler="go1.27.0"),
        key(folder, replace(SERVER, stamped="example.com/x", stamps=("x.Version={version}",))),
    }

    assert len(keys) == 3


def test_programs_get_their_own_names(scene: Scene) -> None:
    """Not those of their Go packages, and nothing else is kept."""
    built = build(["server"], scene.shop())

    assert sorted(path.name for path in built["server"].iterdir()) == ["serve", "server"]


def test_what_is_built_is_not_built_again(scene: Scene) -> None:
    """The second call finds the first one's programs and is silent."""
    first = build(["server"], scene.shop())
    scene.told.clear()

    second = build(["server"], scene.shop())

    assert (first, scene.builds, scene.told) == (second, ["server"], [])


def test_a_changed_module_is_built_beside_the_old_one(scene: Scene) -> None:
    """A checkout with the old sources still finds its programs."""
    before = build(["server"], scene.shop())["server"]

    (scene.folder / "server" / "go.mod").write_text("module example.com/other\n")
    after = build(["server"], scene.shop())["server"]

    assert after != before
    assert (before / "serve").is_file()


def test_modules_are_built_in_the_order_of_the_table(scene: Scene) -> None:
    """What a cluster needs first is there first, however it is asked for."""
    built = build(["client", "server"], scene.shop())

    assert list(built) == scene.builds == ["server", "client"]


def test_a_failed_build_shows_why(scene: Scene) -> None:
    """Go's last lines, without the names of packages that it built."""
    scene.behave("server", "echo example.com/fine; echo 'main.go:3: undefined: x' >&2; exit 3")

    with pytest.raises(BuildError) as raised:
        build(["server"], scene.shop())

    assert str(raised.value) == "server: go build ended with 3. Its last lines:\n  main.go:3: undefined: x"


def test_a_failed_build_leaves_nothing(scene: Scene) -> None:
    """Nor does it stop the next one."""
    scene.behave("server", 'echo half >"${into}daemon"; exit 1')
    with pytest.raises(BuildError):
        build(["server"], scene.shop())
    left = scene.kept

    scene.behave("server", "")
    built = build(["server"], scene.shop())

    assert left == []
    assert scene.kept == [built["server"]]


def test_a_program_that_go_did_not_make_is_named(scene: Scene) -> None:
    """A library builds without a word and without a program."""
    scene.behave("server", "exit 0")

    with pytest.raises(BuildError, match=r"made no daemon\. Is example\.com/serving/cmd/daemon a main"):
        build(["server"], scene.shop())

    assert scene.kept == []


def test_a_build_over_its_limit_is_ended_with_its_children(scene: Scene) -> None:
    """They would go on to use the processors."""
    scene.behave("server", f"sleep 60 & echo $! >'{scene.folder}/child'; wait")

    with pytest.raises(BuildError, match="took longer than 1 s, its limit"):
        build(["server"], scene.shop(replace(SERVER, limit_seconds=0.6)))

    child = int((scene.folder / "child").read_text())
    wait_until(lambda: not is_running(child))
    assert scene.kept == []


def is_running(pid: int) -> bool:
    """Whether it is more than a process that nobody has waited for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


def test_a_long_build_gives_signs_of_life(scene: Scene) -> None:
    """With the time and what go was at; before it, how long it may take."""
    scene.behave(
        "server", f"echo example.com/now; while [ ! -e '{scene.folder}/goes-on' ]; do sleep 0.01; done"
    )
    shop = scene.shop(heartbeat_seconds=0.05)

    with ThreadPoolExecutor(1) as pool:
        built = pool.submit(build, ["server"], shop)
        wait_until(lambda: any("now" in line for line in scene.told))
        (scene.folder / "goes-on").touch()
        built.result(10)

    assert scene.told[0] == "server: building (about 1 s the first time)"
    assert "server: still building after 0 s, last example.com/now" in scene.told
    assert scene.told[-1].startswith("server: built in ")


def wait_until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once the fact holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_builds_take_turns(scene: Scene) -> None:
    """The second says that it waits; on two cores both would be slower."""
    shop = scene.shop()
    shop.cache.mkdir()

    with ThreadPoolExecutor(1) as pool, (shop.cache / ".lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        built = pool.submit(build, ["server"], shop)
        wait_until(lambda: scene.told == ["waiting for another build"])
        fcntl.flock(other, fcntl.LOCK_UN)
        built.result(LOCK_POLL_SECONDS + 10)

    assert scene.builds == ["server"]


def test_manifests_are_kept_beside_the_programs(scene: Scene) -> None:
    """And may be changed and removed, though the module cache they come from is read-only."""
    required = scene.folder / "server" / "required" / "config" / "default"
    required.mkdir(parents=True)
    (required / "kustomization.yaml").write_text("resources: []\n")
    (required / "kustomization.yaml").chmod(0o444)
    required.chmod(0o555)

    built = build(
        ["server"], scene.shop(replace(SERVER, copied=(Copied("example.com/x", "config", "config"),)))
    )

    copy = built["server"] / "config" / "default"
    assert (copy / "kustomization.yaml").read_text() == "resources: []\n"
    assert [path.stat().st_mode & 0o200 for path in (copy, copy / "kustomization.yaml")] == [0o200, 0o200]


def test_only_what_is_long_unused_is_removed(scene: Scene) -> None:
    """And what an ended process left half built; another module's programs stay."""
    shop = scene.shop()
    long_ago = time.time() - (UNUSED_DAYS + 1) * 86_400
    for name in ("server-000000000000", "server-111111111111", "client-000000000000", ".building-client-x"):
        (shop.cache / name).mkdir(parents=True)
    for name in ("server-000000000000", "client-000000000000"):
        os.utime(shop.cache / name, (long_ago, long_ago))

    built = build(["server"], shop)

    names = {"server-111111111111", "client-000000000000", built["server"].name}
    assert {path.name for path in scene.kept} == names


def test_an_unknown_module_is_told_the_known_ones(scene: Scene) -> None:
    """Before anything is built."""
    with pytest.raises(BuildError, match=r"no module sever\. There are: server, client\."):
        build(["client", "sever"], scene.shop())

    assert scene.builds == []


def test_without_a_compiler_the_error_says_what_to_install(scene: Scene) -> None:
    """A clean machine has none."""
    shop = replace(scene.shop(), go=str(scene.folder / "none"))

    with pytest.raises(BuildError, match=r"is not installed\. Install Go 1\.26"):
        build(["server"], shop)


def test_kubernetes_tells_the_version_that_is_required() -> None:
    """Without one, kubectl refuses the server."""
    flags = linker_flags(KUBERNETES, "module x\n\nrequire k8s.io/kubernetes v1.35.4 // indirect\n")

    package = "k8s.io/component-base/version"
    assert f"-X {package}.gitVersion=v1.35.4 -X {package}.gitMajor=1 -X {package}.gitMinor=35 " in flags


def test_a_module_without_its_stamped_requirement_is_refused(scene: Scene) -> None:
    """Rather than built with a version that is not its own."""
    shop = scene.shop(replace(SERVER, stamped="example.com/x", stamps=("x.Version={version}",)))

    with pytest.raises(BuildError, match=r"server: go\.mod requires no example\.com/x"):
        build(["server"], shop)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_module_lies_where_it_is_looked_for(module: GoModule) -> None:
    """With a go.mod that requires what its programs are stamped with."""
    go_mod = (SOURCES / module.name / "go.mod").read_text("utf-8")

    assert linker_flags(module, go_mod).startswith("-s -w")


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("sigs.k8s.io/kwok/cmd/kwok", "kwok"),
        ("example.com/v2x", "v2x"),
    ],
)
def test_a_version_is_no_name_of_a_program(package: str, name: str) -> None:
    """As go itself names what it builds."""
    assert name_by_go(package) == name


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({"MOORAGE_E2E_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/moorage/e2e"),
        ({"HOME": "/c"}, "/c/.cache/moorage/e2e"),
    ],
)
def test_the_cache_is_outside_the_repository(environment: dict[str, str], cache: str) -> None:
    """Where the user says, else where the user's other caches are."""
    assert find_places(environment).cache == Path(cache)
