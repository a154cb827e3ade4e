"""Runs compared: what several specs declare beside what several arms were observed to do.

In: run folders (or imported logs) as tables. Out: one document (:mod:`document`) and its renderings. No
model is asked; Inspect and torch are not imported here.
"""
