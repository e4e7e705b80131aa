"""``matchday drill capacity``: the knee of one process of each room on this machine, kept as the capacity model."""
