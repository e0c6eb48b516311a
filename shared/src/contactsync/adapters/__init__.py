"""The ports, carried out: vendors, PostgreSQL, RabbitMQ, memory."""
