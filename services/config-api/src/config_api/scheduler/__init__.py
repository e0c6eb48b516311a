"""Due configurations and stuck runs: a sweep every few seconds, safe in several replicas."""
