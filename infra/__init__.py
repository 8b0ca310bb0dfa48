"""endpoints.yaml to a plan, and a plan to a platform."""
