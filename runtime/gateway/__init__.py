"""The gateway: takes clients' requests, journals them in the queue, and hands back what the models answer."""
