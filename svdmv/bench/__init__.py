"""Scores of views against true renders."""
