"""Statistics of an audit: pure functions on numpy arrays, without models, specs, files or Inspect.

Each module has one subject and is imported by name (``from govaudit.stats import intervals``).
Results are frozen dataclasses; randomness comes in as a seed or generator; what is not defined on the
given data is a ``StatisticsError`` or a named flag, never nan.
"""
