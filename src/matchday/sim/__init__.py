"""The whole platform under a seeded clock."""
