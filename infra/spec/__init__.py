"""Reads endpoints.yaml and templates: text in, a right `Spec` out, or every fault with its mend."""
