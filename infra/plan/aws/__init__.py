"""The plan of an AWS account: network, cluster, nodes, stores, ways in, and who may do what. Pure."""
