"""The level over time: the points of a chart, and a picture for who cannot draw it from them."""
