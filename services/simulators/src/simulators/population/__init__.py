"""Realistic people for the simulators, the same ones for the same seed, in no vendor's words."""

from simulators.population.crowd import people
from simulators.population.google import to_google_person
from simulators.population.person import Address, Person
from simulators.population.zoho import to_zoho_record

__all__ = ["Address", "Person", "people", "to_google_person", "to_zoho_record"]
