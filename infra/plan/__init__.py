"""Turns a right `Spec` into values that the rest builds from: same file in, same plan out."""
