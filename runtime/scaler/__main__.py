"""`python -m runtime.scaler`: one scaler, told by its environment what to do (see `settings`)."""

from runtime.starting import start

if __name__ == "__main__":
    start("runtime.scaler.program")
