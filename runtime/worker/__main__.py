"""`python -m runtime.worker`: the sidecar of one replica."""

from runtime.starting import start

if __name__ == "__main__":
    start("runtime.worker.program")
