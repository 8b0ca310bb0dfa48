"""Components of an AWS account: thin, one a file; each loops over its part of the plan."""
