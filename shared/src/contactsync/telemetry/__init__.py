"""Log set-up, metric names, redaction."""
