"""The interfaces between the engine and the world: Protocols alone."""
