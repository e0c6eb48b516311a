"""Adapters that live in this process alone: for trying out, for the simulation and for fast tests."""
