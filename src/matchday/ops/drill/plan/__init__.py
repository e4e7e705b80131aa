"""``matchday drill plan``: the next seven days' fixtures, the peak that each will bring, and whether capacity holds."""
