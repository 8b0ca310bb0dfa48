"""Dashboards, alerts and what is scraped, as manifests and text for any Prometheus and Grafana. Pure."""
