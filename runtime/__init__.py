"""What runs: gateway, queue, worker, scaling policy, model runner and the local platform."""
