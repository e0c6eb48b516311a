"""What travels on the queue and in webhooks, versioned."""
