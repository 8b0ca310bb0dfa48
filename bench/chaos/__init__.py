"""`make chaos`: a whole platform under load, a SIGKILL every two seconds, and a ledger of each request's fate."""
