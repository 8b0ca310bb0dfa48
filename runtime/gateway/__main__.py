"""`python -m runtime.gateway`: one gateway, told by its environment what to do (see `settings`)."""

from runtime.starting import start

if __name__ == "__main__":
    start("runtime.gateway.program")
