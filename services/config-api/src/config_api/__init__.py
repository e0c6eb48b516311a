"""The service that keeps connections, sync configurations and runs, and answers HTTP."""
