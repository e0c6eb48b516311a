"""What every route shares: callers, problems, paging, languages."""
