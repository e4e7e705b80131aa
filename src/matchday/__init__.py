"""Matchday: the engine room of an online betting company."""

__version__ = "0.1.0"
