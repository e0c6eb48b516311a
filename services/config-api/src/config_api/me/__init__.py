"""What the caller may do here, and why not the rest."""
