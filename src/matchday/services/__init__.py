"""Rooms. Each owns its state, hears messages, says messages, and knows neither other rooms nor backends."""
