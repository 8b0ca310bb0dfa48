"""What the runner reads from the environment."""

import os


def service_class() -> str | None:
    """`MOORAGE_SERVICE_CLASS`: which class to serve where service.py has several."""
    return os.environ.get("MOORAGE_SERVICE_CLASS")


def media_may_be_private() -> bool:
    """`MOORAGE_MEDIA_PRIVATE=1`: media URLs may point into the private network too."""
    return os.environ.get("MOORAGE_MEDIA_PRIVATE") == "1"
