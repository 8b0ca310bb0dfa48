"""The steps by which the tables became what they are; Alembic goes them, each once."""
