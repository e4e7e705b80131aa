"""Feeds: a provider's format in, our reports out."""
