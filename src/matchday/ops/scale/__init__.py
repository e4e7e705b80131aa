"""``matchday capacity``: what runs at how many fans, computed from the capacity model and a table of assumptions."""
