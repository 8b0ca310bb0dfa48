"""The Kubernetes API as gateway, platform API and scaler use it: connect, list and watch, the records."""
