"""The use case of the product: observe both address books, decide, apply, settle, in slices."""
