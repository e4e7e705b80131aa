"""Backends: what stores and carries things. Only the composition knows them."""
