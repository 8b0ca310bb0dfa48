"""Kubeconfigs to accesses: contexts, several files, and faults that show no secret."""

import json
from pathlib import Path

import pytest

from runtime.cluster.access import Access, ClusterConfigError
from runtime.cluster.client import find_access
from runtime.cluster.kubeconfig import UNSUPPORTED, kubeconfig_access

Part = dict[str, object]


def make_config(name: str = "one", cluster: Part | None = None, user: Part | None = None) -> Part:
    """A file of one context."""
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "x"}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443/", **(cluster or {})}}],
        "users": [{"name": name, "user": {"token": f"of-{name}", **(user or {})}}],
    }


def access_of(folder: Path, *configs: Part, context: str | None = None) -> Access:
    """The access of files with these contents."""
    paths = [folder / f"{number}" for number in range(len(configs))]
    for path, config in zip(paths, configs, strict=True):
        path.write_text(json.dumps(config))
    return kubeconfig_access({"KUBECONFIG": ":".join(map(str, paths))}, context)


def test_current_context_is_taken(tmp_path: Path) -> None:
    """Its server and its user's token; keys that do not matter are passed over."""
    access = access_of(tmp_path, make_config())

    assert (access.server, access.token, access.token_file) == ("https://one:6443", "of-one", None)


def test_named_context_is_taken_from_any_of_the_files(tmp_path: Path) -> None:
    """`KUBECONFIG` may name several; what is not there is passed over."""
    missing = tmp_path / "missing"
    configs = make_config(), make_config("two")

    access = access_of(tmp_path, *configs, context="two")
    environment = {"KUBECONFIG": f"{missing}:{tmp_path / '0'}::{tmp_path / '1'}"}

    assert access.server == "https://two:6443"
    assert kubeconfig_access(environment, None).server == "https://one:6443"


def test_first_of_two_entries_of_one_name_counts(tmp_path: Path) -> None:
    """As for kubectl."""
    access = access_of(tmp_path, make_config(), make_config(cluster={"server": "https://other"}))

    assert access.server == "https://one:6443"


def test_file_of_the_home_is_taken_where_none_is_named(tmp_path: Path) -> None:
    """`~/.kube/config`."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(json.dumps(make_config()))

    assert find_access({"HOME": str(tmp_path)}, None).server == "https://one:6443"


def test_token_file_is_beside_its_kubeconfig(tmp_path: Path) -> None:
    """Relative paths begin at the file that holds them."""
    access = access_of(tmp_path, make_config(user={"tokenFile": "t"}))

    assert access.token_file == tmp_path / "t"


def test_name_in_the_certificate_is_kept(tmp_path: Path) -> None:
    """Through a tunnel the URL's host is another one."""
    access = access_of(tmp_path, make_config(cluster={"tls-server-name": "kubernetes"}))

    assert access.server_name == "kubernetes"


@pytest.mark.parametrize("key", sorted(UNSUPPORTED))
def test_login_that_is_not_followed_is_refused_by_name(tmp_path: Path, key: str) -> None:
    """Passed over, it would be a 401 that nobody understands, or another user."""
    with pytest.raises(ClusterConfigError, match=f"context 'one' uses {key}. Give its user a token"):
        access_of(tmp_path, make_config(user={key: "x"}))


def test_login_of_another_context_does_not_matter(tmp_path: Path) -> None:
    """One file may lead to many clusters."""
    access = access_of(tmp_path, make_config(), make_config("two", user={"exec": {"command": "aws"}}))

    assert access.server == "https://one:6443"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"current-context": "other"}, "context 'other' has no entry 'other'"),
        ({"current-context": None}, "context None has no entry ''"),
        ({"users": None}, "context 'one' has no entry 'one'"),
        ({"clusters": [{"name": "one", "cluster": {}}]}, "clusters.0.cluster.server: Field required"),
        ({"users": "hush"}, "users: Input should be a valid tuple"),
    ],
)
def test_fault_is_named_without_its_value(tmp_path: Path, change: Part, told: str) -> None:
    """A file holds tokens and keys."""
    with pytest.raises(ClusterConfigError) as fault:
        access_of(tmp_path, {**make_config(), **change})

    assert told in str(fault.value)
    assert "hush" not in str(fault.value)


def test_file_that_is_no_yaml_is_named_without_its_text(tmp_path: Path) -> None:
    """The line that cannot be read may be the token's."""
    path = tmp_path / "config"
    path.write_text("token: 'hush\n  : [")

    with pytest.raises(ClusterConfigError) as fault:
        kubeconfig_access({"KUBECONFIG": str(path)}, None)

    assert str(path) in str(fault.value)
    assert "hush" not in str(fault.value)


def test_absence_of_every_file_names_where_one_was_looked_for(tmp_path: Path) -> None:
    """Neither in a pod nor configured."""
    with pytest.raises(ClusterConfigError, match=f"not in a pod, and no kubeconfig at {tmp_path}"):
        find_access({"HOME": str(tmp_path)}, None)


@pytest.mark.parametrize(
    "part",
    [
        {"cluster": {"certificate-authority": "missing"}},
        {"cluster": {"certificate-authority-data": "bm8gUEVN"}},
        {"cluster": {"certificate-authority-data": ""}},
        {"cluster": {"certificate-authority-data": "/w=="}},
        {"user": {"client-certificate-data": "bm8gUEVN", "client-key-data": "bm8gUEVN"}},
    ],
)
def test_certificate_that_cannot_be_read_is_a_named_fault(tmp_path: Path, part: dict[str, Part]) -> None:
    """Missing, or no certificate."""
    with pytest.raises(ClusterConfigError, match="context 'one'"):
        access_of(tmp_path, make_config(**part))  # type: ignore[arg-type] # by name
