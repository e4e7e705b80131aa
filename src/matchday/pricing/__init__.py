"""Prices: the state of a match in, prices out. Pure; probabilities are floats, prices are integers of thousandths."""
