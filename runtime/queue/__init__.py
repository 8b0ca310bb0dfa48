"""The queue in front of every endpoint: in Valkey, and a twin in memory."""
