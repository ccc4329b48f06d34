"""The fixtures of whole runs."""

from quick_fixtures import call, egg, quick_house, quick_run

__all__ = ["call", "egg", "quick_house", "quick_run"]
