"""Pulumi components: thin, one a file. They loop over a plan and decide nothing."""
