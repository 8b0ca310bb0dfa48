"""The scaler of a cluster: demand in, the Deployments' numbers out, and why a request waits."""
