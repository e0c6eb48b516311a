"""What several suites need: servers, fixtures, waiting."""
