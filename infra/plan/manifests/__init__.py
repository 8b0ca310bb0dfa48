"""From plan to Kubernetes manifests: plain mappings, as the API server takes them."""
