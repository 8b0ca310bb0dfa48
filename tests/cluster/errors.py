"""What can go wrong with the tests' own cluster."""


class ClusterError(Exception):
    """Something of the cluster did not come about; the text is for the person who started it."""
