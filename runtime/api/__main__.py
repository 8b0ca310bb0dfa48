"""`python -m runtime.api`: the platform API, told by its environment what to do (see `settings`)."""

from runtime.starting import start

if __name__ == "__main__":
    start("runtime.api.program")
