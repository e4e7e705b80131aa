"""``matchday drill night``: a night's crowd in phases, with faults in the middle, and what became of it."""
