"""``matchday bench``: how fast, at what cost, beside a reference in the same run (docs/performance.md)."""
