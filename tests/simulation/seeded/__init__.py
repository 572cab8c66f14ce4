"""Faults put into the worker on purpose, one mistake that a change could make each, by what they are about."""
