"""The policy pack: what must hold of every stack, on the recorded plan and under `pulumi preview`."""
