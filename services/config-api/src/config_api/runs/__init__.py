"""Runs and their reports."""
