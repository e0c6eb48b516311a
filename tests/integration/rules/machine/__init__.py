"""The machine of two people at work: what it sees, what it remembers, and the laws that it holds the sync to."""
