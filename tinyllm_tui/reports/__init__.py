"""A run as a file that other programs show: its timeline as a picture, and a report of it."""
