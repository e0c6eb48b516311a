"""What became of single contacts, and what may be asked of them."""
