"""RabbitMQ: topology, publishing with confirms, consuming in tasks of our own, a watchdog.

Plain connections, never the client library's "robust" ones: what is restored after a loss, when, and in which order is
decided here, so that a handler outlives its connection and a call always ends. A process keeps up to three connections,
for publishing, consuming and inspecting, because a broker short of memory stops reading whoever publishes.
"""
