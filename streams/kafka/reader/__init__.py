"""Readers of whole topics, for operators; they join no group."""
