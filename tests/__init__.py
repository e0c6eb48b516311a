"""The test suites of Contact Sync."""
