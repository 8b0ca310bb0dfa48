"""The local platform: a supervisor that keeps queue, gateway and replicas running on one machine."""
