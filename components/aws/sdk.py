"""Imports single modules of the AWS SDK, without all that stands beside them."""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

SDK = "pulumi_aws"


class _BarePackages(MetaPathFinder, Loader):
    """Gives each service's package without running its `__init__`, which imports every module of the service."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package of a service, with the place of its modules; nothing for all else."""
        root, _, service = fullname.partition(".")
        if root != SDK or not service.isidentifier() or not path:
            return None
        folder = Path(path[0]) / service
        if not folder.is_dir():
            return None
        spec = ModuleSpec(fullname, self, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty: who wants a class names its module."""


def import_modules_alone() -> None:
    """From now on `from pulumi_aws.s3.bucket import Bucket` imports that module and no other resource of S3.

    Without it a plan of an account takes a quarter more time, all of it for classes that nobody uses.
    """
    if not any(isinstance(finder, _BarePackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BarePackages())
