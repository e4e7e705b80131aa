"""How large a crowd is to come, and what being ready for it would have cost (docs/forecast.md)."""
