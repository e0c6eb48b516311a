"""PostgreSQL: the only truth. All SQL of the product is in this package, a module for each port."""
