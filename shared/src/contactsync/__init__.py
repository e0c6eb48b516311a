"""What both services of Contact Sync share: domain, messages, ports, adapters, telemetry, errors."""
