"""The service that carries out runs: takes hints, reads both sides, decides, writes."""
