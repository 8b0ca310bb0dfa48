"""Finds the user's class in `service.py` and makes the one object that answers requests."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.replica.errors import ServiceError


def load_service(folder: Path, module_name: str, class_name: str | None) -> Any:
    """The service: an object with `infer`, made without arguments.

    Whatever the user's code raises while it is imported or constructed goes through unchanged.

    Raises:
        ServiceError: No such module, or no class, or several to choose from, or one that wants arguments.
    """
    if not (folder / f"{module_name}.py").is_file() and not (folder / module_name).is_dir():
        raise ServiceError(
            f"there is no {module_name}.py in {folder.name}/. Add one with a class that has infer()."
        )
    module = importlib.import_module(module_name)
    return make(find_class(module, class_name))


def make(service: type) -> Any:
    """One object of the class.

    Raises:
        ServiceError: It wants arguments, and nobody is there to give them.
    """
    try:
        inspect.signature(service).bind()
    except TypeError as exc:
        raise ServiceError(
            f"{service.__name__}() is made without arguments: {exc}. Give it a default, or load it in setup()."
        ) from exc
    except ValueError:  # a class of C code tells no signature
        pass
    return service()


def find_class(module: ModuleType, name: str | None) -> type:
    """The class called `name`, else the only one with `infer`.

    Raises:
        ServiceError: None fits, or several do.
    """
    classes = _service_classes(module)
    if name is not None:
        classes = [cls for cls in classes if cls.__name__ == name]
    if len(classes) == 1:
        return classes[0]
    if classes:
        names = ", ".join(sorted(cls.__name__ for cls in classes))
        raise ServiceError(
            f"{module.__name__}.py has several classes with infer(): {names}. "
            "Name one with --service-class or MOORAGE_SERVICE_CLASS."
        )
    wanted = "no class" if name is None else f"no class {name}"
    raise ServiceError(f"{module.__name__}.py has {wanted} with an infer() method. Add one.")


def _service_classes(module: ModuleType) -> list[type]:
    """Classes with `infer`: the module's own ones, else those that it imported."""
    found = {
        cls: None
        for cls in vars(module).values()
        if isinstance(cls, type) and callable(getattr(cls, "infer", None)) and not inspect.isabstract(cls)
    }
    own = [cls for cls in found if cls.__module__ == module.__name__]
    return own or list(found)
