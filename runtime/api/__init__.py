"""The platform API as a program of its own: `/v1` for every gateway that forwards to it."""
