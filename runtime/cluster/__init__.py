"""The Kubernetes API as gateway, platform API and scaler use it: reach, call, list and watch, the records."""
