"""What a change does: which fields, what restarts, what it costs and needs, and what is risky. Pure."""
