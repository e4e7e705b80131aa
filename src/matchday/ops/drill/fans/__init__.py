"""Virtual fans: an open-loop crowd whose members behave like fans, each by its own seeded plan."""
