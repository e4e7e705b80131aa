"""``matchday forecast record``: a platform's own load, minute by minute, as a backtest reads it."""
